"""Images of 8 x 8 pixels, each row four times: 64-16-4 by the recipe, 200,000 steps.

They have as many hidden units as there are causes, for which the rate of the hold is to be 1: at
the half that the recipe has for so many pixels, a quarter of machines lack one.
"""

from hmjax import Shifter, recipe

experiment = recipe("square", Shifter(copies=4), (16,), steps=200_000, hold_rate=1.0)
