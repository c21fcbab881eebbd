"""The recipe as it stands, on tasks that nobody has tuned it for."""

import dataclasses
from typing import Any

from configs import shifter, tees
from hmjax import Bars, Machine, Reweighted, Shifter, recipe
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

FOUR = Shifter(shifts=(-2, -1, 1, 2))
TASKS: tuple[tuple[str, Any, int, int], ...] = (
    ("p_on 0.2, 32-24-4", Shifter(p_on=0.2), 24, 4),
    ("p_on 0.3, 32-24-4", Shifter(), 24, 4),
    ("p_on 0.5, 32-24-4", Shifter(p_on=0.5), 24, 4),
    ("four directions, 32-48-4", FOUR, 48, 4),
    ("width 16, 64-48-4", Shifter(width=16), 48, 4),
    ("bars, 16-12-1", Bars(), 12, 1),
    ("Ts, 25-27-4 (tees)", tees.experiment.task, 27, 4),
)
PLAIN = dataclasses.replace(
    shifter.experiment, name="plain", task=tees.experiment.task, machine=Machine((27,), 4)
)
WEIGHTED = dataclasses.replace(
    PLAIN,
    rule=Reweighted(decay_at=140_000, decay_over=60_000, decay_factor=0.01),
    steps=200_000,
)

comparison = Comparison(
    title="The recipe, untuned",
    about=(
        "One recipe of 200,000 steps (`hmjax/recipes.py`), one and a half hidden units for each "
        "cause, and nothing else: the shifter with pixels on less and more often, with four "
        "directions and wider, the bars, and letters T at random places, several at once, for "
        "which nothing was chosen; these also by plain and by reweighted wake-sleep."
    ),
    arms=(
        *(
            Arm(name, Study(recipe("untuned", task, (hidden,), top)))
            for name, task, hidden, top in TASKS
        ),
        Arm("Ts: wake-sleep, 1.5 million steps", Study(PLAIN)),
        Arm("Ts: reweighted, K = 10", Study(WEIGHTED)),
    ),
    measures=("causes", "recovery", "nll", "sampled"),
    goals=tuple(Goal(name, "causes", "share", 0.95, at=1.0) for name, *_ in TASKS),
)
