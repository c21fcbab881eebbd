"""Images of 8 x 8 pixels, each row four times: 64-16-4 by the recipe, 200,000 steps."""

from hmjax import Shifter, recipe

experiment = recipe("square", Shifter(copies=4), (16,), steps=200_000)
