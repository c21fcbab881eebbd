"""Rows of 16 pixels: 64-48-4 by the recipe, 300,000 steps."""

from hmjax import Shifter, recipe

experiment = recipe("wide", Shifter(width=16), (48,), steps=300_000)
