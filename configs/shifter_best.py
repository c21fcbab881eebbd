"""The shifter to the floor: reweighted wake-sleep, non-negative weights and restarts."""

from hmjax import Evaluation, Experiment, Machine, Restarts, Reweighted

STEPS = 2_000_000
SEARCH = 1_600_000  # steps with restarts; the rates fall after them

experiment = Experiment(
    "shifter_best",
    machine=Machine(visible_bias=-2.0),
    rule=Reweighted(
        samples=10,
        recognition="wake",
        optimiser="momentum",
        learning_rate=0.01,
        non_negative=True,
        decay_at=SEARCH,
        decay_over=STEPS - SEARCH,
        decay_factor=0.01,
    ),
    restarts=Restarts(until=SEARCH, units=12),
    evaluation=Evaluation(every=20_000),
    steps=STEPS,
)
