"""Larger: four directions, rows of 16 pixels; what of it stays exact."""

import dataclasses

from configs import shifter
from configs.shifter_best import recipe
from hmjax import Experiment, Machine, Restarts, Shifter
from hmjax.comparison import Arm, Comparison, Goal
from hmjax.study import Study

FOUR = Shifter(shifts=(-2, -1, 1, 2))
LONG = Shifter(width=16)
WIDE_TOP = "four directions, 32-32-16: reweighted, sampled"


def _plain(**changes) -> Experiment:
    return dataclasses.replace(shifter.experiment, steps=500_000, **changes)


def _recipe(steps: int, **changes) -> Experiment:
    return recipe("larger", steps, **changes)


def _machine(*hidden: int, top: int = 4) -> Machine:
    return Machine(hidden, top, visible_bias=-2.0)


comparison = Comparison(
    title="Larger",
    about=(
        "The same rule where the task or the machine is larger: shifts by -2, -1, 1 and 2 pixels, "
        "and rows of 16 pixels. Where layers or the support are too large to enumerate, restarts "
        "go by the NLL importance-sampled on 256 held-out images with 50 samples each, and the "
        "columns recovery and NLL are of those images too. The last column is the NLL of every "
        "machine on 256 other images with 200 samples: biased upward by sampling, and spread by "
        "the choice of images, but chosen by nothing. One direction in four is named correctly by "
        "chance, by the nearest mean top state."
    ),
    arms=(
        Arm("four directions, 32-16-4: wake-sleep", Study(_plain(task=FOUR))),
        Arm(
            "four directions, 32-16-8-4: restarts",
            Study(_recipe(500_000, task=FOUR, machine=_machine(16, 8))),
        ),
        Arm(
            WIDE_TOP,
            Study(
                _recipe(500_000, task=FOUR, machine=_machine(32, top=16), restarts=Restarts()),
            ),
        ),
        Arm("width 16, 64-16-4: wake-sleep, sampled", Study(_plain(task=LONG))),
        Arm("width 16, 64-16-4: restarts, sampled", Study(_recipe(400_000, task=LONG))),
    ),
    measures=("recovery", "by_state", "nll", "sampled"),
    goals=(Goal(WIDE_TOP, "recovery", "median", 0.85),),
)
