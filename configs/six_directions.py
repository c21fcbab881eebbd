"""Shifts by up to three pixels either way: 32-72-6 by the recipe, 500,000 steps."""

from hmjax import Shifter, recipe

experiment = recipe(
    "six_directions", Shifter(shifts=(-3, -2, -1, 1, 2, 3)), (72,), 6, steps=500_000
)
