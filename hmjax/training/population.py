"""Populations: many machines of one program, trained side by side.

A member is an experiment. Members may differ in their seeds and numbers (see `hmjax.experiment`);
what they share is compiled once. Each is bit for bit the machine that its experiment gives alone,
whatever the population around it: its draws depend on its seed and the step, and it is trained by
the same scan.

The members are sharded over all devices of all hosts. On a CPU each core takes its members in turn,
a chunk of steps at a time, so that a machine's weights and draws stay in the cache; elsewhere all
members of a device step together.
"""

import dataclasses
import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hmjax import measures
from hmjax.errors import require
from hmjax.experiment import Experiment, Numbers, split, varying
from hmjax.machine import Params
from hmjax.measures import Measures, Weights
from hmjax.runtime.ambient import devices, own_settings
from hmjax.settings import as_type
from hmjax.training import single
from hmjax.training.single import Keys, TrainState

_MEMBERS = PartitionSpec("member")

_DRAWS = 2**29  # bytes of draws that a device makes at once, other than a CPU

_MEASURED_AT_ONCE = 16  # members; the exact measures of one of 32-16-4 take some 20 MB


class Population(NamedTuple):
    """Trained machines, one a seed.

    Attributes:
      seeds: uint32 `[s]`.
      params: the machines, arrays with a leading axis `[s]`.
      measures: NumPy arrays by name, `[s, ...]`: the exact ones of `hmjax.measures.evaluate`, and
        where there are none, those of `held_out` too. A machine whose parameters are not finite has
        NaN.
      curves: the same at each evaluation, `[evaluations, s, ...]`, and `step`, that axis in steps.
      train_seconds: spent in training, without compiling and measuring.
    """

    seeds: np.ndarray
    params: Params
    measures: Measures
    curves: Measures
    train_seconds: float


class Progress(NamedTuple):
    """A population so far; saved and loaded again, it goes on to the same bits.

    Attributes:
      state: where training stands, NumPy arrays with a leading axis over the members.
      curves: NumPy arrays by measure, `[evaluations, s, ...]`, and `step`, `[evaluations]`.
      train_seconds: float64 `[]`, spent in training, without compiling and measuring.
    """

    state: TrainState
    curves: Measures
    train_seconds: np.ndarray


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


class Members(NamedTuple):
    """Members on their devices, every leaf with a leading axis over places.

    Attributes:
      keys: the keys of their seeds.
      numbers: of their experiments.
      task: int32, which of the distinct tasks is theirs.
      state: where each stands.
    """

    keys: Keys
    numbers: Numbers
    task: jax.Array
    state: TrainState


def train_population(
    experiment: Experiment,
    seeds: Sequence[int] | np.ndarray,
    on_block: Callable[[int], None] = lambda _: None,
) -> Population:
    """Trains one machine a seed, on every device.

    Args:
      experiment: what to run; its own `seed` is not used.
      seeds: `[s]`, 0 to 2^32 - 1 each, for example `range(64)`.
      on_block: called with the steps taken so far, after each block.

    Returns:
      The machines in the order of `seeds`. `jax.tree.map(lambda leaf: leaf[i], population.params)`
      is the machine that `train` gives for `seeds[i]`.

    Raises:
      InvalidInput: if there are no seeds, or one is out of range.
    """
    members = members_of(experiment, seeds)
    progress = start(members)
    for latest in advance(members, progress):
        progress = latest
        on_block(int(progress.curves["step"][-1]))
    last = {name: curve[-1] for name, curve in progress.curves.items() if name != "step"}
    return Population(
        seeds=np.array([member.seed for member in members], np.uint32),
        params=progress.state.learner.params,
        measures=last,
        curves=progress.curves,
        train_seconds=float(progress.train_seconds),
    )


def members_of(experiment: Experiment, seeds: Sequence[int] | np.ndarray) -> list[Experiment]:
    """The experiment with each of the seeds.

    Raises:
      InvalidInput: if there are no seeds, or one is out of range.
    """
    numbers = as_type(tuple[int, ...], seeds, "seeds")
    require(len(numbers) >= 1, "seeds", len(numbers), "must be at least 1")
    return [dataclasses.replace(experiment, seed=seed) for seed in numbers]


