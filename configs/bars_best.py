"""The bars to 0.01 bits: reweighted wake-sleep, non-negative weights, restarts in three tries."""

from hmjax import Bars, Evaluation, Experiment, Machine, Restarts, Reweighted

STEPS = 6_000_000
SEARCH = 4_800_000  # steps with restarts; the rates fall after them

experiment = Experiment(
    "bars_best",
    task=Bars(),
    machine=Machine(hidden=(8,), top=1, visible_bias=-1.0),
    rule=Reweighted(
        samples=5,
        non_negative=True,
        decay_at=SEARCH,
        decay_over=STEPS - SEARCH,
        decay_factor=0.01,
    ),
    restarts=Restarts(until=SEARCH, units=3, tries=3),
    evaluation=Evaluation(every=2_000),
    steps=STEPS,
)
