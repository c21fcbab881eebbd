"""Larger: four directions, rows of 16 pixels, a deeper machine; what of it stays exact."""

import dataclasses

from configs import shifter, shifter_best
from hmjax import Evaluation, Experiment, Machine, Shifter
from hmjax.comparison import Arm, Comparison, Goal
from hmjax.study import Study

FOUR = Shifter(shifts=(-2, -1, 1, 2))
LONG = Shifter(width=16)


def _plain(**changes) -> Experiment:
    return dataclasses.replace(shifter.experiment, steps=500_000, **changes)


def _recipe(steps: int, **changes) -> Experiment:
    """That of shifter_best for fewer steps; rates fall over the last fifth."""
    best, search = shifter_best.experiment, steps * 4 // 5
    return dataclasses.replace(
        best,
        steps=steps,
        rule=dataclasses.replace(best.rule, decay_at=search, decay_over=steps - search),
        restarts=dataclasses.replace(best.restarts, until=search),
        evaluation=Evaluation(every=20_000),
        **changes,
    )


comparison = Comparison(
    title="Larger",
    about=(
        "The same rule and restarts where the task or the machine is larger: shifts by -2, -1, 1 "
        "and 2 pixels, rows of 16 pixels, three layers of hidden and top units. Where layers or "
        "the support are too large to enumerate, the NLL is importance-sampled, which is biased "
        "upward, and recovery is measured on held-out images; restarts then go by the sampled NLL. "
        "One direction in four is named correctly by chance, by the nearest mean top state."
    ),
    arms=(
        Arm("four directions, 32-16-4: wake-sleep", Study(_plain(task=FOUR))),
        Arm(
            "four directions, 32-32-4: restarts, sampled",
            Study(_recipe(1_000_000, task=FOUR, machine=Machine((32,), 4, visible_bias=-2.0))),
        ),
        Arm("width 16, 64-16-4: wake-sleep, sampled", Study(_plain(task=LONG))),
        Arm(
            "width 16, 64-16-4: restarts, sampled",
            Study(_recipe(400_000, task=LONG)),
        ),
        Arm(
            "32-16-8-4: restarts",
            Study(_recipe(400_000, machine=Machine((16, 8), 4, visible_bias=-2.0))),
        ),
    ),
    measures=("recovery", "by_state", "nll"),
    goals=(Goal("four directions, 32-32-4: restarts, sampled", "recovery", "median", 0.85),),
)
