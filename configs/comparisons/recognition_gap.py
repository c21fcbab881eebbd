"""The recognition gap: what recognition loses of what generation has learned, rule by rule."""

import dataclasses

from configs import debug, shifter
from hmjax import ExactEM, Experiment, Reweighted, WakeSleep
from hmjax.rules import AnyRule
from hmjax.study.comparison import Arm, Comparison
from hmjax.study.sweeps import Study

WIDE = dataclasses.replace(shifter.experiment, steps=500_000)
NARROW = dataclasses.replace(debug.experiment, steps=50_000)


def _arm(name: str, experiment: Experiment, rule: AnyRule) -> Arm:
    """Rates fall over the last fifth of the steps, alike in every arm."""
    steps = experiment.steps
    rule = dataclasses.replace(
        rule, decay_at=steps * 4 // 5, decay_over=steps // 5, decay_factor=0.01
    )
    evaluation = dataclasses.replace(experiment.evaluation, every=steps // 10)
    return Arm(name, Study(dataclasses.replace(experiment, rule=rule, evaluation=evaluation)))


comparison = Comparison(
    title="The recognition gap",
    about=(
        "The direction is recovered by the recognition net q and by the generative net's exact "
        "posterior; what lies between the two is lost by recognition, what lies between the "
        "posterior and the best possible was never learned by generation. The first rows are "
        "32-16-4; the last, 24-8-2 on 6 pixels, are small enough to train with the exact posterior "
        "itself (exact EM: the one rule here that sees the likelihood)."
    ),
    arms=(
        _arm("wake-sleep", WIDE, WakeSleep()),
        _arm("reweighted, by sleep", WIDE, Reweighted(recognition="sleep")),
        _arm("reweighted, by wake", WIDE, Reweighted(recognition="wake")),
        _arm("reweighted, by both", WIDE, Reweighted(recognition="both")),
        _arm("the same, non-negative", WIDE, Reweighted(recognition="both", non_negative=True)),
        _arm("24-8-2: wake-sleep", NARROW, WakeSleep()),
        _arm("24-8-2: reweighted, by both", NARROW, Reweighted(recognition="both")),
        _arm("24-8-2: exact EM", NARROW, ExactEM()),
    ),
    measures=("recovery", "posterior", "gap", "nll"),
)
