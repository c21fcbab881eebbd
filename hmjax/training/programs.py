"""The compiled programs of a population: its first states, blocks of steps, measures.

Members are experiments. They may differ in their seeds and numbers (see `hmjax.experiment`); what
they share is compiled once.
"""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import measures
from hmjax.experiment import Experiment, Numbers, Program, split, varying
from hmjax.measures import Data, Measures
from hmjax.runtime.compiler import MANY_SMALL_KERNELS
from hmjax.training import single
from hmjax.training.devices import (
    Function,
    Layout,
    compiled,
    each,
    everywhere,
    lay_out,
    put,
    side_by_side,
)
from hmjax.training.single import Keys, TrainState

Arrays = dict[str, Any]
"""What members share, by name."""

_MEASURED_AT_ONCE = 16  # members; the exact measures of one of 32-16-4 take some 20 MB


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


def laid_out(members: Sequence[Experiment], together: int | None = None) -> Layout:
    """The layout of members (see `hmjax.training.devices.lay_out`)."""
    program = program_of(members)
    one_draws = single.bytes_of_draws(program)
    return lay_out(len(members), single.lanes_of(program), one_draws, together)


def place(
    members: Sequence[Experiment], layout: Layout, state: TrainState | None = None
) -> Members:
    """Puts members on their devices.

    Args:
      members: experiments of one program.
      layout: the devices.
      state: where they stand, with a leading axis; before the first step if not given.
    """
    program, differing, tasks = program_of(members), varying(members), _tasks(members)
    all_numbers = [split(member, differing, tasks)[1] for member in members]
    seed, numbers, task = put(
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

    begin = Function(("begin", program), lambda of, _: each(keys_and_first, layout)(of))
    keys, first = compiled(begin, layout, (seed, numbers))((seed, numbers), None)
    return Members(keys, numbers, task, first if state is None else put(state, layout))


def block_of(members: Sequence[Experiment], layout: Layout) -> Function:
    """From members and a number of steps, `[places]`, to their states so many steps later."""
    program = program_of(members)

    def blocks(of: tuple[Members, jax.Array], arrays: Arrays) -> TrainState:
        def block(of: tuple[Members, jax.Array]) -> TrainState:
            (keys, numbers, _, state), steps = of
            return single.train_block(
                keys.steps, numbers, state, steps, program=program, arrays=arrays
            )

        return side_by_side(block, layout, in_lanes=single.lanes_of(program) > 1)(of)

    return Function(("block", program), blocks)


def measures_of(
    members: Sequence[Experiment], layout: Layout, *, sampled: bool, final: bool = False
) -> Function:
    """From members and importance samples an image, `[places]`, to their measures.

    A machine whose parameters are not finite has NaN.

    Args:
      members: experiments of one program and evaluation.
      layout: the devices.
      sampled: as for `hmjax.measures.evaluate`.
      final: likewise.
    """
    program, tasks, evaluation = program_of(members), _tasks(members), members[0].evaluation
    data: Data | None = None
    has_arrays = bool(arrays_of(members))
    if members[0].is_exact and not has_arrays:
        data = jax.tree.map(lambda *all: np.stack(all), *map(measures.data_of, tasks))

    def one(of: tuple[Members, jax.Array], arrays: Arrays) -> Measures:
        (keys, numbers, task, state), samples = of
        params = state.learner.params
        measured = measures.evaluate(
            jax.random.fold_in(keys.evaluation, state.step),
            keys.held_out,
            params,
            samples,
            task=program.task,
            evaluation=evaluation,
            numbers=numbers.task | arrays,
            data=jax.tree.map(lambda leaf: jnp.asarray(leaf)[task], data),
            sampled=sampled,
            final=final,
        )
        finite = single.is_finite(params)
        return jax.tree.map(lambda leaf: jnp.where(finite, leaf, jnp.nan), measured)

    def all_of_them(of: tuple[Members, jax.Array], arrays: Arrays) -> Measures:
        alone = functools.partial(one, arrays=arrays)
        return each(alone, layout, at_most=_MEASURED_AT_ONCE)(of)

    name = "measures", program, evaluation, sampled, final, *(() if has_arrays else tasks)
    return Function(name, all_of_them, MANY_SMALL_KERNELS)


def arrays_of(members: Sequence[Experiment]) -> dict[str, np.ndarray]:
    """The arrays of the tasks of members (see `hmjax.tasks.Task.arrays`)."""
    tasks = _tasks(members)
    return tasks[0].arrays(tasks)


def shared(members: Sequence[Experiment], layout: Layout) -> Arrays:
    """`arrays_of`, on every device."""
    return everywhere(arrays_of(members), layout)


def program_of(members: Sequence[Experiment]) -> Program:
    """What members share."""
    return split(members[0], varying(members), _tasks(members))[0]


def _tasks(members: Sequence[Experiment]) -> list[Any]:
    """The distinct tasks of members, in the order of their first."""
    return list(dict.fromkeys(member.task for member in members))
