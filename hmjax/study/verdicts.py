"""Whether machines broke the symmetry between two classes, told by two measures.

A machine has broken it when one of its top units, alone on, moves the measure by `BROKEN` or more:
the published selectivity, which sees P(right) alone, or the direction contrast, which sees both
classes and judges a machine and its mirror image alike.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from hmjax.study import intervals

BROKEN = 0.1
"""What a top unit of a machine that has broken the symmetry moves its exact measure by, or more."""


class Verdict(NamedTuple):
    """A measure that says whether the symmetry is broken, and what it is called in the tables.

    Attributes:
      measure: of every top unit, in curves and rows.
      strongest: the largest of these in size.
      broken: whether that is `BROKEN` or more, bool, at the last step.
      at: the step of the first evaluation at which it was; infinity if it never was, and NaN if
        that is not known, as it is not of what an earlier schema did not measure.
    """

    measure: str
    strongest: str
    broken: str
    at: str


SELECTIVITY = Verdict("selectivity_exact", "strongest_selectivity", "broken", "broke_at_step")
"""As published."""

CONTRAST = Verdict(
    *("direction_contrast_exact", "strongest_contrast"),
    *("broken_by_contrast", "broke_at_step_by_contrast"),
)

VERDICTS = SELECTIVITY, CONTRAST


def strongest(of_units: np.ndarray) -> np.ndarray:
    """The largest measure in size of the units on the last axis; NaN if nothing is known.

    A unit that is not there is NaN; a machine of which nothing is known has nothing else.
    """
    is_known = np.isfinite(of_units).any(axis=-1)
    return np.where(is_known, np.nan_to_num(np.abs(of_units)).max(axis=-1), np.nan)


def judged(
    verdict: Verdict, of_units: np.ndarray, curve: np.ndarray, at: np.ndarray, steps: np.ndarray
) -> dict[str, np.ndarray]:
    """The columns of `population.npz` that a verdict is.

    Args:
      verdict: by which measure.
      of_units: `[evaluations, s, units]`, that measure.
      curve: `[evaluations, s]`, the strongest of these.
      at: int `[s]`, the evaluation that each machine is judged at.
      steps: `[evaluations]`.
    """
    machines = np.arange(len(at))
    end = curve[at, machines]
    first = intervals.first_at_least(np.nan_to_num(curve), steps, BROKEN)
    until = np.minimum(first, steps[at])[None]
    is_unknown = (np.isnan(curve) & (steps[:, None] <= until)).any(axis=0)
    return {
        verdict.measure: of_units[at, machines],
        verdict.strongest: end,
        verdict.broken: end >= BROKEN,
        verdict.at: np.where(is_unknown, np.nan, first),
    }


def summarised(
    verdict: Verdict, rows: Mapping[str, np.ndarray], steps: np.ndarray
) -> dict[str, Any] | None:
    """What a verdict says of machines of a setting, as JSON values; `None` if of none it is known.

    Args:
      verdict: by which measure.
      rows: of `population.npz`, of the machines that did not diverge.
      steps: `[evaluations]`.
    """
    known = np.isfinite(rows[verdict.strongest])
    seeds, broken, times = (rows[name][known] for name in ("seed", verdict.broken, verdict.at))
    if not len(seeds):
        return None
    hits, trials = int(broken.sum()), len(broken)
    return {
        "broken": hits,
        "broken_of": trials,
        "broken_share": hits / trials,
        "broken_interval": intervals.wilson(hits, trials),
        "broke_at_step": intervals.time_quantiles(times[~np.isnan(times)]),
        "not_yet_broken": intervals.survival(times[~np.isnan(times)], steps).tolist(),
        "never_broke": seeds[~broken & np.isinf(times)].tolist(),
    }


UNKNOWN = dict.fromkeys(
    (
        *("broken", "broken_of", "broken_share", "broken_interval"),
        *("broke_at_step", "not_yet_broken", "never_broke"),
    )
)
"""`summarised`, where nothing is known."""


def above_null(rows: Mapping[str, np.ndarray], end: str) -> dict[str, Any] | None:
    """How many machines tell classes apart better than they do when labels are shuffled.

    Of machines that know nothing, one in twenty is above its null.

    Args:
      rows: of `population.npz`, of the machines that did not diverge.
      end: of the measures' names, "_exact" or "".

    Returns:
      `above`, how many are; `of`, of how many it is known; `share`; `interval` (95%, Wilson); and
      `null`, the median of their nulls. `None` if nothing is known.
    """
    accuracy, null = (rows.get(f"balanced_accuracy{of}{end}") for of in ("", "_null"))
    if accuracy is None or null is None:
        return None
    known = np.isfinite(accuracy) & np.isfinite(null)
    hits, trials = int((accuracy > null)[known].sum()), int(known.sum())
    if not trials:
        return None
    return {
        "above": hits,
        "of": trials,
        "share": hits / trials,
        "interval": intervals.wilson(hits, trials),
        "null": float(np.median(null[known])),
    }
