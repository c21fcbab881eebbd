"""One top unit: what it takes for it to break the symmetry between left and right."""

import dataclasses

from configs import one_top, shifter
from hmjax import Machine, Reweighted
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

PLAIN = dataclasses.replace(shifter.experiment, machine=Machine(top=1), steps=500_000)
WEIGHTED = dataclasses.replace(
    PLAIN, rule=Reweighted(decay_at=400_000, decay_over=100_000, decay_factor=0.01)
)

comparison = Comparison(
    title="One top unit",
    about=(
        "Published, no machine with one top unit told left from right. With 16 hidden units, one "
        "for each pixel and direction, the unit has to gate every hidden unit one way or the "
        "other. A machine whose hidden units have settled on something else gains nothing from "
        "it, and a unit that gates nothing gives them no reason to move. The recipe "
        "(`configs/one_top.py`) lets the hidden units find pixels and where they move to first, "
        "with the top left out; what is left for it is which half of them is on."
    ),
    arms=(
        Arm("wake-sleep, as published", Study(PLAIN)),
        Arm("reweighted, K = 10", Study(WEIGHTED)),
        Arm("the recipe (one_top)", Study(one_top.experiment)),
    ),
    measures=("selectivity", "contrast", "nll", "recovery", "causes"),
    goals=(
        Goal("the recipe (one_top)", "selectivity", "share", 0.98, at=0.3),
        Goal("the recipe (one_top)", "nll", "median", 8.05),
    ),
)
