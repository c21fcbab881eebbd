"""Comparisons: studies side by side that answer a question, with goals they are held against."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import jax
import numpy as np

from hmjax.errors import require
from hmjax.runtime.ambient import own_settings
from hmjax.settings import Settings
from hmjax.study.criteria import CRITERIA, Machines
from hmjax.study.sweeps import Study, settings_of

SELECTIVE = 0.3
"""A machine is direction selective when a top unit's exact |selectivity| is at least this."""

Of = Literal["median", "best", "share"]


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
    """Which one: the best by this of `CRITERIA`."""

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
      measure: one of `CRITERIA`.
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
    """Of `CRITERIA`, in the order they are shown; the first is drawn largest."""
    goals: tuple[Goal, ...] = ()

    def with_seeds(self, seeds: int) -> "Comparison":
        """The same with another number of machines that count in each arm."""
        arms = tuple(
            replace(arm, study=replace(arm.study, seeds=seeds * arm.best_of)) for arm in self.arms
        )
        return replace(self, arms=arms)


class Outcome(NamedTuple):
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


@own_settings()
def reached(arm: Arm, every: Machines, train_seconds: float, measures: Sequence[str]) -> Outcome:
    """What an arm came to whose machines took so long to train, by some of `CRITERIA`."""
    by, of = CRITERIA[arm.best_by], CRITERIA[arm.best_by].of(every)
    counts = ~every.rows["diverged"] & np.isfinite(of)
    worst = np.inf if by.better == "lower" else -np.inf
    ranked = np.where(counts, of, worst).reshape(-1, arm.best_of)
    best = ranked.argmin(axis=1) if by.better == "lower" else ranked.argmax(axis=1)
    chosen = np.arange(len(ranked)) * arm.best_of + best
    chosen = chosen[counts[chosen]]
    rows = {name: leaf[chosen] for name, leaf in every.rows.items()}
    params = jax.tree.map(lambda leaf: leaf[chosen], every.params)
    machines = Machines(every.experiment, rows, params)
    nothing = np.empty(0)
    values = {name: CRITERIA[name].of(machines) if len(chosen) else nothing for name in measures}
    known = rows["selectivity_known"].all()
    selective = int((rows["strongest_selectivity"] >= SELECTIVE).sum()) if known else -1
    return Outcome(arm, values, selective, train_seconds)


def value_of(goal: Goal, arms: list[Outcome]) -> float:
    """What the arm of a goal reached; NaN if none of its machines counts."""
    it = next(each for each in arms if each.arm.name == goal.arm)
    values = it.values[goal.measure]
    if not len(values):
        return math.nan
    if goal.of == "share":
        return it.selective / len(values)
    return float(CRITERIA[goal.measure].best(values) if goal.of == "best" else np.median(values))
