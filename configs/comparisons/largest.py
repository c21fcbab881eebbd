"""Largest: six directions, and what limits them; rows of 32 pixels."""

import dataclasses

from configs import six_directions, wide32
from hmjax import Experiment, recipe
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

SIX, WIDE = "six directions, 32-72-6 (six_directions)", "width 32, 128-96-4 (wide32)"


def _six(top: int = 6, samples: int = 4) -> Experiment:
    """Six directions by the recipe, otherwise than in `six_directions`."""
    like = six_directions.experiment
    other = recipe(
        like.name, like.task, like.machine.hidden, top, steps=like.steps, samples=samples
    )
    return dataclasses.replace(other, evaluation=like.evaluation)


comparison = Comparison(
    title="Largest",
    about=(
        "The recipe on the largest tasks here. What limits six directions, of which by chance one "
        "in six is named correctly: the samples of q a step, or the number of top units? "
        "The direction is recovered by q and by the posterior, both sampled, the posterior by "
        "annealed importance sampling; what lies between the two is lost by recognition, what "
        "lies between the posterior and the best possible was never learned by generation. The "
        "NLL is annealed by 100 temperatures."
    ),
    arms=(
        Arm(SIX, Study(six_directions.experiment)),
        Arm("the same, 16 samples of q a step", Study(_six(samples=16))),
        Arm("the same, 12 top units", Study(_six(top=12))),
        Arm(WIDE, Study(wide32.experiment)),
    ),
    measures=("causes", "recovery", "posterior", "nll"),
    goals=(
        Goal(SIX, "recovery", "median", 0.785),
        Goal(SIX, "causes", "share", 0.95, at=1.0),
        Goal(WIDE, "recovery", "median", 0.99),
        Goal(WIDE, "causes", "share", 0.95, at=1.0),
    ),
)