@own_settings()
def start(members: Sequence[Experiment]) -> Progress:
    """A population before its first step, evaluated once.

    Args:
      members: experiments of one program (see `hmjax.experiment.split`), one or more, that agree
        in `steps` and `evaluation`.
    """
    layout = lay_out(members)
    placed = place(members, layout)
    measure = compile_measures(members, layout, placed)
    state, seen = gathered((placed.state, measure(placed)), len(members))
    curves = jax.tree.map(lambda leaf: leaf[None], {"step": state.step[0]} | seen)
    return Progress(state, curves, np.zeros(()))


def advance(members: Sequence[Experiment], progress: Progress) -> Iterator[Progress]:
    """Trains on to the last step, block by block.

    Args:
      members: as for `start`.
      progress: where to go on from, by `start` or yielded before.

    Yields:
      The progress after each block and its evaluation.
    """
    experiment = members[0]
    if (done := int(progress.curves["step"][-1])) == experiment.steps:
        return
    with own_settings():
        layout = lay_out(members)
        placed = place(members, layout, progress.state)
        measure = compile_measures(members, layout, placed)
    blocks: dict[int, jax.stages.Compiled] = {}
    while done < experiment.steps:
        with own_settings():
            steps = single.steps_of_block(experiment, done)
            if steps not in blocks:
                blocks[steps] = compile_block(members, layout, placed, steps)
            began = time.perf_counter()
            placed = placed._replace(state=jax.block_until_ready(blocks[steps](placed)))
            seconds = time.perf_counter() - began
            done += steps
            measured = measure(placed)
            if single.restarts_at(experiment, done):
                restart = compile_restart(members, layout, placed)
                placed = placed._replace(state=restart((placed, measured[experiment.nll])))
            state, seen = gathered((placed.state, measured), len(members))
            curves = jax.tree.map(
                lambda history, new: np.concatenate([history, new[None]]),
                progress.curves,
                {"step": state.step[0]} | seen,
            )
            progress = Progress(state, curves, progress.train_seconds + seconds)
        yield progress


def lay_out(members: Sequence[Experiment]) -> Layout:
    """Shares members out among the devices: of this host, or of all hosts there are.

    A host that is told `with jax.default_device(d)` alone trains on that.
    """
    several = jax.process_count() > 1
    chosen = jax.devices() if several else devices()[: len(members)]
    places = len(members) + -len(members) % len(chosen)
    group = 1
    if chosen[0].platform != "cpu":
        fit = max(1, _DRAWS // single.draws_of_chunk(members[0]))
        group = min(places // len(chosen), fit)
    return Layout(Mesh(np.array(chosen), ("member",)), places, group)


def place(
    members: Sequence[Experiment], layout: Layout, state: TrainState | None = None
) -> Members:
    """Puts members on their devices.

    Args:
      members: experiments of one program.
      layout: the devices.
      state: where they stand, with a leading axis; before the first step if not given.
    """
    differing = varying(members)
    program, _ = split(members[0], differing)
    all_numbers = [split(member, differing)[1] for member in members]
    tasks = _tasks(members)
    seed, numbers, task = _put(
        (
            np.array([member.seed for member in members], np.uint32),
            jax.tree.map(lambda *leaves: np.stack(leaves), *all_numbers),
            np.array([tasks.index(member.task) for member in members], np.int32),
        ),
        layout,
    )

    def keys_and_first(of: tuple[jax.Array, Numbers]) -> tuple[Keys, TrainState]:
        keys = single.keys_of(of[0])
        return keys, single.first_state(keys.init, of[1], program=program)

    begin = _compile(("begin", program), _each(keys_and_first, layout), layout, (seed, numbers))
    keys, first = begin((seed, numbers))
    return Members(keys, numbers, task, first if state is None else _put(state, layout))


def compile_block(
    members: Sequence[Experiment], layout: Layout, placed: Members, steps: int
) -> jax.stages.Compiled:
    """The program from members to their states so many steps later."""
    program, _ = split(members[0], varying(members))

    def one(member: Members, chunk: int) -> Members:
        keys, numbers, _, state = member
        state = single.train_block(keys.steps, numbers, state, program=program, steps=chunk)
        return member._replace(state=state)

    def each(members: Members, chunk: int) -> Members:
        return _each(functools.partial(one, chunk=chunk), layout)(members)

    # All members take a chunk before any takes the next: a fifth faster than each taking them all.
    def block(members: Members) -> TrainState:
        return single.in_chunks(each, members, steps).state

    return _compile(("block", program, steps), block, layout, placed)


def compile_measures(
    members: Sequence[Experiment], layout: Layout, placed: Members
) -> jax.stages.Compiled:
    """The program from members to their measures; NaN where parameters are not finite."""
    program, _ = split(members[0], varying(members))
    tasks, evaluation = _tasks(members), members[0].evaluation
    weights: Weights = jax.tree.map(lambda *all: np.stack(all), *map(measures.weights_of, tasks))

    def one(member: Members) -> Measures:
        params = member.state.learner.params
        sampled, _ = program.bound(member.numbers)
        measured = measures.of_member(
            jax.random.fold_in(member.keys.evaluation, member.state.step),
            member.keys.held_out,
            params,
            jax.tree.map(lambda leaf: jnp.asarray(leaf)[member.task], weights),
            task=tasks[0],
            sampled=sampled,
            evaluation=evaluation,
        )
        finite = single.is_finite(params)
        return jax.tree.map(lambda leaf: jnp.where(finite, leaf, jnp.nan), measured)

    name = "measures", program, evaluation, *tasks
    each = _each(one, layout, at_most=_MEASURED_AT_ONCE)
    return _compile(name, each, layout, placed, single.MEASURES_OPTIONS)


def compile_restart(
    members: Sequence[Experiment], layout: Layout, placed: Members
) -> jax.stages.Compiled:
    """The program from members and their NLL to the states they go on from."""
    program, _ = split(members[0], varying(members))

    def one(measured: tuple[Members, jax.Array]) -> TrainState:
        (keys, numbers, _, state), nll_bits = measured
        again = single.restarted(keys.restarts, numbers, state, nll_bits, program=program)
        # What has diverged stays so, as it would alone.
        finite = single.is_finite(state.learner.params)
        return jax.tree.map(lambda new, old: jnp.where(finite, new, old), again, state)

    arguments = placed, jax.ShapeDtypeStruct((layout.places,), jnp.float32)
    return _compile(("restart", program), _each(one, layout), layout, arguments)


def gathered(tree: Any, members: int) -> Any:
    """What is on the devices of all hosts as NumPy arrays on each host, without the padding."""
    tree = multihost_utils.process_allgather(tree, tiled=True)
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:members], tree)


