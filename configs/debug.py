"""A shifter that trains in a second, to try things out: 24-8-2 on 6-pixel rows, 2,000 steps."""

from hmjax import Evaluation, Experiment, Machine, Shifter

experiment = Experiment(
    "debug",
    task=Shifter(width=6),
    machine=Machine(hidden=(8,), top=2),
    evaluation=Evaluation(every=500, held_out=64, samples=10, final_samples=20, fantasies=256),
    steps=2_000,
)
