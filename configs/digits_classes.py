"""The same digits by 64-16-4 for each label, 10,000 steps: for population --per-class."""

from typing import Any

import hmjax
from configs import digits
from hmjax.recipes import prior_on


def __getattr__(name: str) -> Any:
    """`experiment`, made when it is asked for."""
    if name != "experiment":
        raise AttributeError(name)
    task = digits.task()
    prior = prior_on(len(task.drawn.which) // len(task.class_names))
    return hmjax.own_images("digits_classes", task, (16,), 4, steps=10_000, weight_decay=prior)
