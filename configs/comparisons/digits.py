"""Digits: rules, priors on the weights and sizes side by side."""

import dataclasses
from typing import Any

import hmjax
from configs import digits
from hmjax import Experiment, Reweighted, WakeSleep
from hmjax.rules import AnyRule
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.sweeps import Study

SEEDS = 16
RECIPE = "64-64-16: the recipe for own images (digits)"
DEEPER = "64-64-64-16: the recipe for own images"


def _by(rule: AnyRule) -> Experiment:
    """64-64-16 by another rule, with the batches, rates and prior of the recipe."""
    own = hmjax.own_images("digits", digits.task())
    names = "batch", "learning_rate", "decay_at", "decay_over", "decay_factor", "weight_decay"
    alike = {name: getattr(own.rule, name) for name in names}
    return dataclasses.replace(own, rule=dataclasses.replace(rule, **alike))


def _parts() -> Experiment:
    """By the recipe for images that are made of parts."""
    own = hmjax.own_images("digits", digits.task())
    of_parts = hmjax.recipe("digits", digits.task(), (64,), 16, memory=False)
    return dataclasses.replace(of_parts, evaluation=own.evaluation)


def _comparison() -> Comparison:
    task, own = digits.task(), hmjax.own_images
    arms = {
        "64-64-16: wake-sleep": _by(WakeSleep()),
        "64-64-16: reweighted, K = 5": _by(Reweighted(samples=5)),
        RECIPE: own("digits", task),
        "the same, no prior on the weights": own("digits", task, weight_decay=0.0),
        "64-64-16: the recipe for parts, 200,000 steps": _parts(),
        "64-16-4: the recipe for own images": own("digits", task, (16,), 4),
        DEEPER: own("digits", task, (64, 64)),
    }
    return Comparison(
        title="Digits",
        about=(
            "Handwritten digits of 8 x 8 pixels, 1,500 to train on and 297 held out, on which "
            "everything here is measured. A mixture of products of Bernoulli distributions comes "
            "to 25.51 bits, independent pixels to 36.36. One nat is 1.4427 bits: the goal is 16.0 "
            "nats. The NLL is annealed from the recognition net, of 64-16-4 exact. Recovery is of "
            "the ten labels, by the nearest mean state of the top units, which are never told them "
            "(of 64-16-4, of the images that are trained on)."
        ),
        arms=tuple(Arm(name, Study(it, seeds=SEEDS)) for name, it in arms.items()),
        measures=("nll", "recovery"),
        goals=tuple(Goal(arm, "nll", "median", 23.083) for arm in (RECIPE, DEEPER)),
    )


def __getattr__(name: str) -> Any:
    """`comparison`, made when it is asked for, as it needs scikit-learn."""
    if name != "comparison":
        raise AttributeError(name)
    return _comparison()
