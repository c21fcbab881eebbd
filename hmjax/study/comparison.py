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

Of = Literal["median", "best", "share"]


@dataclass(frozen=True)
class Arm(Settings):
    """One of the studies that are compared, of a single setting."""

    name: str
    """What sets it apart, for people."""
    study: Study
    """What is trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(settings_of(self.study)) == 1, "study", self.name, "must have one setting")


class Goal(NamedTuple):
    """What an arm is to reach.

    Attributes:
      arm: its name.
      measure: one of `CRITERIA`.
      of: the median or the best of its machines, or the share of them that reach `at`.
      bound: to be reached.
      at: of a share, what a machine is to reach.
    """

    arm: str
    measure: str
    of: Of
    bound: float
    at: float = math.nan


@dataclass(frozen=True)
class Comparison(Settings):
    """Studies that answer a question."""

    title: str
    about: str
    """What is asked, what is compared and what to look for."""
    arms: tuple[Arm, ...]
    measures: tuple[str, ...]
    """Of `CRITERIA`, in the order they are shown."""
    goals: tuple[Goal, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        names = [arm.name for arm in self.arms]
        for measure in self.measures:
            known = ", ".join(CRITERIA)
            require(measure in CRITERIA, "measures", measure, f"must be one of {known}")
        for goal in self.goals:
            require(goal.arm in names, "goals", goal.arm, "must be the name of an arm")
            shown = ", ".join(self.measures)
            require(goal.measure in self.measures, "goals", goal.measure, f"must be one of {shown}")

    def with_seeds(self, seeds: int) -> "Comparison":
        """The same with another number of machines in each arm."""
        arms = tuple(replace(arm, study=replace(arm.study, seeds=seeds)) for arm in self.arms)
        return replace(self, arms=arms)

    @property
    def shares(self) -> list[tuple[str, float]]:
        """The measures, and what of each, that a share of machines is asked to reach."""
        asked = ((goal.measure, goal.at) for goal in self.goals if goal.of == "share")
        return list(dict.fromkeys(asked))


class Outcome(NamedTuple):
    """What an arm came to.

    Attributes:
      arm: the arm.
      values: by measure, `[machines]`: those that did not diverge.
      train_seconds: spent in training all of its machines.
    """

    arm: Arm
    values: dict[str, np.ndarray]
    train_seconds: float


@own_settings()
def outcome(arm: Arm, every: Machines, train_seconds: float, measures: Sequence[str]) -> Outcome:
    """What an arm came to whose machines took so long to train, by some of `CRITERIA`."""
    good = ~every.rows["diverged"]
    rows = {name: leaf[good] for name, leaf in every.rows.items()}
    machines = Machines(every.experiment, rows, jax.tree.map(lambda leaf: leaf[good], every.params))
    nothing = np.empty(0)
    values = {name: CRITERIA[name].of(machines) if good.any() else nothing for name in measures}
    return Outcome(arm, values, train_seconds)


def reaching(arm: Outcome, measure: str, at: float) -> tuple[int, int]:
    """How many machines reach a value, and of how many that is known."""
    values = arm.values[measure]
    known = values[np.isfinite(values)]
    reach = known >= at if CRITERIA[measure].better == "higher" else known <= at
    return int(reach.sum()), len(known)


def value_of(goal: Goal, arms: list[Outcome]) -> float:
    """What the arm of a goal reached; NaN if none of its machines counts."""
    it = next(each for each in arms if each.arm.name == goal.arm)
    values = it.values[goal.measure]
    if not len(values):
        return math.nan
    if goal.of == "share":
        hits, trials = reaching(it, goal.measure, goal.at)
        return hits / trials if trials else math.nan
    return float(CRITERIA[goal.measure].best(values) if goal.of == "best" else np.median(values))


def asks_for_more(goal: Goal) -> bool:
    """Whether a goal is a least value, and not a greatest one."""
    return goal.of == "share" or CRITERIA[goal.measure].better == "higher"


def is_met(goal: Goal, value: float) -> bool:
    """Whether a value is what a goal asks for."""
    return value >= goal.bound if asks_for_more(goal) else value <= goal.bound
