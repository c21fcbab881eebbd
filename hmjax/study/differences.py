"""How the settings of a study differ, seed by seed."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from hmjax.study import intervals


class SettingBySeed(NamedTuple):
    """What the machines of a setting came to, in the order of their seeds.

    Attributes:
      name: of the setting.
      measure: which NLL is theirs.
      nll: `[seeds]`, NaN where a machine has diverged.
      is_known: bool `[seeds]`, whether it is known whether they broke the symmetry.
      broken: bool `[seeds]`, whether they did, as published.
      by_contrast: the same by the direction contrast.
    """

    name: str
    measure: str
    nll: np.ndarray
    is_known: np.ndarray
    broken: np.ndarray
    by_contrast: np.ndarray


def differences(settings: Sequence[SettingBySeed]) -> list[dict[str, Any]]:
    """How each setting differs from the first, as JSON values."""
    first, found = settings[0], []
    for other in settings[1:]:
        both = first.is_known & other.is_known
        nll = None
        if first.measure == other.measure:
            nll = intervals.bootstrap_median_difference(first.nll, other.nll)
        found.append(
            {
                "from": first.name,
                "to": other.name,
                "broken_share": intervals.share_difference(first.broken[both], other.broken[both]),
                "broken_share_by_contrast": intervals.share_difference(
                    first.by_contrast[both], other.by_contrast[both]
                ),
                "median_nll_bits": nll,
            }
        )
    return found
