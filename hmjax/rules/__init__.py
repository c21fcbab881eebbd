"""Learning rules: one file each, one contract (`Rule`) for all."""

from hmjax.rules.base import Rule, State
from hmjax.rules.wake_sleep import WakeSleep

__all__ = ["Rule", "State", "WakeSleep"]
