"""What each part of the recipe is worth, on four directions."""

import dataclasses
from typing import Any

from configs import four_directions
from hmjax import Evaluation, Reweighted, recipe
from hmjax.study.comparison import Arm, Comparison
from hmjax.study.sweeps import Study

STEPS = 100_000
ALL = dataclasses.replace(
    # Memory asks for a hundred visits of an image; these 1,024 images get 98.
    recipe("ablation", four_directions.experiment.task, (48,), steps=STEPS, memory=True),
    evaluation=Evaluation(every=STEPS // 10, temperatures=50),
)


def _without(name: str, biases: dict[str, Any] | None = None, **rule: Any) -> Arm:
    machine = dataclasses.replace(ALL.machine, **(biases or {}))
    changed = dataclasses.replace(ALL.rule, **rule)
    return Arm(name, Study(dataclasses.replace(ALL, machine=machine, rule=changed)))


COMMON = {
    name: getattr(ALL.rule, name)
    for name in ("non_negative", "hold", "learning_rate", "decay_at", "decay_over", "decay_factor")
}

comparison = Comparison(
    title="What each part is worth",
    about=(
        "Four directions by 32-48-4, which has to find 32 pixels and shifts, in 100,000 steps, "
        "with a part of the recipe left out at a time. Without the hold nothing is learned, "
        "however good the samples are; with it, samples make the difference to the top."
    ),
    arms=(
        Arm("all", Study(ALL)),
        _without("no hold", hold=0),
        _without("hidden biases held still", hold_bias=0.0),
        _without("the same, from -3", {"hidden_bias": -3.0}, hold_bias=0.0),
        _without("visible biases from -1", {"visible_bias": -1.0}),
        _without("visible weights of any sign", non_negative=False),
        _without("no cap on visible weights", hold_cap=1e6),
        _without("no sweep", sweeps=0),
        _without("one proposal, not four", samples=1),
        _without("no memory", memory=False),
        _without("neither memory nor sweep", memory=False, sweeps=0),
        _without("neither memory nor hold", memory=False, hold=0),
        Arm(
            "reweighted, K = 10, with the hold",
            Study(dataclasses.replace(ALL, rule=Reweighted(recognition="wake", **COMMON))),
        ),
    ),
    measures=("causes", "recovery", "nll", "sampled"),
)
