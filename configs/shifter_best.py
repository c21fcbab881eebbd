"""The shifter to the floor: 32-16-4 by the recipe, 500,000 steps."""

from hmjax import Shifter, recipe

experiment = recipe("shifter_best", Shifter(), (16,), steps=500_000)
