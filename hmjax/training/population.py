"""Training machines without touching the disk: one, or one a seed."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.errors import require
from hmjax.experiment import Experiment
from hmjax.machine import Params
from hmjax.measures import Measures
from hmjax.runtime.ambient import own_settings
from hmjax.settings import as_type
from hmjax.training.loop import advance, start, while_finite
from hmjax.training.progress import EVERYTHING, Progress, alone, described


class Population(NamedTuple):
    """Trained machines, one a seed.

    Attributes:
      seeds: uint32 `[s]`.
      params: the machines, arrays with a leading axis `[s]`.
      measures: NumPy arrays by name, `[s, ...]`: the exact ones of `hmjax.measures.evaluate`, and
        where there are none, those on held-out images too. A machine whose parameters are not
        finite has NaN.
      curves: the same at each evaluation, `[evaluations, s, ...]`, and `step`, that axis in steps.
      train_seconds: spent in training, without compiling and measuring.
    """

    seeds: np.ndarray
    params: Params
    measures: Measures
    curves: Measures
    train_seconds: float

    def __repr__(self) -> str:
        step, machines = self.curves["step"][-1], len(self.seeds)
        return f"Population(step={step}, machines={machines}, {described(self.curves)})"


def _ignore(_: Progress) -> None:
    pass


def train(experiment: Experiment, on_evaluation: Callable[[Progress], None] = _ignore) -> Progress:
    """Trains one machine, without touching the disk.

    Args:
      experiment: what to run, for example `Experiment("mine", task=hmjax.Bars(), steps=100_000)`.
      on_evaluation: called with the run so far whenever the machine has been evaluated, to log it
        anywhere: `lambda run: print(run.step, run.curves["exact_nll_bits"][-1])`.

    Returns:
      The finished run, without an axis over members: `.params` is the machine,
      `.curves["exact_nll_bits"]` what it reached at `.curves["step"]`, `.snapshots` the machines on
      the way.

    Raises:
      Diverged: if parameters stop being finite.
    """
    last = start([experiment], EVERYTHING)
    on_evaluation(alone(last))
    for latest in while_finite(experiment, last, EVERYTHING):
        last = latest
        on_evaluation(alone(last))
    with own_settings():
        state, kept = jax.tree.map(jnp.asarray, (last.state, last.kept))
        return alone(last._replace(state=state, kept=kept))


def train_population(
    experiment: Experiment,
    seeds: Sequence[int] | np.ndarray,
    on_evaluation: Callable[[Progress], None] = _ignore,
    *,
    together: int | None = None,
) -> Population:
    """Trains one machine a seed, on every device.

    Args:
      experiment: what to run; its own `seed` is not used.
      seeds: `[s]`, 0 to 2^32 - 1 each, for example `range(64)`.
      on_evaluation: called with the progress of all whenever they have been evaluated.
      together: how many machines a device steps side by side; if not given, on a CPU as many as its
        vectors have lanes (one after the other where there are few, or where layers and batches
        are so large that their sums are products of matrices), and elsewhere all. On a CPU a
        machine's bits do not depend on it.

    Returns:
      The machines in the order of `seeds`. `jax.tree.map(lambda leaf: leaf[i], population.params)`
      is the machine that `train` gives for `seeds[i]`.

    Raises:
      InvalidInput: if there are no seeds, one is out of range, or `together` is not at least 1.
    """
    members = members_of(experiment, seeds)
    if together is not None:
        together = as_type(int, together, "together")
        require(together >= 1, "together", together, "must be at least 1 machine")
    progress = start(members, together=together)
    on_evaluation(progress)
    for latest in advance(members, progress, together=together):
        progress = latest
        on_evaluation(progress)
    at = progress.at, np.arange(len(members))
    last = {name: curve[at] for name, curve in progress.curves.items() if name != "step"}
    return Population(
        seeds=np.array([member.seed for member in members], np.uint32),
        params=progress.params,
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
