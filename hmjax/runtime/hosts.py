"""Several hosts as one: JAX's own distributed runtime, and what the hosts have to agree on.

Every host runs the same command. Host 0 alone reads and writes the run folder, and the others need
not see it.

JAX's runtime ends a process by `abort`, with a stack trace, when a host does not come or is lost.
The command therefore runs in a process of its own, and the one that started it says so in one line.
"""

import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hmjax.errors import InvalidInput
from hmjax.runtime.ambient import devices, own_settings

_SUPERVISED = "HMJAX_SUPERVISED"  # in the environment of the process that does the work

_FATAL = re.compile(rb"^F\d{4} \d\d:\d\d", re.MULTILINE)  # where the runtime's last words begin


def is_supervised() -> bool:
    """Whether this process was started by `supervise`."""
    return _SUPERVISED in os.environ


def supervise(command: Sequence[str]) -> int:
    """Runs a command that connects to other hosts, and says in one line if JAX's runtime ended it.

    Returns:
      Its exit status; where the runtime ended it, 2 if the hosts never were connected, and else 1.
    """
    quiet = {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = quiet | dict(os.environ) | {_SUPERVISED: "1"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, bufsize=0)
    assert process.stderr is not None
    last_words = b""
    while True:
        try:
            if not (said := process.stderr.read(1 << 16)):
                break
        except KeyboardInterrupt:  # the other process has it too, and ends when it is ready
            continue
        last_words += said if last_words else b""
        if not last_words and (fatal := _FATAL.search(said)):
            said, last_words = said[: fatal.start()], said[fatal.start() :]
        if not last_words:
            sys.stderr.buffer.write(said)
            sys.stderr.flush()
    status = process.wait()
    if status < 0 and not last_words:
        print(f"error: hosts: JAX's runtime ended by signal {-status}", file=sys.stderr)
        return 1
    if status == 0 or not last_words:
        return status
    reason = re.search(rb"absl::Status: (.*)", last_words)
    why = reason[1].decode(errors="replace") if reason else "no reason given"
    if b"RegisterTask" in last_words:
        print(f"error: hosts: not all were there in time: {why}", file=sys.stderr)
        return 2
    print(f"error: another host was lost; resume goes on from here: {why}", file=sys.stderr)
    return 1


def connect(
    coordinator: str | None = None,
    count: int | None = None,
    index: int | None = None,
    *,
    timeout: int,
) -> None:
    """Joins the other hosts; with no more than a timeout, as the cluster tells JAX.

    Call this before anything is computed with JAX.

    Args:
      coordinator: `HOST:PORT` of host 0.
      count: how many hosts.
      index: which of them this is, from 0.
      timeout: seconds to wait for the others; also after which a host that says nothing is lost.

    Raises:
      InvalidInput: if the others cannot be reached, the port is taken, or JAX finds no cluster.
    """
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    if coordinator is not None and index == 0:
        _check_free(int(coordinator.rpartition(":")[2]))
    try:
        jax.distributed.initialize(
            coordinator,
            count,
            index,
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=timeout,
        )
    except ValueError as error:
        where = "hosts.coordinator" if coordinator else "hosts.detect: JAX finds no cluster here"
        raise InvalidInput(f"{where}: {error}") from None
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"hosts: no connection within {timeout} s: {reason}") from None


def count() -> int:
    """How many hosts there are.

    Raises:
      InvalidInput: if JAX has no device here.
    """
    devices()
    return jax.process_count()


def are_several() -> bool:
    """Whether this host has been joined to others, whatever has become of them."""
    return jax.distributed.is_initialized()


def is_first() -> bool:
    """Whether this is host 0."""
    return count() == 1 or jax.process_index() == 0


def leave(status: int) -> int:
    """The exit status, for this host alone; among several it ends here, as others may be lost."""
    if are_several():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # not waiting for the others at the door
    return status


def require_same(what: bytes) -> None:
    """Refuses what is not the same on every host.

    Raises:
      InvalidInput: on every host, if one differs.
    """
    if count() == 1:
        return
    same = what == from_first(lambda: what)
    if not _of_all(np.int32(same)).all():
        raise InvalidInput("hosts were given different commands: all must run the same")


def agree(condition: Callable[[], bool]) -> bool:
    """Whether a condition holds on host 0, on every host."""
    return bool(from_first(lambda: b"yes" if condition() else b""))


def from_first(make: Callable[[], bytes]) -> bytes:
    """What `make` gives on host 0, on every host.

    Raises:
      InvalidInput: on every host, if it is raised on host 0.
    """
    if count() == 1:
        return make()
    message, refusal = b"", None
    if is_first():
        try:
            message = b"+" + make()
        except InvalidInput as error:
            message, refusal = b"-" + str(error).encode(), error
    length = int(_of_all(np.int32(len(message)))[0])
    message = _of_all(np.frombuffer(message.ljust(length, b"\0"), np.uint8))[0].tobytes()
    if refusal is not None:
        raise refusal
    if message.startswith(b"-"):
        raise InvalidInput(f"host 0: {message[1:].decode()}")
    return message[1:]


@own_settings()
def _of_all(mine: Any) -> np.ndarray:
    """What every host has, on every host: an array of the same shape on each, `[hosts, ...]`.

    One device of each host takes part, so that hosts may have more devices or fewer.
    """
    first: dict[int, jax.Device] = {}
    for device in jax.devices():
        first.setdefault(device.process_index, device)
    mesh = Mesh(np.array([first[host] for host in sorted(first)]), ("host",))
    here = jax.device_put(np.asarray(mine)[None], first[jax.process_index()])
    all_of_it = jax.make_array_from_single_device_arrays(
        (len(first), *here.shape[1:]), NamedSharding(mesh, PartitionSpec("host")), [here]
    )
    everywhere = NamedSharding(mesh, PartitionSpec())
    return np.asarray(jax.jit(lambda x: x, out_shardings=everywhere)(all_of_it).addressable_data(0))


def gathered(tree: Any) -> Any:
    """Arrays that are on the devices of all hosts, as NumPy arrays on each host."""
    if not all(leaf.is_fully_addressable for leaf in jax.tree.leaves(tree)):
        from jax.experimental import multihost_utils

        tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(np.asarray, tree)


def _check_free(port: int) -> None:
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise InvalidInput(f"hosts.coordinator: port {port} cannot be used: {error}") from None


def _end_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
