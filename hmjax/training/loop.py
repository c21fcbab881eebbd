"""The loop: a population of machines trained block by block, measured between blocks.

A population is experiments, its members, of one program (see `hmjax.experiment`). One machine is a
population of one. Each member is bit for bit the machine that its experiment gives alone, whatever
the population around it: its draws depend on its seed and the step, and it takes the same steps.
"""

import bisect
import time
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from hmjax.errors import Diverged
from hmjax.experiment import Experiment, split
from hmjax.machine import Params
from hmjax.measures import Measures
from hmjax.runtime.ambient import own_settings
from hmjax.training import programs, single
from hmjax.training.devices import Layout, compiled, compiling, gathered, put
from hmjax.training.programs import Members, laid_out, place
from hmjax.training.progress import (
    EVERYTHING,
    NOTHING_ELSE,
    Kept,
    Progress,
    Record,
    with_axis,
    without_axis,
)
from hmjax.training.single import TrainState


@own_settings()
def start(
    members: Sequence[Experiment], record: Record = NOTHING_ELSE, *, together: int | None = None
) -> Progress:
    """A population before its first step, evaluated once.

    Args:
      members: experiments of one program, one or more, that agree in `steps` and `evaluation`.
      record: what is recorded.
      together: as for `train_population`.
    """
    layout = laid_out(members, together)
    placed = place(members, layout)
    arrays = programs.shared(members, layout)
    # While the first evaluation is compiled and taken.
    steps = _for_each(members, 0, layout)
    compiling(programs.block_of(members, layout), layout, (placed, steps), arrays)
    measured = _measure(members, layout, placed, arrays, record)(placed)
    seen = placed.state, measured, _snapshot(placed, record)
    state, measured, snapshot = gathered(seen, len(members))
    curves = {"step": state.step[0]} | measured
    kept = None
    if members[0].evaluation.patience:
        kept = Kept(state.learner.params, measured["validation_nll_bits"], state.step)
    return Progress(state, with_axis(curves), with_axis(snapshot), np.zeros(()), kept)


def advance(
    members: Sequence[Experiment],
    progress: Progress,
    record: Record = NOTHING_ELSE,
    *,
    together: int | None = None,
) -> Iterator[Progress]:
    """Trains on to the last step, block by block.

    Args:
      members: as for `start`.
      progress: where to go on from, by `start` or yielded before.
      record: what is recorded, as it was before.
      together: as for `train_population`.

    Yields:
      The progress after each block and its evaluation.
    """
    experiment, patience = members[0], members[0].evaluation.patience
    if progress.step == experiment.steps or progress.over(patience).all():
        return
    with own_settings():
        layout = laid_out(members, together)
        placed = place(members, layout, progress.state)
        arrays = programs.shared(members, layout)
        measure = _measure(members, layout, placed, arrays, record)
        steps, function = _for_each(members, 0, layout), programs.block_of(members, layout)
        block = compiling(function, layout, (placed, steps), arrays).result()

    taken = progress.step
    for step in experiment.evaluation.steps_of(experiment.steps):
        if step <= taken:
            continue
        with own_settings():
            steps = _for_each(members, step - progress.step, layout)
            began = time.perf_counter()
            placed = placed._replace(state=jax.block_until_ready(block((placed, steps), arrays)))
            seconds = time.perf_counter() - began
            measured, snapshot = measure(placed), _snapshot(placed, record)
            seen = placed.state, measured, snapshot
            state, measured, snapshot = gathered(seen, len(members))
            curves, snapshots = jax.tree.map(
                lambda history, new: np.concatenate([history, new[None]]),
                (progress.curves, progress.snapshots),
                ({"step": state.step[0]} | measured, snapshot),
            )
            kept = progress.kept
            if kept is not None:
                kept = _best(kept, state, measured["validation_nll_bits"], progress.over(patience))
            progress = Progress(state, curves, snapshots, progress.train_seconds + seconds, kept)
        yield progress
        if progress.over(patience).all():
            return


def _best(kept: Kept, state: TrainState, nll: np.ndarray, over: np.ndarray) -> Kept:
    """The better of what is kept of each machine and of how it stands, until it is over for it."""
    better = (nll < kept.nll) & ~over  # NaN is not

    def choose(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.where(better.reshape(-1, *(1,) * (new.ndim - 1)), new, old)

    now = Kept(state.learner.params, nll, np.asarray(state.step))
    return jax.tree.map(choose, now, kept)


def while_finite(experiment: Experiment, progress: Progress, record: Record) -> Iterator[Progress]:
    """`advance` of one machine, up to where its parameters stop being finite.

    Where the best so far is kept, that is good whatever comes.

    Raises:
      Diverged: if they do. What was yielded before is good.
    """
    for latest in advance([experiment], progress, record):
        leaves = jax.tree.leaves(latest.state.learner.params)
        is_finite = all(np.isfinite(leaf).all() for leaf in leaves)
        if not is_finite and latest.kept is None:
            raise Diverged(_first_not_finite(experiment, progress, latest.step))
        progress = latest
        yield progress


@own_settings()
def _first_not_finite(experiment: Experiment, progress: Progress, by: int) -> int:
    """The step, counted from 1, after which the parameters of one machine are not finite."""
    key, (program, numbers) = single.keys_of(experiment.seed).steps, split(experiment)
    state, arrays = without_axis(progress.state), programs.arrays_of([experiment])

    def is_over(step: int) -> bool:
        ahead = step - progress.step
        later = single.train_block(key, numbers, state, ahead, program=program, arrays=arrays)
        return not single.is_finite(later.learner.params)

    steps = range(progress.step + 1, by + 1)
    return steps[bisect.bisect_left(steps, True, key=is_over)]


@own_settings()
def final_measures(
    members: Sequence[Experiment], progress: Progress, record: Record = EVERYTHING
) -> Measures:
    """What is measured of machines as they stand at the end, `[s, ...]`, by name."""
    # Those of a task at once: what is known of the data is not traced, but for arrays.
    tasks = [member.task for member in members]
    by_task = [[i for i, each in enumerate(tasks) if each == task] for task in dict.fromkeys(tasks)]
    if programs.arrays_of(members):
        by_task = [list(range(len(members)))]
    measured = []
    for index in by_task:
        some = [members[i] for i in index]
        layout = laid_out(some)
        learner = progress.state.learner._replace(params=progress.params)
        state = progress.state._replace(learner=learner)
        state = jax.tree.map(lambda leaf, index=index: leaf[index], state)
        placed = place(some, layout, state)
        arrays = programs.shared(some, layout)
        measure = _measure(some, layout, placed, arrays, record, final=True)
        measured.append(gathered(measure(placed), len(some)))
    back = np.argsort(np.concatenate(by_task))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[back], *measured)


def _measure(
    members: Sequence[Experiment],
    layout: Layout,
    placed: Members,
    arrays: programs.Arrays,
    record: Record,
    *,
    final: bool = False,
) -> Callable[[Members], Measures]:
    """What measures members on their devices, while they train or at the end."""
    evaluation = members[0].evaluation
    samples = evaluation.final_samples if final else evaluation.samples
    each = _for_each(members, samples, layout)
    function = programs.measures_of(members, layout, sampled=record.sampled, final=final)
    measure = compiled(function, layout, (placed, each), arrays)
    return lambda placed: measure((placed, each), arrays)


def _for_each(members: Sequence[Experiment], number: int, layout: Layout) -> jax.Array:
    """A number for each member, where it is."""
    return put(np.full(len(members), number, np.int32), layout)


def _snapshot(placed: Members, record: Record) -> Params | None:
    return placed.state.learner.params if record.snapshots else None
