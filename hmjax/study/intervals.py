"""Honest statistics of a population: shares, quantiles and differences, each with its interval."""

import math

import numpy as np

Interval = tuple[float, float]

_Z = 1.959963984540054  # of a two-sided 95% interval
_RESAMPLES = 2000


def wilson(hits: int, trials: int) -> Interval:
    """The 95% interval of a share of which `hits` of `trials` were seen.

    Source: Wilson, Journal of the American Statistical Association 22:209-212, 1927.
    """
    if trials == 0:
        return 0.0, 1.0
    share, weight = hits / trials, _Z**2 / trials
    middle = (share + weight / 2) / (1 + weight)
    half = _Z * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    # At none or all of the trials the interval ends there, rounding apart.
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    return (0.0 if hits == 0 else low), (1.0 if hits == trials else high)


def quantiles(values: np.ndarray) -> dict[str, float] | None:
    """Median, quartiles and the 5% and 95% quantiles of finite values; `None` if there are none."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return None
    shares = {"p5": 0.05, "p25": 0.25, "median": 0.5, "p75": 0.75, "p95": 0.95}
    return {name: float(np.quantile(finite, share)) for name, share in shares.items()}


def first_at_least(curve: np.ndarray, steps: np.ndarray, threshold: float) -> np.ndarray:
    """The first step at which each curve `[evaluations, s]` reaches a threshold, or infinity."""
    reached = curve >= threshold
    return np.where(reached.any(axis=0), steps[reached.argmax(axis=0)], np.inf)


def survival(times: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The share of seeds whose time lies after each step, `[evaluations]`.

    With every seed observed to the same last step this is the Kaplan-Meier estimate: those that
    remain are censored at the end.
    """
    return (times[None] > steps[:, None]).mean(axis=1) if len(times) else np.ones(len(steps))


def time_quantiles(times: np.ndarray) -> dict[str, float | None]:
    """Median and quartiles of times, `None` where a quantile lies beyond the end."""
    names = {"p25": 0.25, "median": 0.5, "p75": 0.75}
    if not len(times):
        return dict.fromkeys(names)
    # The smallest time by which at least that share of all seeds had it.
    ordered = np.sort(times)
    at = {name: ordered[math.ceil(share * len(times)) - 1] for name, share in names.items()}
    return {name: float(time) if np.isfinite(time) else None for name, time in at.items()}


def share_difference(first: tuple[int, int], second: tuple[int, int]) -> dict[str, float]:
    """How much the share of `second` lies above that of `first`, with a 95% interval.

    Unlike a bootstrap's, the interval is honest where a share is 0 or 1.

    Args:
      first: hits and trials.
      second: likewise.

    Returns:
      `difference`, `low` and `high`.

    Source: Newcombe, Statistics in Medicine 17:873-890, 1998, method 10.
    """
    (p, (low_p, high_p)), (q, (low_q, high_q)) = (
        (hits / max(trials, 1), wilson(hits, trials)) for hits, trials in (first, second)
    )
    return {
        "difference": q - p,
        "low": q - p - math.hypot(q - low_q, high_p - p),
        "high": q - p + math.hypot(high_q - q, p - low_p),
    }


def bootstrap_median_difference(first: np.ndarray, second: np.ndarray) -> dict[str, float] | None:
    """How much the median of `second` lies above that of `first`, with a 95% bootstrap interval.

    Args:
      first: `[m]`, one value a seed; those that are not finite are left out.
      second: `[n]`, likewise.

    Returns:
      `difference`, `low` and `high`; `None` if a side has no values. Resampled with a fixed seed.
    """
    first, second = (values[np.isfinite(values)] for values in (first, second))
    if not len(first) or not len(second):
        return None
    rng = np.random.default_rng(0)
    resampled = [_resampled_medians(rng, values) for values in (first, second)]
    low, high = np.quantile(resampled[1] - resampled[0], (0.025, 0.975))
    difference = np.median(second) - np.median(first)
    return {"difference": float(difference), "low": float(low), "high": float(high)}


def _resampled_medians(rng: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """The median of each of `_RESAMPLES` samples of values with replacement."""
    at_once = max(1, 2**22 // len(values))
    counts = [at_once] * (_RESAMPLES // at_once) + [_RESAMPLES % at_once]
    samples = (rng.choice(values, (count, len(values))) for count in counts)
    return np.concatenate([np.median(sample, axis=1) for sample in samples])
