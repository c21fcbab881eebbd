"""Shifter, 32-16-4: the NLL in bits, of 7.99 that are possible."""

import dataclasses

from configs import shifter as published
from configs import shifter_best
from hmjax import Evaluation, Reweighted, ScoreFunction, WakeSleep
from hmjax.cost.criterion import Arm, Goal, Race
from hmjax.rules import AnyRule

BEST = shifter_best.experiment


def _arm(name: str, rule: AnyRule, steps: int) -> Arm:
    evaluation, experiment = Evaluation(every=steps // 25), published.experiment
    return Arm(name, dataclasses.replace(experiment, rule=rule, evaluation=evaluation, steps=steps))


AS_THE_RECIPE = WakeSleep(**BEST.rule.shared())

race = Race(
    title="Shifter",
    about=(
        "32-16-4 at a rate of 0.1, but for the recipe's settings. Arms may cost as much as the "
        "published 1.5 million steps, and are looked at in steps of 1, 2, 5, 10, ... and then 25 "
        "times. Exact EM is left out: a step of it reads 260,121,454 scalars."
    ),
    arms=(
        _arm("wake-sleep", WakeSleep(), 1_500_000),
        _arm("reweighted, K = 5", Reweighted(samples=5), 420_000),
        _arm("score function, K = 5", ScoreFunction(samples=5), 480_000),
        Arm(
            "wake-sleep by the recipe",
            dataclasses.replace(BEST, rule=AS_THE_RECIPE, evaluation=Evaluation(every=20_000)),
        ),
        Arm(
            "the recipe (shifter_best)",
            dataclasses.replace(BEST, evaluation=Evaluation(every=20_000)),
        ),
    ),
    goals=(
        Goal("NLL 10 bits", "exact_nll_bits", 10.0),
        Goal("NLL 9 bits", "exact_nll_bits", 9.0),
        Goal("NLL 8.3 bits", "exact_nll_bits", 8.3),
    ),
)
