"""The bars to 0.01 bits: 16-8-1 by the recipe, 300,000 steps."""

from hmjax import Bars, recipe

experiment = recipe("bars_best", Bars(), (8,), 1, steps=300_000)
