"""What a population has come to so far: its state, its curves, its snapshots."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from hmjax import measures
from hmjax.experiment import Experiment, split
from hmjax.machine import Params
from hmjax.measures import Measures
from hmjax.measures.table import MEASURES
from hmjax.runtime.ambient import own_settings
from hmjax.training import single
from hmjax.training.single import TrainState


class Record(NamedTuple):
    """What is recorded at each evaluation besides the exact measures.

    Attributes:
      sampled: the sampled measures (see `hmjax.measures.evaluate`).
      snapshots: the machines.
    """

    sampled: bool = False
    snapshots: bool = False


EVERYTHING = Record(sampled=True, snapshots=True)


NOTHING_ELSE = Record()


class Kept(NamedTuple):
    """The best of each machine so far, by the NLL of the images that it is validated on.

    Attributes:
      params: the machines, with a leading axis over the members.
      nll: `[s]`, in bits.
      step: int32 `[s]`, where each was.
    """

    params: Params
    nll: np.ndarray
    step: np.ndarray


class Progress(NamedTuple):
    """A population so far; saved and loaded again, it goes on to the same bits.

    Attributes:
      state: where training stands, NumPy arrays with a leading axis over the members.
      curves: NumPy arrays by measure, `[evaluations, s, ...]`, and `step`, `[evaluations]`.
      snapshots: the machines at each evaluation, with leading axes `[evaluations, s]`, if recorded.
      train_seconds: float64 `[]`, spent in training, without compiling and measuring.
      kept: the best so far, where training may stop early.
    """

    state: TrainState
    curves: Measures
    snapshots: Params | None
    train_seconds: np.ndarray
    kept: Kept | None = None

    def __repr__(self) -> str:
        machines = "".join(f"machines={count}, " for count in np.shape(self.state.step))
        return f"Progress(step={self.step}, {machines}{described(self.curves)})"

    @property
    def params(self) -> Params:
        """The machines as they stand, or the best of each."""
        return self.state.learner.params if self.kept is None else self.kept.params

    @property
    def at(self) -> np.ndarray:
        """Which of the evaluations `params` are of, int `[s]`."""
        if self.kept is None:
            return np.full(np.shape(self.state.step), len(self.curves["step"]) - 1)
        return np.searchsorted(self.curves["step"], self.kept.step)

    def over(self, patience: int) -> np.ndarray:
        """Which machines had no lower NLL for so many evaluations, bool `[s]`: these stay so."""
        if self.kept is None:
            return np.zeros(np.shape(self.state.step), bool)
        return len(self.curves["step"]) - 1 - self.at >= patience

    @property
    def step(self) -> int:
        """How many steps each machine has taken."""
        return int(self.curves["step"][-1])


def described(curves: Measures) -> str:
    """The last of the curves that are numbers, in a line; of several machines, their medians."""
    numbers = {
        name: curves[name][-1] for name, it in MEASURES.items() if name in curves and not it.axes
    }
    known = {name: value for name, value in numbers.items() if not np.isnan(value).all()}
    return ", ".join(f"{name}={np.nanmedian(value):.4g}" for name, value in known.items())


def alone(progress: Progress) -> Progress:
    """The progress of a population of one machine, without the axis over members."""
    curves = {name: c if name == "step" else c[:, 0] for name, c in progress.curves.items()}
    snapshots = jax.tree.map(lambda leaf: leaf[:, 0], progress.snapshots)
    kept = without_axis(progress.kept)
    return Progress(without_axis(progress.state), curves, snapshots, progress.train_seconds, kept)


def population_of_one(progress: Progress) -> Progress:
    """What `alone` is given, from what it gives."""
    curves = {name: c if name == "step" else c[:, None] for name, c in progress.curves.items()}
    snapshots = jax.tree.map(lambda leaf: leaf[:, None], progress.snapshots)
    kept = with_axis(progress.kept)
    return Progress(with_axis(progress.state), curves, snapshots, progress.train_seconds, kept)


@own_settings()
def template_of(
    experiment: Experiment,
    members: int | None,
    record: Record = NOTHING_ELSE,
    tasks: Sequence[Any] = (),
) -> Progress:
    """The shapes of a progress, -1 standing for however many evaluations.

    Args:
      experiment: of the members, but for their seeds and numbers.
      members: how many; `None` for one `alone`.
      record: what is recorded.
      tasks: of all members, if they differ.
    """
    axes = () if members is None else (members,)

    def first(seed: jax.Array) -> tuple[TrainState, Measures]:
        program, numbers = split(experiment, tasks=list(dict.fromkeys(tasks)))
        keys = single.keys_of(seed)
        state = single.first_state(keys.init, numbers, program=program)
        measured = measures.evaluate(
            keys.evaluation,
            keys.held_out,
            state.learner.params,
            experiment.evaluation.samples,
            task=experiment.task,
            evaluation=experiment.evaluation,
            sampled=record.sampled,
        )
        return state, measured

    def leading(tree: Any, *axes: int) -> Any:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((*axes, *x.shape), x.dtype), tree)

    state, measured = jax.eval_shape(first, jax.ShapeDtypeStruct((), np.uint32))
    params, kept = state.learner.params, None
    if experiment.evaluation.patience:
        nll = measured["validation_nll_bits"]
        kept = leading(Kept(params, nll, state.step), *axes)
    return Progress(
        leading(state, *axes),
        leading(measured, -1, *axes) | {"step": leading(state.step, -1)},
        leading(params, -1, *axes) if record.snapshots else None,
        np.zeros(()),
        kept,
    )


def with_axis(tree: Any) -> Any:
    """Arrays with a leading axis of one."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], tree)


def without_axis(tree: Any) -> Any:
    """The first of arrays along their leading axis."""
    return jax.tree.map(lambda leaf: leaf[0], tree)
