"""The shifter: how near the entropy floor each rule and the recipe come."""

import dataclasses

from configs import shifter, shifter_best, shifter_deep
from hmjax import Evaluation, Reweighted, Shifter, recipe
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

SHORT = dataclasses.replace(
    shifter.experiment,
    rule=Reweighted(decay_at=100_000, decay_over=100_000, decay_factor=0.01),
    evaluation=Evaluation(every=20_000),
    steps=200_000,
)
BEST = "the recipe (shifter_best)"
SPARSE, DENSE = "the same, p_on 0.2", "the same, p_on 0.5"

comparison = Comparison(
    title="Shifter to the floor",
    about=(
        "Published wake-sleep stops 1.4 bits above the entropy of the data. Its hidden units stand "
        "for a pixel and hint at both of its shifts, or are dead; neither more samples nor other "
        "rates get them out. By the recipe (`configs/shifter_best.py`) every hidden unit becomes a "
        "pixel and where it has moved to, and the top units tell which half of them can be on. "
        "With one more layer (`configs/shifter_deep.py`), or pixels that are on less or more "
        "often, nothing else is changed."
    ),
    arms=(
        Arm("wake-sleep, as published", Study(shifter.experiment)),
        Arm("reweighted, K = 10", Study(SHORT)),
        Arm(BEST, Study(shifter_best.experiment)),
        Arm("the same, 32-16-8-4 (shifter_deep)", Study(shifter_deep.experiment)),
        Arm(SPARSE, Study(recipe("sparse", Shifter(p_on=0.2), (16,), steps=500_000))),
        Arm(DENSE, Study(recipe("dense", Shifter(p_on=0.5), (16,), steps=500_000))),
    ),
    measures=("nll", "recovery", "causes"),
    goals=(
        Goal(BEST, "nll", "median", 8.02),
        Goal(BEST, "nll", "best", 8.00),
        Goal(BEST, "nll", "share", 0.9, at=8.039),
        Goal(BEST, "recovery", "median", 0.965),
        Goal(SPARSE, "nll", "median", 6.656),
        Goal(DENSE, "nll", "median", 9.034),
    ),
)
