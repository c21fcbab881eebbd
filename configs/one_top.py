"""One top unit that breaks the symmetry: the recipe of shifter_best, in three tries."""

from hmjax import Evaluation, Experiment, Machine, Restarts, Reweighted

STEPS = 3_600_000
SEARCH = 3_000_000  # steps with restarts; the rates fall after them

experiment = Experiment(
    "one_top",
    machine=Machine(top=1, visible_bias=-2.0),
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
    restarts=Restarts(until=SEARCH, units=6, tries=3),
    evaluation=Evaluation(every=10_000),
    steps=STEPS,
)
