"""How the settings of a study differ, seed by seed."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from hmjax.study import intervals

DIFFERENCES = "broken_share", "broken_share_by_contrast"
"""Of shares: of machines that broke the symmetry, as published and by the direction contrast."""


class SettingBySeed(NamedTuple):
    """What the machines of a setting came to, in the order of their seeds.

    Attributes:
      name: of the setting.
      measure: which NLL is theirs.
      nll: `[seeds]`, NaN where a machine has diverged.
      broken: for each of `DIFFERENCES`, `[seeds]`: 1 if it broke the symmetry, 0 if not, NaN where
        that is not known.
    """

    name: str
    measure: str
    nll: np.ndarray
    broken: Mapping[str, np.ndarray]


def differences(settings: Sequence[SettingBySeed]) -> list[dict[str, Any]]:
    """How each setting differs from the first, as JSON values."""
    first, found = settings[0], []
    for other in settings[1:]:
        shares = {}
        for name in DIFFERENCES:
            one, two = first.broken[name], other.broken[name]
            both = np.isfinite(one) & np.isfinite(two)
            shares[name] = intervals.share_difference(one[both] > 0, two[both] > 0)
        nll = None
        if first.measure == other.measure:
            nll = intervals.bootstrap_median_difference(first.nll, other.nll)
        found.append({"from": first.name, "to": other.name, **shares, "median_nll_bits": nll})
    return found
