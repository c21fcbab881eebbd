"""One top unit: what it takes for it to break the symmetry between left and right."""

import dataclasses

from configs import one_top, shifter
from hmjax import Evaluation, Machine, Restarts, Reweighted
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

PLAIN = dataclasses.replace(shifter.experiment, machine=Machine(top=1), steps=500_000)
WEIGHTED = dataclasses.replace(
    PLAIN, rule=Reweighted(decay_at=400_000, decay_over=100_000, decay_factor=0.01)
)
BEST = one_top.experiment
ONCE = dataclasses.replace(
    BEST,
    rule=dataclasses.replace(BEST.rule, decay_at=400_000, decay_over=100_000),
    restarts=Restarts(),
    evaluation=Evaluation(every=50_000),
    steps=500_000,
)

comparison = Comparison(
    title="One top unit",
    about=(
        "Published, no machine with one top unit told left from right. With 16 hidden units, two "
        "a place in the ring, the unit has to gate a hidden unit for each place and direction; a "
        "machine whose hidden units have settled on something else gains nothing from it, and a "
        "unit that gates nothing gives them no reason to move. Restarts with all units (32-16-1, "
        "`configs/one_top.py`) let both move at once. The NLL alone decides what is kept."
    ),
    arms=(
        Arm("wake-sleep, as published", Study(PLAIN)),
        Arm("reweighted, K = 10", Study(WEIGHTED)),
        Arm("reweighted, non-negative", Study(ONCE)),
        Arm("with restarts (one_top)", Study(BEST)),
    ),
    measures=("selectivity", "nll", "recovery"),
    goals=(Goal("with restarts (one_top)", "selectivity", "share", 0.9),),
)
