"""Shifts by -2, -1, 1 and 2 pixels: 32-48-4 by the recipe, 500,000 steps."""

from hmjax import Shifter, recipe

experiment = recipe("four_directions", Shifter(shifts=(-2, -1, 1, 2)), (48,), steps=500_000)
