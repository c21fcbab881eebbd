"""Rows of 32 pixels: 128-96-4 by the recipe, 200,000 steps."""

import dataclasses

from hmjax import Evaluation, Shifter, recipe

experiment = dataclasses.replace(
    recipe("wide32", Shifter(width=32), (96,), steps=200_000),
    evaluation=Evaluation(annealed_runs=8, temperatures=100, held_out=128),
)
