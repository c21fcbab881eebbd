"""Learning rules: one file each, one contract (`Rule`) for all."""

from hmjax.rules.base import Descent
from hmjax.rules.contract import Batch, Rule, State
from hmjax.rules.exact_em import ExactEM
from hmjax.rules.joint import JointStochastic
from hmjax.rules.reweighted import Reweighted
from hmjax.rules.score_function import ScoreFunction
from hmjax.rules.wake_sleep import WakeSleep

AnyRule = WakeSleep | Reweighted | JointStochastic | ScoreFunction | ExactEM

RULES: dict[str, type[AnyRule]] = {
    "wake-sleep": WakeSleep,
    "reweighted": Reweighted,
    "joint-stochastic": JointStochastic,
    "score-function": ScoreFunction,
    "exact-em": ExactEM,
}
"""Every rule by the name it is chosen by."""

FORMER_NAMES = {"oracle": "exact-em"}
"""What rules were once chosen by, and are now."""

__all__ = [
    "FORMER_NAMES",
    "RULES",
    "AnyRule",
    "Batch",
    "Descent",
    "ExactEM",
    "JointStochastic",
    "Reweighted",
    "Rule",
    "ScoreFunction",
    "State",
    "WakeSleep",
]
