"""Cost to a criterion: how far populations have to be trained, and what those steps cost.

Each arm of a race is trained from many seeds, and looked at whenever it is evaluated. A machine has
reached a goal at the first look at which it is there. One that never is has spent its arm's whole
budget: what a solution costs is all that was spent, by those that reached the goal and those that
did not, over how many did. That depends on the budget where some fail; what does not is the least
that a solution costs if every machine is given up at the same step and another seed is tried.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from hmjax.cost.kernels import PLAIN, Style
from hmjax.cost.profile import cost_of
from hmjax.cost.tracing import trace
from hmjax.errors import require
from hmjax.experiment import Experiment
from hmjax.machine import Params
from hmjax.measures.table import MEASURES
from hmjax.settings import Settings
from hmjax.study.intervals import wilson
from hmjax.tasks import Task
from hmjax.training import loop
from hmjax.training.population import members_of
from hmjax.training.progress import Progress, Record


class Goal(NamedTuple):
    """What a machine is to reach.

    Attributes:
      name: for people.
      measure: of the curves of training, to be at most `bound`; or `CAUSES`, to be at least that.
      bound: see there.
    """

    name: str
    measure: str
    bound: float


@dataclass(frozen=True)
class Arm(Settings):
    """One of those that race."""

    name: str
    """What sets it apart, for people."""
    experiment: Experiment
    """What is trained; its steps are the budget, and it is looked at whenever it is evaluated."""


@dataclass(frozen=True)
class Race(Settings):
    """Arms of one task, and goals for them."""

    title: str
    about: str
    """What is compared and what to look for."""
    arms: tuple[Arm, ...]
    goals: tuple[Goal, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        known = [CAUSES, *(name for name, each in MEASURES.items() if not each.axes)]
        for goal in self.goals:
            measure = goal.measure
            require(measure in known, "goals", measure, f"must be one of {', '.join(known)}")


class Course(NamedTuple):
    """How an arm went.

    Attributes:
      step: int `[looks]`.
      curves: by measure, `[looks, seeds]`; NaN where a machine has diverged.
      cost: of all steps up to each look, `[looks]`.
      budget: of all steps that a machine may take.
    """

    step: np.ndarray
    curves: dict[str, np.ndarray]
    cost: np.ndarray
    budget: float


CAUSES = "causes"
"""What goals call the number of causes that weights have found."""

COSINE = 0.5
"""From this cosine on of a row of generative weights and a cause, both centred, it is found."""


def causes_found(params: Params, task: Task) -> np.ndarray:
    """How many of the causes of a task weights have found, `[...]`.

    Args:
      params: machines, with leading axes.
      task: what they learned.
    """
    causes = _centred(np.asarray(task.causes, np.float64))
    rows = _centred(np.asarray(params.generative[0].weight, np.float64))
    cosine = np.einsum("cp,...hp->...ch", causes, rows)
    return (cosine.max(axis=-1) >= COSINE).sum(axis=-1)


def _centred(rows: np.ndarray) -> np.ndarray:
    """Rows less their means, of length 1."""
    rows = rows - rows.mean(axis=-1, keepdims=True)
    return rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12)


def costs_of(experiment: Experiment, steps: np.ndarray, style: Style = PLAIN) -> np.ndarray:
    """What an experiment's training costs up to each of some steps, by its traced steps.

    A held step costs what the second of all does, and any other what the second after the hold
    does: the second finds on the stack what the first has left there.
    """
    hold = experiment.rule.hold

    def later(at: int) -> float:
        recording, (depth, _) = trace(experiment, style, steps=2, at=at)
        return float(cost_of(depth)[recording.step[recording.instruction] == 1].sum())

    held = later(0) if hold else 0.0
    return held * np.minimum(steps, hold) + later(hold) * np.maximum(steps - hold, 0)


def train(
    arm: Arm, seeds: int, goals: Sequence[Goal], on_look: Callable[[int], None] = lambda _: None
) -> Course:
    """Trains an arm until all its machines have reached all goals, or its budget is spent.

    Args:
      arm: what.
      seeds: how many machines.
      goals: what is looked at.
      on_look: called with the steps taken, after each look.
    """
    members = members_of(arm.experiment, range(seeds))
    record = Record(snapshots=any(goal.measure == CAUSES for goal in goals))
    progress = loop.start(members, record)
    curves = _curves(arm, progress)
    for latest in loop.advance(members, progress, record):
        curves = _curves(arm, latest)
        on_look(latest.step)
        if all(
            np.isfinite(reached_at(goal, curves, latest.curves["step"])).all() for goal in goals
        ):
            break
    steps = curves.pop("step")
    *cost, budget = costs_of(arm.experiment, np.append(steps, arm.experiment.steps))
    return Course(steps, curves, np.array(cost), budget)


def _curves(arm: Arm, progress: Progress) -> dict[str, np.ndarray]:
    curves = {name: curve for name, curve in progress.curves.items() if curve.ndim <= 2}
    if progress.snapshots is not None:
        curves[CAUSES] = causes_found(progress.snapshots, arm.experiment.task)
    return curves


def reached_at(goal: Goal, curves: dict[str, np.ndarray], steps: np.ndarray) -> np.ndarray:
    """The first of some steps at which each machine has reached a goal, or infinity; `[seeds]`."""
    curve = curves[goal.measure]
    reached = curve >= goal.bound if goal.measure == CAUSES else curve <= goal.bound
    return np.where(reached.any(axis=0), steps[reached.argmax(axis=0)], math.inf)


def outcome(arm: Arm, course: Course, goals: Sequence[Goal]) -> dict[str, Any]:
    """What an arm came to, as JSON values; `None` where nothing is known.

    Returns:
      Of the arm: its `budget`, in cost; `cost_a_step`, the mean over the budget; `cost`, what was
      spent up to each look; and the quartiles of the `nll` there, diverged machines as the worst.
      In `goals`, of each: `solved` of how many `seeds`, their `share` with its 95% `interval`,
      `median_steps` and `median_cost` of those that solved it, `cost_a_solution` with failures
      charged in full, and `cost_with_restarts`, the least if every machine is given up at the same
      look and another seed tried.
    """
    nll = np.nan_to_num(course.curves[arm.experiment.nll], nan=np.inf)
    quartiles = np.quantile(nll, (0.25, 0.5, 0.75), axis=1, method="nearest")
    return {
        "name": arm.name,
        "budget": course.budget,
        "batch": arm.experiment.rule.batch,
        "cost_a_step": course.budget / arm.experiment.steps,
        "cost": course.cost.tolist(),
        "nll": [[_finite(each) for each in line] for line in quartiles.tolist()],
        "goals": [_reaching(goal, course) for goal in goals],
    }


def _reaching(goal: Goal, course: Course) -> dict[str, Any]:
    """What reaching a goal took."""
    at = reached_at(goal, course.curves, course.step)
    solved = np.isfinite(at)
    spent = np.full(len(at), course.budget)
    spent[solved] = course.cost[np.searchsorted(course.step, at[solved])]
    hits = np.array([(spent[solved] <= limit).sum() for limit in course.cost])
    tried = np.array([np.minimum(spent, limit).sum() for limit in course.cost])
    restarts = np.divide(tried, hits, out=np.full(len(hits), np.inf), where=hits > 0)
    count, seeds = int(solved.sum()), len(at)
    return {
        "goal": goal.name,
        "solved": count,
        "seeds": seeds,
        "share": count / seeds,
        "interval": wilson(count, seeds),
        "median_steps": float(np.median(at[solved])) if count else None,
        "median_cost": float(np.median(spent[solved])) if count else None,
        "cost_a_solution": float(spent.sum() / count) if count else None,
        "cost_with_restarts": _finite(float(restarts.min())),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
