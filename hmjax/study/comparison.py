"""Comparisons: studies side by side that answer a question, with goals they are held against."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.errors import InvalidInput, require
from hmjax.exact import recognised_tops
from hmjax.experiment import Experiment
from hmjax.machine import Params
from hmjax.measures import Weights, held_out, state_information, state_recovery, weights_of
from hmjax.runtime.ambient import own_settings
from hmjax.settings import Settings
from hmjax.store.studies import Studied, read, read_study
from hmjax.study.sweeps import Study, settings_of
from hmjax.tasks import best_accuracy, entropy_bits
from hmjax.training import single

SELECTIVE = 0.3
"""A machine is direction selective when a top unit's exact |selectivity| is at least this."""

Of = Literal["median", "best", "share"]


class Machines(NamedTuple):
    """Trained machines of one experiment.

    Attributes:
      experiment: but for its seed.
      rows: of `population.npz`, by name.
      params: with a leading axis over the machines.
    """

    experiment: Experiment
    rows: dict[str, np.ndarray]
    params: Params


class Measure(NamedTuple):
    """A number that machines are compared by.

    Attributes:
      label: for people, with its unit.
      of: the measure of each machine; NaN where it has none.
      best: `np.min` or `np.max`, whichever is better.
      limit: what no machine can pass, but for the luck of a sampled measure.
    """

    label: str
    of: Callable[[Machines], np.ndarray]
    best: Callable[[np.ndarray], float]
    limit: Callable[[Experiment], float]


def _recovery(machines: Machines) -> np.ndarray:
    exact = machines.experiment.is_exact
    return machines.rows["direction_recovery_exact" if exact else "direction_recovery"]


def _of_tops(
    measure: Callable[[jax.Array, Weights], jax.Array],
) -> Callable[[Machines], np.ndarray]:
    """A measure of what q says of the top state of every image, `[n, 2**n_L]`."""

    def of(machines: Machines) -> np.ndarray:
        if not machines.experiment.is_exact:
            return np.full(len(machines.rows["seed"]), np.nan)
        task = machines.experiment.task
        images, weights = jnp.asarray(task.support().images), weights_of(task)

        def one(params: Params) -> jax.Array:
            return measure(recognised_tops(params, images), weights)

        return np.asarray(jax.jit(lambda params: jax.lax.map(one, params))(machines.params))

    return of


def _sampled_nll(machines: Machines) -> np.ndarray:
    """With `final_samples` an image, on images that no restart has gone by."""
    experiment = machines.experiment

    def one(of: tuple[jax.Array, Params]) -> jax.Array:
        seed, params = of
        keys = single.keys_of(seed)
        key_importance, _ = jax.random.split(jax.random.fold_in(keys.evaluation, experiment.steps))
        return held_out(
            key_importance,
            jax.random.fold_in(keys.held_out, experiment.steps),
            params,
            experiment.evaluation.final_samples,
            task=experiment.task,
            evaluation=experiment.evaluation,
        )["is_nll_bits"]

    each = jax.jit(lambda of: jax.lax.map(one, of))
    return np.asarray(each((machines.rows["seed"], machines.params)))


def _entropy(experiment: Experiment) -> float:
    return entropy_bits(experiment.task.support())


def _best_possible(experiment: Experiment) -> float:
    return best_accuracy(experiment.task.support())


MEASURES = {
    "nll": Measure(
        "NLL (bits)",
        lambda machines: machines.rows[machines.experiment.nll],
        np.min,
        _entropy,
    ),
    "sampled": Measure(
        "NLL, sampled (bits)",
        _sampled_nll,
        np.min,
        _entropy,
    ),
    "kl": Measure(
        "KL to the data (bits)", lambda machines: machines.rows["kl_bits"], np.min, lambda _: 0.0
    ),
    "recovery": Measure("recovery by q (share)", _recovery, np.max, _best_possible),
    "by_state": Measure(
        "recovery by q, by top state (share)",
        _of_tops(
            lambda tops, weights: state_recovery(
                tops, weights.probabilities, weights.class_given_image
            )
        ),
        np.max,
        _best_possible,
    ),
    "top_bits": Measure(
        "top units' information on the image (bits)",
        _of_tops(lambda tops, weights: state_information(tops, weights.probabilities)),
        np.min,
        lambda _: 0.0,
    ),
    "posterior": Measure(
        "recovery by the posterior (share)",
        lambda machines: machines.rows["direction_recovery_posterior"],
        np.max,
        _best_possible,
    ),
    "gap": Measure(
        "KL(q, posterior) (bits)",
        lambda machines: -machines.rows["elbo_bits"] - machines.rows["exact_nll_bits"],
        np.min,
        lambda _: 0.0,
    ),
    "selectivity": Measure(
        "strongest |selectivity|",
        lambda machines: machines.rows["strongest_selectivity"],
        np.max,
        lambda _: 1.0,
    ),
}


