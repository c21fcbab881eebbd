"""Honest statistics of a population: shares, quantiles and differences, each with its interval.

Settings of a study share seeds, and so noise: differences between them are of pairs.
"""

import math

import numpy as np
from scipy import stats

Interval = tuple[float, float]

_RESAMPLES = 2000


def wilson(hits: int, trials: int) -> Interval:
    """The 95% interval of a share of which `hits` of `trials` were seen.

    Source: Wilson, Journal of the American Statistical Association 22:209-212, 1927.
    """
    if trials == 0:
        return 0.0, 1.0
    low, high = stats.binomtest(hits, trials).proportion_ci(method="wilson")
    return float(low), float(high)


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
    """The share of seeds whose time lies after each step, `[evaluations]`, by Kaplan and Meier.

    Infinite times are censored at the last step.
    """
    if not len(times):
        return np.ones(len(steps))
    censored = np.isinf(times)
    observed = stats.CensoredData.right_censored(np.minimum(times, steps[-1]), censored)
    return stats.ecdf(observed).sf.evaluate(steps)


def time_quantiles(times: np.ndarray) -> dict[str, float | None]:
    """Median and quartiles of times, `None` where a quantile lies beyond the end.

    Each is the smallest time by which at least that share of all seeds had it.
    """
    names = {"p25": 0.25, "median": 0.5, "p75": 0.75}
    if not len(times):
        return dict.fromkeys(names)
    found = np.quantile(times, list(names.values()), method="inverted_cdf")
    return {
        name: float(time) if np.isfinite(time) else None
        for name, time in zip(names, found, strict=True)
    }


def share_difference(first: np.ndarray, second: np.ndarray) -> dict[str, float] | None:
    """How much the share of `second` lies above that of `first`, with a 95% interval for pairs.

    Unlike a bootstrap's, the interval is honest where a share is 0 or 1.

    Args:
      first: bool `[n]`, whether it was seen of each.
      second: the same of the same n, which need not be independent of those.

    Returns:
      `difference`, `low` and `high`; `None` if there are no pairs.

    Source: Newcombe, Statistics in Medicine 17:2635-2650, 1998, method 10.
    """
    n = len(first)
    if not n:
        return None
    hits = int(first.sum()), int(second.sum())
    (p, (low_p, high_p)), (q, (low_q, high_q)) = ((k / n, wilson(k, n)) for k in hits)
    both, neither = int((first & second).sum()), int((~first & ~second).sum())
    only = hits[0] - both, hits[1] - both
    product = math.prod((hits[0], n - hits[0], hits[1], n - hits[1]))
    agreement: float = both * neither - only[0] * only[1]
    agreement = max(agreement - n / 2, 0) if agreement > 0 else agreement
    phi = agreement / math.sqrt(product) if product else 0.0

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(0.0, one**2 - 2 * phi * one * other + other**2))

    return {
        "difference": q - p,
        "low": q - p - reach(q - low_q, high_p - p),
        "high": q - p + reach(high_q - q, p - low_p),
    }


def bootstrap_median_difference(first: np.ndarray, second: np.ndarray) -> dict[str, float] | None:
    """How much the median of `second` lies above that of `first`, with a 95% bootstrap interval.

    Args:
      first: `[n]`, one value a seed.
      second: `[n]`, of the same seeds; a pair of which one is not finite is left out.

    Returns:
      `difference`, `low` and `high`; `None` if there are not two pairs. Resampled with a fixed
      seed, pair by pair.
    """
    known = np.isfinite(first) & np.isfinite(second)
    first, second = first[known], second[known]
    if len(first) < 2:
        return None

    def difference(first: np.ndarray, second: np.ndarray, axis: int) -> np.ndarray:
        return np.median(second, axis=axis) - np.median(first, axis=axis)

    found = stats.bootstrap(
        (first, second),
        difference,
        paired=True,
        vectorized=True,
        n_resamples=_RESAMPLES,
        batch=max(1, 2**22 // len(first)),
        method="percentile",
        rng=np.random.default_rng(0),
    )
    low, high = found.confidence_interval
    middle = difference(first, second, 0)
    return {"difference": float(middle), "low": float(low), "high": float(high)}
