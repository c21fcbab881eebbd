"""Populations: many seeds of one experiment, trained side by side.

Each member is bit for bit the machine that its seed gives alone, whatever the population around it:
its draws depend on its seed and the step, and it is trained by the same scan. The seed axis is
sharded over the devices. On a CPU each core takes its seeds in turn, a chunk of steps at a time, so
that a machine's weights and draws stay in the cache; elsewhere all seeds of a device step together.
"""

import functools
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from hmjax import measures, training
from hmjax.errors import require
from hmjax.experiment import MAX_SEED, Experiment
from hmjax.machine import Params
from hmjax.measures import Measures
from hmjax.training import TrainState

_SEEDS = PartitionSpec("seed")


class Population(NamedTuple):
    """Trained machines, one a seed.

    Attributes:
      seeds: uint32 `[s]`.
      params: the machines, arrays with a leading axis `[s]`.
      measures: NumPy arrays by name, `[s, ...]`: the exact ones of `hmjax.measures.evaluate`. A
        machine whose parameters are not finite has NaN.
      train_seconds: spent in training, without compiling and measuring.
    """

    seeds: np.ndarray
    params: Params
    measures: Measures
    train_seconds: float


class Placed(NamedTuple):
    """Seeds on their devices.

    Attributes:
      seeds: uint32 `[s + p]`, sharded, equally many a device: the last is there p times more.
      mesh: the devices.
      group: how many seeds a device steps together.
    """

    seeds: jax.Array
    mesh: Mesh
    group: int


class Members(NamedTuple):
    """What a population carries from block to block, every leaf with a leading seed axis.

    Attributes:
      key: the seeds' keys of their steps.
      state: where each stands.
    """

    key: jax.Array
    state: TrainState


def train_population(
    experiment: Experiment,
    seeds: Sequence[int] | np.ndarray,
    on_block: Callable[[int], None] = lambda _: None,
) -> Population:
    """Trains one machine a seed, on every local device.

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
    require(len(seeds) >= 1, "seeds", len(seeds), "must be at least 1")
    for seed in (min(seeds), max(seeds)):
        require(0 <= seed <= MAX_SEED, "seed", int(seed), f"must be 0 to {MAX_SEED}")
    placed = place(seeds)
    members = start(experiment, placed)
    seconds, done = 0.0, 0
    blocks: dict[int, jax.stages.Compiled] = {}
    while done < experiment.steps:
        steps = training.steps_of_block(experiment, done)
        if steps not in blocks:
            blocks[steps] = compile_block(experiment, placed, members, steps)
        began = time.perf_counter()
        members = jax.block_until_ready(blocks[steps](members))
        seconds += time.perf_counter() - began
        done += steps
        on_block(done)

    params = members.state.learner.params
    exact = compile_exact(experiment, placed, params)
    params, measured = jax.tree.map(
        lambda leaf: np.asarray(leaf)[: len(seeds)], (params, exact(params))
    )
    return Population(np.asarray(seeds, np.uint32), params, measured, seconds)


def place(seeds: Sequence[int] | np.ndarray) -> Placed:
    """Shares seeds out among the local devices."""
    devices = jax.local_devices()[: len(seeds)]
    padding = -len(seeds) % len(devices)
    padded = np.pad(np.asarray(seeds, np.uint32), (0, padding), mode="edge")
    mesh = Mesh(np.array(devices), ("seed",))
    group = 1 if devices[0].platform == "cpu" else len(padded) // len(devices)
    return Placed(jax.device_put(padded, NamedSharding(mesh, _SEEDS)), mesh, group)


def start(experiment: Experiment, placed: Placed) -> Members:
    """The members before their first step."""

    def one(seed: jax.Array) -> Members:
        keys = training.keys_of(seed)
        return Members(keys.steps, training.init_state(experiment, keys))

    return _sharded(_each(one, placed), placed)(placed.seeds)


def compile_block(
    experiment: Experiment, placed: Placed, members: Members, steps: int
) -> jax.stages.Compiled:
    """The program from members to those `steps` steps later."""

    def one(member: Members, chunk: int) -> Members:
        state = training.train_block(
            *member, task=experiment.task, rule=experiment.rule, steps=chunk
        )
        return member._replace(state=state)

    def each(members: Members, chunk: int) -> Members:
        return _each(functools.partial(one, chunk=chunk), placed)(members)

    # All seeds take a chunk before any takes the next: a fifth faster than each taking them all.
    block = functools.partial(training.in_chunks, each, steps=steps)
    return _sharded(block, placed).lower(members).compile()


def compile_exact(experiment: Experiment, placed: Placed, params: Params) -> jax.stages.Compiled:
    """The program from machines to their exact measures."""
    exact = functools.partial(measures.exact, task=experiment.task)
    return _sharded(_each(exact, placed), placed).lower(params).compile()


def _each(function: Callable, placed: Placed) -> Callable:
    """`function` of one member, for all that a device has, a group of them at once."""
    # Not a group of 1: vmap would add an axis to every product, which XLA is slower at.
    size = placed.group if placed.group > 1 else None
    return functools.partial(jax.lax.map, function, batch_size=size)


def _sharded(function: Callable, placed: Placed) -> jax.stages.Wrapped:
    """`function` of what a device has, compiled for all devices."""
    return jax.jit(jax.shard_map(function, mesh=placed.mesh, in_specs=_SEEDS, out_specs=_SEEDS))