@dataclass(frozen=True)
class Arm(Settings):
    """One of the studies that are compared, of a single setting."""

    name: str
    """What sets it apart, for people."""
    study: Study
    """What is trained."""
    best_of: int = 1
    """Machines of consecutive seeds of which one counts, for the steps of all."""
    best_by: str = "nll"
    """Which one: the best by this of `MEASURES`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(settings_of(self.study)) == 1, "study", self.name, "must have one setting")
        best_of = self.best_of
        require(
            best_of >= 1 and self.study.seeds % best_of == 0,
            "best_of",
            best_of,
            f"must divide the {self.study.seeds} seeds",
        )

    @property
    def steps(self) -> int:
        """What a machine that counts has cost."""
        return self.best_of * self.study.experiment.steps


class Goal(NamedTuple):
    """What an arm is to reach.

    Attributes:
      arm: its name.
      measure: one of `MEASURES`.
      of: the median or the best of its machines, or the share of them that is selective.
      bound: to be passed.
    """

    arm: str
    measure: str
    of: Of
    bound: float


@dataclass(frozen=True)
class Comparison(Settings):
    """Studies that answer a question."""

    title: str
    about: str
    """What is asked, what is compared and what to look for."""
    arms: tuple[Arm, ...]
    measures: tuple[str, ...]
    """Of `MEASURES`, in the order they are shown; the first is drawn largest."""
    goals: tuple[Goal, ...] = ()

    def with_seeds(self, seeds: int) -> "Comparison":
        """The same with another number of machines that count in each arm."""
        arms = tuple(
            replace(arm, study=replace(arm.study, seeds=seeds * arm.best_of)) for arm in self.arms
        )
        return replace(self, arms=arms)


class Reached(NamedTuple):
    """What an arm came to.

    Attributes:
      arm: the arm.
      values: by measure, `[machines that count]`: those that did not diverge, and of which it is
        known whether they are the best of theirs.
      selective: how many of them are direction selective; -1 if that is not known.
      train_seconds: spent in training all of its machines.
    """

    arm: Arm
    values: dict[str, np.ndarray]
    selective: int
    train_seconds: float


def folder_of(comparison: Comparison, arm: Arm, folder: Path) -> Path:
    """The folder of an arm within that of its comparison."""
    name = "".join(letter if letter.isalnum() else "-" for letter in arm.name.lower())
    return folder / f"{comparison.arms.index(arm):02}-{'-'.join(filter(None, name.split('-')))}"


def check(comparison: Comparison, folder: Path) -> None:
    """Refuses to go on with what is not the comparison's.

    Raises:
      InvalidInput: if the folder of an arm is there and does not hold its study.
    """
    for arm in comparison.arms:
        of_arm = folder_of(comparison, arm, folder)
        if of_arm.exists() and read_study(of_arm) != arm.study:
            raise InvalidInput(f"{of_arm} holds another study than {arm.name!r}; remove it first")


@own_settings()
def reached(arm: Arm, studied: Studied, measures: Sequence[str]) -> Reached:
    """What a finished arm came to, by some of `MEASURES`."""
    experiment = studied.settings[0].experiment
    every = Machines(experiment, studied.rows, studied.params[0])
    by, of = MEASURES[arm.best_by], MEASURES[arm.best_by].of(every)
    counts = ~studied.rows["diverged"] & np.isfinite(of)
    worst = np.inf if by.best is np.min else -np.inf
    ranked = np.where(counts, of, worst).reshape(-1, arm.best_of)
    best = ranked.argmin(axis=1) if by.best is np.min else ranked.argmax(axis=1)
    chosen = np.arange(len(ranked)) * arm.best_of + best
    chosen = chosen[counts[chosen]]
    rows = {name: leaf[chosen] for name, leaf in studied.rows.items()}
    params = jax.tree.map(lambda leaf: leaf[chosen], studied.params[0])
    machines = Machines(experiment, rows, params)
    nothing = np.empty(0)
    values = {name: MEASURES[name].of(machines) if len(chosen) else nothing for name in measures}
    known = rows["selectivity_known"].all()
    selective = int((rows["strongest_selectivity"] >= SELECTIVE).sum()) if known else -1
    return Reached(arm, values, selective, studied.results["train_seconds"])


def read_all(comparison: Comparison, folder: Path) -> list[Reached]:
    """What every arm of a comparison came to.

    Raises:
      InvalidInput: if one is another study, is not finished or cannot be read.
    """
    check(comparison, folder)
    return [
        reached(arm, read(folder_of(comparison, arm, folder)), comparison.measures)
        for arm in comparison.arms
    ]


def value_of(goal: Goal, arms: list[Reached]) -> float:
    """What the arm of a goal reached; NaN if none of its machines counts."""
    it = next(each for each in arms if each.arm.name == goal.arm)
    values = it.values[goal.measure]
    if not len(values):
        return math.nan
    if goal.of == "share":
        return it.selective / len(values)
    return float(MEASURES[goal.measure].best(values) if goal.of == "best" else np.median(values))
