"""Shifts by up to three pixels either way: 32-72-6 by the recipe, 300,000 steps."""

import dataclasses

from hmjax import Evaluation, Shifter, recipe

experiment = dataclasses.replace(
    recipe("six_directions", Shifter(shifts=(-3, -2, -1, 1, 2, 3)), (72,), 6, steps=300_000),
    evaluation=Evaluation(temperatures=100),
)