def _tasks(members: Sequence[Experiment]) -> list[Any]:
    """The distinct tasks of members, in the order of their first."""
    return list(dict.fromkeys(member.task for member in members))


def _put(tree: Any, layout: Layout) -> Any:
    """NumPy arrays with a leading axis over members, on the devices."""
    sharding = NamedSharding(layout.mesh, _MEMBERS)

    def put(leaf: np.ndarray) -> jax.Array:
        ends = [(0, layout.places - len(leaf)), *[(0, 0)] * (leaf.ndim - 1)]
        padded = np.pad(leaf, ends, mode="edge")
        return jax.make_array_from_callback(padded.shape, sharding, padded.__getitem__)

    return jax.tree.map(put, tree)


def _each(function: Callable, layout: Layout, at_most: int | None = None) -> Callable:
    """`function` of one member, for all that a device has, a group of them at once."""
    size = layout.group if at_most is None else min(layout.group, at_most)
    # Not a group of 1: vmap would add an axis to every product, which XLA is slower at.
    return functools.partial(jax.lax.map, function, batch_size=size if size > 1 else None)


@dataclass(frozen=True)
class _Function:
    """A function of what a device has, to be compiled."""

    name: tuple
    """What sets it apart from every other; it is compiled once for arguments alike."""
    call: Callable = field(compare=False)


def _compile(
    name: tuple,
    function: Callable,
    layout: Layout,
    arguments: Any,
    options: dict[str, bool | str] | None = None,
) -> jax.stages.Compiled:
    """`function` of what a device has, compiled for all devices; JAX keeps what is compiled.

    Args:
      name: as that of a `_Function`.
      function: to be compiled.
      layout: the devices.
      arguments: like those it will be given, with a leading axis.
      options: of the compiler.
    """
    return _on_devices.lower(_Function(name, function), layout, arguments).compile(options)


@functools.partial(jax.jit, static_argnums=(0, 1))
def _on_devices(function: _Function, layout: Layout, arguments: Any) -> Any:
    # Members know nothing of one another, so there is nothing to check between devices.
    each = jax.shard_map(
        function.call,
        mesh=layout.mesh,
        in_specs=_MEMBERS,
        out_specs=_MEMBERS,
        check_vma=False,
    )
    return each(arguments)
