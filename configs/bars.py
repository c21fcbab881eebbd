"""The published bars: 16-8-1 on 4 x 4 images, 2 million steps of plain wake-sleep."""

from hmjax import Bars, Evaluation, Experiment, Machine

experiment = Experiment(
    "bars",
    task=Bars(),
    machine=Machine(hidden=(8,), top=1),
    evaluation=Evaluation(every=100_000),
    steps=2_000_000,
)
