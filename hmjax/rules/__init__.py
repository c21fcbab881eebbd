"""Learning rules: one file each, one contract (`Rule`) for all."""

from hmjax.rules.base import Descent, Rule, State
from hmjax.rules.oracle import Oracle
from hmjax.rules.reweighted import Reweighted
from hmjax.rules.wake_sleep import WakeSleep

AnyRule = WakeSleep | Reweighted | Oracle

RULES: dict[str, type[AnyRule]] = {
    "wake-sleep": WakeSleep,
    "reweighted": Reweighted,
    "oracle": Oracle,
}
"""Every rule by the name it is chosen by."""

__all__ = ["RULES", "AnyRule", "Descent", "Oracle", "Reweighted", "Rule", "State", "WakeSleep"]
