"""Larger: four directions, rows of 16 pixels, a deeper machine; what of it stays exact."""

import dataclasses

from configs import shifter, shifter_deep
from configs.shifter_best import recipe
from hmjax import Experiment, Machine, Shifter
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

FOUR = Shifter(shifts=(-2, -1, 1, 2))
LONG = Shifter(width=16)
WIDE = recipe("larger", 1_000_000, task=FOUR, machine=Machine((32,), 4, visible_bias=-2.0))


def _plain(**changes) -> Experiment:
    return dataclasses.replace(shifter.experiment, steps=500_000, **changes)


comparison = Comparison(
    title="Larger",
    about=(
        "The same rule and restarts where the task or the machine is larger: shifts by -2, -1, 1 "
        "and 2 pixels, rows of 16 pixels, three layers of hidden and top units. Where layers or "
        "the support are too large to enumerate, the NLL is importance-sampled, which is biased "
        "upward, and recovery is measured on held-out images; restarts then go by the sampled NLL "
        "of these same images. One direction in four is named correctly by chance, by the nearest "
        "mean top state."
    ),
    arms=(
        Arm("four directions, 32-16-4: wake-sleep", Study(_plain(task=FOUR))),
        Arm("four directions, 32-32-4: restarts, sampled", Study(WIDE)),
        Arm("width 16, 64-16-4: wake-sleep, sampled", Study(_plain(task=LONG))),
        Arm(
            "width 16, 64-16-4: restarts, sampled",
            Study(recipe("larger", 400_000, task=LONG)),
        ),
        Arm(
            "32-16-8-4: restarts",
            Study(recipe("larger", 400_000, machine=shifter_deep.experiment.machine)),
        ),
    ),
    measures=("recovery", "nll"),
    goals=(Goal("four directions, 32-32-4: restarts, sampled", "recovery", "median", 0.85),),
)
