import numpy as np
import pytest

from hmjax.study import intervals


def test_wilson_interval_equals_published_values():
    # Newcombe, Statistics in Medicine 17:857-872, 1998, table I, method 3.
    for hits, trials, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        assert intervals.wilson(hits, trials) == pytest.approx((low, high), abs=5e-5)
    assert intervals.wilson(20, 20)[1] == 1.0
    assert intervals.wilson(0, 0) == (0.0, 1.0)


def test_share_difference_equals_published_values():
    # Newcombe, Statistics in Medicine 17:873-890, 1998, table II, method 10: 56/70 - 48/80.
    found = intervals.share_difference((48, 80), (56, 70))
    assert found["difference"] == pytest.approx(0.2)
    assert (found["low"], found["high"]) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    none = intervals.share_difference((0, 10), (0, 10))
    assert none["low"] < 0 < none["high"]


def test_survival_counts_those_that_never_broke_to_the_end():
    steps = np.array([0, 10, 20, 30])
    curve = np.array([[0.0, 0.2, 0.0], [0.3, 0.0, 0.0], [0.0, 0.0, 0.0], [0.4, 0.3, 0.0]])
    times = intervals.first_at_least(curve, steps, 0.1)
    np.testing.assert_array_equal(times, [10, 0, np.inf])
    np.testing.assert_allclose(intervals.survival(times, steps), [2 / 3, 1 / 3, 1 / 3, 1 / 3])
    assert intervals.time_quantiles(times) == {"p25": 0.0, "median": 10.0, "p75": None}
    assert intervals.time_quantiles(np.array([])) == {"p25": None, "median": None, "p75": None}


def test_quantiles_leave_out_what_is_not_finite():
    spread = intervals.quantiles(np.array([1.0, np.nan, 2.0, 3.0, np.inf]))
    assert spread is not None
    assert spread["median"] == 2.0
    assert intervals.quantiles(np.array([np.nan])) is None


def test_a_bootstrap_interval_covers_the_true_difference_as_often_as_it_says():
    # 200 pairs of samples of 40 whose medians differ by 1; of their 95% intervals, at least
    # 0.95 - 4 standard errors must hold it.
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        first, second = rng.normal(size=40), rng.normal(1.0, size=40)
        found = intervals.bootstrap_median_difference(first, second)
        held += found["low"] <= 1.0 <= found["high"]
    assert held / 200 >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 200)
    assert intervals.bootstrap_median_difference(np.array([np.nan]), np.ones(3)) is None
