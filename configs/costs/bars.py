"""Bars, 16-8-1: seven of eight bars, and the KL in bits."""

import dataclasses

from configs import bars as published
from configs import bars_best
from hmjax import Evaluation, ExactEM, Experiment, Machine, Reweighted, ScoreFunction, WakeSleep
from hmjax.cost.criterion import CAUSES, Arm, Goal, Race
from hmjax.rules import AnyRule

BEST = bars_best.experiment


def _arm(name: str, rule: AnyRule, steps: int, machine: Machine | None = None) -> Arm:
    return Arm(
        name,
        Experiment(
            "bars",
            task=published.experiment.task,
            machine=machine or published.experiment.machine,
            rule=rule,
            evaluation=Evaluation(every=steps // 60),
            steps=steps,
        ),
    )


AS_THE_RECIPE = WakeSleep(**BEST.rule.shared())

race = Race(
    title="Bars",
    about=(
        "16-8-1 at a rate of 0.1, but for the recipe's settings. Arms may cost as much as the "
        "published protocol, batches of 20 for 300,000 steps, and are looked at in steps of 1, 2, "
        "5, 10, ... and then 60 times."
    ),
    arms=(
        _arm("wake-sleep, batch 20", WakeSleep(batch=20), 300_000),
        _arm("wake-sleep", WakeSleep(), 6_600_000),
        _arm("reweighted, K = 5", Reweighted(samples=5), 1_700_000),
        _arm("score function, K = 5", ScoreFunction(samples=5), 1_900_000),
        _arm("exact EM", ExactEM(), 60_000),
        _arm("wake-sleep by the recipe", AS_THE_RECIPE, 300_000, BEST.machine),
        Arm(
            "the recipe (bars_best)",
            dataclasses.replace(BEST, evaluation=Evaluation(every=5_000)),
        ),
    ),
    goals=(
        Goal("7 of 8 bars", CAUSES, 7),
        Goal("KL 1 bit", "kl_bits", 1.0),
        Goal("KL 0.5 bits", "kl_bits", 0.5),
        Goal("KL 0.1 bits", "kl_bits", 0.1),
    ),
)
