"""How near 16-8-1, which has just enough units, comes to the data."""

import dataclasses

from configs import bars, bars_best
from hmjax import Bars, Evaluation, Reweighted, recipe
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

WEIGHTED = dataclasses.replace(
    bars.experiment,
    machine=dataclasses.replace(bars.experiment.machine, visible_bias=-1.0),
    rule=Reweighted(
        samples=5, non_negative=True, decay_at=1_600_000, decay_over=400_000, decay_factor=0.01
    ),
)
LONG = dataclasses.replace(
    recipe("bars_best", Bars(), (8,), 1, steps=1_000_000), evaluation=Evaluation(every=100_000)
)

comparison = Comparison(
    title="Bars",
    about=(
        "The 1995 paper reaches 0.10 bits of KL with 16-8-1, the published reproduction 0.451. "
        "Eight hidden units are one a bar, so every one of them has to find its own, and the top "
        "unit the orientation."
    ),
    arms=(
        Arm("wake-sleep", Study(bars.experiment)),
        Arm("reweighted, non-negative", Study(WEIGHTED)),
        Arm("the recipe (bars_best)", Study(bars_best.experiment)),
        Arm("the same, longer", Study(LONG)),
    ),
    measures=("kl", "causes", "balanced"),
    goals=(
        Goal("the recipe (bars_best)", "kl", "median", 0.008),
        Goal("the same, longer", "kl", "median", 0.004),
        Goal("the recipe (bars_best)", "causes", "share", 0.95, at=1.0),
    ),
)
