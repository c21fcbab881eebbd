"""The shifter by 32-16-8-4 and the recipe, 500,000 steps."""

from hmjax import Shifter, recipe

experiment = recipe("shifter_deep", Shifter(), (16, 8), steps=500_000)
