"""Several hosts as one: JAX's own distributed runtime, and what the hosts have to agree on.

Every host runs the same command. Host 0 alone reads and writes the run folder, and the others need
not see it.
"""

from collections.abc import Callable

import jax
import numpy as np
from jax.experimental import multihost_utils

from hmjax.errors import InvalidInput


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
      InvalidInput: if the others cannot be reached, or JAX finds no cluster.
    """
    try:
        jax.distributed.initialize(
            coordinator,
            count,
            index,
            initialization_timeout=timeout,
            heartbeat_timeout_seconds=timeout,
        )
    except (RuntimeError, ValueError) as error:
        where = f"hosts.coordinator is {coordinator!r}" if coordinator else "hosts.detect"
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"{where}: no connection within {timeout} s: {reason}") from None


def is_first() -> bool:
    """Whether this is host 0."""
    return jax.process_index() == 0


def from_first(make: Callable[[], bytes]) -> bytes:
    """What `make` gives on host 0, on every host.

    Raises:
      InvalidInput: on every host, if it is raised on host 0.
    """
    if jax.process_count() == 1:
        return make()
    message, refusal = b"", None
    if is_first():
        try:
            message = b"+" + make()
        except InvalidInput as error:
            message, refusal = b"-" + str(error).encode(), error
    length = int(multihost_utils.broadcast_one_to_all(np.int32(len(message))))
    sent = np.frombuffer(message.ljust(length, b"\0"), np.uint8)
    message = np.asarray(multihost_utils.broadcast_one_to_all(sent), np.uint8).tobytes()
    if refusal is not None:
        raise refusal
    if message.startswith(b"-"):
        raise InvalidInput(f"host 0: {message[1:].decode()}")
    return message[1:]
