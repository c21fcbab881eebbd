"""Largest: six directions, and what limits them; rows of 32 pixels."""

from configs import six_directions, wide32
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

SIX, WIDE = "six directions, 32-72-6 (six_directions)", "width 32, 128-96-4 (wide32)"


comparison = Comparison(
    title="Largest",
    about=(
        "The recipe on the largest tasks here: shifts by up to three pixels either way, of which "
        "by chance one in six is named correctly, and rows of 32 pixels. The direction is "
        "recovered by q and by the posterior, both sampled, the posterior by annealed importance "
        "sampling; what lies between the two is lost by recognition, what lies between the "
        "posterior and the best possible was never learned by generation. The NLL is annealed by "
        "100 temperatures."
    ),
    arms=(
        Arm(SIX, Study(six_directions.experiment)),
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
