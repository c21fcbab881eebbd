"""One top unit that tells left from right: 32-16-1 by the recipe, 500,000 steps."""

from hmjax import Shifter, recipe

experiment = recipe("one_top", Shifter(), (16,), 1, steps=500_000)
