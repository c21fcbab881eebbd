"""Larger: four directions, rows of 16 pixels, images of 8 x 8."""

import dataclasses

from configs import four_directions, shifter, square, wide
from hmjax import Experiment
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study


def _plain(like: Experiment) -> Experiment:
    """Plain wake-sleep on the same task, by a machine of the same size."""
    machine = dataclasses.replace(shifter.experiment.machine, hidden=like.machine.hidden)
    return dataclasses.replace(
        shifter.experiment,
        name="plain",
        task=like.task,
        machine=machine,
        evaluation=dataclasses.replace(shifter.experiment.evaluation, temperatures=50),
        steps=500_000,
    )


FOUR, WIDE = "four directions, 32-48-4 (four_directions)", "width 16, 64-48-4 (wide)"
SQUARE = "8 x 8, 64-16-4 (square)"

comparison = Comparison(
    title="Larger",
    about=(
        "The recipe where the task or the machine is larger, beside plain wake-sleep. Only the "
        "machines of 8 x 8 pixels are small enough to enumerate. By chance one direction in four "
        "is named correctly. The NLL is annealed by 200 temperatures, for plain wake-sleep by 50."
    ),
    arms=(
        Arm("four directions, 32-48-4: wake-sleep", Study(_plain(four_directions.experiment))),
        Arm(FOUR, Study(four_directions.experiment)),
        Arm("width 16, 64-48-4: wake-sleep", Study(_plain(wide.experiment))),
        Arm(WIDE, Study(wide.experiment)),
        Arm(SQUARE, Study(square.experiment)),
    ),
    measures=("recovery", "causes", "nll"),
    goals=(
        Goal(FOUR, "recovery", "median", 0.915),
        Goal(FOUR, "nll", "median", 9.105),
        Goal(WIDE, "recovery", "median", 0.995),
        Goal(WIDE, "nll", "median", 15.15),
        Goal(SQUARE, "recovery", "median", 0.965),
    ),
)
