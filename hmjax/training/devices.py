"""Where machines are: shared out among the devices of all hosts, and stepped there.

On a CPU each core takes its members in turn, a chunk of steps at a time, so that a machine's
weights and draws stay in the cache; elsewhere all members of a device step together, by `jax.vmap`.
"""

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hmjax.runtime import hosts
from hmjax.runtime.ambient import default_device, devices, own_settings
from hmjax.runtime.compiler import Options, compile_with

_MEMBERS = PartitionSpec("member")

_DRAWS = 2**29  # bytes of draws that a device makes at once, other than a CPU

# One thread, so that what it is asked for twice JAX finds compiled the second time.
_COMPILER = ThreadPoolExecutor(1, thread_name_prefix="compile")


class Layout(NamedTuple):
    """How members are laid out on devices.

    Attributes:
      mesh: the devices.
      places: how many members they hold, equally many each; the last is there again in what is
        left over.
      group: how many members a device steps together.
    """

    mesh: Mesh
    places: int
    group: int


def lay_out(members: int, draws: int, together: int | None = None) -> Layout:
    """Shares members out among the devices: of this host, or of all hosts there are.

    A host that is told `with jax.default_device(d)` alone trains on that.

    Args:
      members: how many.
      draws: bytes of the draws that are made at once for one of them.
      together: how many a device steps together; if not given, 1 on a CPU, which is faster there,
        and elsewhere as many as it has.
    """
    several = jax.process_count() > 1 and members > 1  # each host trains a machine alone itself
    chosen = jax.devices() if several else devices()[:members]
    places = members + -members % len(chosen)
    each = places // len(chosen)
    if together is None:
        together = 1 if chosen[0].platform == "cpu" else max(1, _DRAWS // draws)
    return Layout(Mesh(np.array(chosen), ("member",)), places, min(each, together))


def put(tree: Any, layout: Layout) -> Any:
    """NumPy arrays with a leading axis over members, on the devices."""
    sharding = NamedSharding(layout.mesh, _MEMBERS)

    def place(leaf: np.ndarray) -> jax.Array:
        ends = [(0, layout.places - len(leaf)), *[(0, 0)] * (leaf.ndim - 1)]
        padded = np.pad(leaf, ends, mode="edge")
        return jax.make_array_from_callback(padded.shape, sharding, padded.__getitem__)

    return jax.tree.map(place, tree)


def gathered(tree: Any, members: int) -> Any:
    """What is on the devices of all hosts as NumPy arrays on each host, without the padding."""
    return jax.tree.map(lambda leaf: leaf[:members], hosts.gathered(tree))


def each(function: Callable, layout: Layout, at_most: int | None = None) -> Callable:
    """`function` of one member, for all that a device has, a group of them at once."""
    if layout.places == layout.mesh.size:  # without a loop of one, which costs a machine alone

        def only(members: Any) -> Any:
            one = jax.tree.map(lambda leaf: leaf[0], members)
            return jax.tree.map(lambda leaf: leaf[None], function(one))

        return only
    size = layout.group if at_most is None else min(layout.group, at_most)
    # Not a group of 1: vmap would add an axis to every product, which XLA is slower at.
    return functools.partial(jax.lax.map, function, batch_size=size if size > 1 else None)


@dataclass(frozen=True)
class Function:
    """A function of what a device has, to be compiled."""

    name: tuple
    """What sets it apart from every other; it is compiled once for arguments alike."""
    call: Callable = field(compare=False)
    options: Options = field(default_factory=dict, compare=False)


def compiled(function: Function, layout: Layout, arguments: Any) -> jax.stages.Compiled:
    """A function of what a device has, compiled for all devices; JAX keeps what is compiled.

    Args:
      function: to be compiled.
      layout: the devices.
      arguments: like those it will be given, with a leading axis over places.
    """
    return compile_with(_on_devices.lower(function, layout, arguments), function.options)


def compiling(function: Function, layout: Layout, arguments: Any) -> Future[jax.stages.Compiled]:
    """`compiled`, on a core of its own."""
    device = default_device()

    def on_that_core() -> jax.stages.Compiled:
        with jax.default_device(device), own_settings():
            return compiled(function, layout, arguments)

    return _COMPILER.submit(on_that_core)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _on_devices(function: Function, layout: Layout, arguments: Any) -> Any:
    # Members know nothing of one another, so there is nothing to check between devices.
    on_each = jax.shard_map(
        function.call,
        mesh=layout.mesh,
        in_specs=_MEMBERS,
        out_specs=_MEMBERS,
        check_vma=False,
    )
    return on_each(arguments)
