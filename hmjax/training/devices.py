"""Where machines are: shared out among the devices of all hosts, and stepped there.

A device steps its members side by side, in groups: on a CPU as many as its vectors have lanes, so
that their weights and draws stay in the cache, elsewhere all at once.
"""

import functools
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hmjax.runtime import hosts
from hmjax.runtime.ambient import default_device, devices, own_settings
from hmjax.runtime.compiler import Options, compile_with

T = TypeVar("T")
T2 = TypeVar("T2")

_MEMBERS, _ALL = PartitionSpec("member"), PartitionSpec()

_DRAWS = 2**20  # bytes of a step's draws, of the members that are stepped at once, but on a CPU

_OF_ONE_ALONE = 0.63  # of a step of a machine alone, what one of a full group takes on a CPU

# One thread, so that what it is asked for twice JAX finds compiled the second time.
_COMPILER = ThreadPoolExecutor(1, thread_name_prefix="compile")


class Layout(NamedTuple):
    """How members are laid out on devices.

    Attributes:
      mesh: the devices.
      places: how many members they hold, equally many each; the last is there again in what is
        left over.
      together: how many of its members a device steps side by side.
    """

    mesh: Mesh
    places: int
    together: int


def lay_out(members: int, lanes: int, draws: int, together: int | None = None) -> Layout:
    """Shares members out among the devices: of this host, or of all hosts there are.

    A host that is told `with jax.default_device(d)` alone trains on that.

    Args:
      members: how many.
      lanes: how many fill the vectors of a CPU; 1 if that is of no use to them.
      draws: bytes of what is drawn for a step of one of them.
      together: how many a device steps side by side, but on a CPU 1 where more gain nothing; if not
        given, on a CPU its lanes, or 1 where that is faster, and elsewhere as many as it has.
    """
    several = jax.process_count() > 1 and members > 1  # each host trains a machine alone itself
    chosen = jax.devices() if several else devices()[:members]
    places = members + -members % len(chosen)
    each = places // len(chosen)
    if chosen[0].platform == "cpu":
        padded = each + -each % lanes
        together = 1 if lanes == 1 else together or (lanes if padded * _OF_ONE_ALONE < each else 1)
    elif together is None:
        together = max(1, _DRAWS // draws)
    return Layout(Mesh(np.array(chosen), ("member",)), places, min(each, together))


def put(tree: Any, layout: Layout) -> Any:
    """NumPy arrays with a leading axis over members, on the devices."""
    sharding = NamedSharding(layout.mesh, _MEMBERS)

    def place(leaf: np.ndarray) -> jax.Array:
        ends = [(0, layout.places - len(leaf)), *[(0, 0)] * (leaf.ndim - 1)]
        padded = np.pad(leaf, ends, mode="edge")
        return jax.make_array_from_callback(padded.shape, sharding, padded.__getitem__)

    return jax.tree.map(place, tree)


def everywhere(tree: Any, layout: Layout) -> Any:
    """NumPy arrays that all members share, on every device."""
    sharding = NamedSharding(layout.mesh, _ALL)

    def place(leaf: np.ndarray) -> jax.Array:
        return jax.make_array_from_callback(leaf.shape, sharding, leaf.__getitem__)

    return jax.tree.map(place, tree)


def gathered(tree: Any, members: int) -> Any:
    """What is on the devices of all hosts as NumPy arrays on each host, without the padding."""
    return jax.tree.map(lambda leaf: leaf[:members], hosts.gathered(tree))


def side_by_side(
    function: Callable[[T], T2], layout: Layout, *, in_lanes: bool
) -> Callable[[T], T2]:
    """`function` of members along a trailing axis, for all that a device has, a group at a time.

    It is `jax.vmap` over the last axis of a function that is written for one, and that keeps the
    axis last: the members of a group lie side by side in the lanes of vectors.

    Args:
      function: of members.
      layout: where they are, and how many a group has.
      in_lanes: whether a group of one has the axis too, so that its bits are those of any group. A
        large machine, whose groups are all of one, is several times faster without it.
    """

    def group(members: T) -> T2:
        if layout.together == 1 and not in_lanes:
            alone = function(jax.tree.map(lambda leaf: leaf[0], members))
            return jax.tree.map(lambda leaf: leaf[None], alone)
        lanes = jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), members)
        return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, -1, 0), function(lanes))

    def all_groups(members: T) -> T2:
        count, size = layout.places // layout.mesh.size, layout.together
        if count == size:
            return group(members)
        # What is left over in the last group is the last member again.
        index = np.minimum(np.arange(count + -count % size), count - 1).reshape(-1, size)
        groups = jax.lax.map(group, jax.tree.map(lambda leaf: leaf[index], members))
        return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:count], groups)

    return all_groups


def each(function: Callable[[T], T2], layout: Layout, at_most: int | None = None) -> Callable:
    """`function` of one member, for all that a device has: in turn on a CPU, elsewhere at once."""
    count = layout.places // layout.mesh.size
    if count == 1:  # without a loop of one, which costs a machine alone

        def only(members: Any) -> Any:
            one = jax.tree.map(lambda leaf: leaf[0], members)
            return jax.tree.map(lambda leaf: leaf[None], function(one))

        return only
    on_cpu = layout.mesh.devices.flat[0].platform == "cpu"
    size = None if on_cpu else min(count, at_most or count)
    return functools.partial(jax.lax.map, function, batch_size=size)


@dataclass(frozen=True)
class Function:
    """A function of what a device has, and of what all share, to be compiled."""

    name: tuple
    """What sets it apart from every other; it is compiled once for arguments alike."""
    call: Callable = field(compare=False)
    options: Options = field(default_factory=dict, compare=False)


def compiled(
    function: Function, layout: Layout, arguments: Any, shared: Any = None
) -> jax.stages.Compiled:
    """A function of what a device has, compiled for all devices; JAX keeps what is compiled.

    Args:
      function: to be compiled.
      layout: the devices.
      arguments: like those it will be given, with a leading axis over places.
      shared: like what all of them will be given, by `everywhere`.

    Returns:
      It, to be called with `arguments, shared`.
    """
    return compile_with(_on_devices.lower(function, layout, arguments, shared), function.options)


def compiling(
    function: Function, layout: Layout, arguments: Any, shared: Any = None
) -> Future[jax.stages.Compiled]:
    """`compiled`, on a core of its own."""
    device = default_device()

    def on_that_core() -> jax.stages.Compiled:
        with jax.default_device(device), own_settings():
            return compiled(function, layout, arguments, shared)

    return _COMPILER.submit(on_that_core)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _on_devices(function: Function, layout: Layout, arguments: Any, shared: Any) -> Any:
    # Members know nothing of one another, so there is nothing to check between devices.
    on_each = jax.shard_map(
        function.call,
        mesh=layout.mesh,
        in_specs=(_MEMBERS, _ALL),
        out_specs=_MEMBERS,
        check_vma=False,
    )
    return on_each(arguments, shared)
