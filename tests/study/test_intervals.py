import numpy as np
import pytest

from hmjax.study import intervals, verdicts


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
    # Newcombe, Statistics in Medicine 17:2635-2650, 1998, method 10: of 50 pairs 36 both, 12 and 2
    # one alone.
    first = np.repeat([True, False, True, False], [36, 12, 2, 0])
    second = np.repeat([True, True, False, False], [36, 12, 2, 0])
    found = intervals.share_difference(first, second)
    assert found["difference"] == pytest.approx(0.2)
    assert (found["low"], found["high"]) == pytest.approx((0.0569, 0.3404), abs=5e-5)
    none = intervals.share_difference(np.zeros(10, bool), np.zeros(10, bool))
    assert none["low"] < 0 < none["high"]
    assert intervals.share_difference(np.zeros(0, bool), np.zeros(0, bool)) is None


def test_differences_of_pairs_are_known_better_where_seeds_share_their_noise():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=60)
    first, alike = noise, noise + 0.1 * rng.normal(size=60)
    other = rng.normal(size=60)

    def width(found):
        return found["high"] - found["low"]

    medians = [intervals.bootstrap_median_difference(first, each) for each in (alike, other)]
    assert width(medians[0]) < width(medians[1]) / 2
    shares = [intervals.share_difference(first > 0, each > 0) for each in (alike, other)]
    assert width(shares[0]) < 0.8 * width(shares[1])


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
    # 200 pairs of samples of 40, of seeds that share their noise, whose medians differ by 1; of
    # their 95% intervals, at least 0.95 - 4 standard errors must hold it.
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        noise = rng.normal(size=40)
        first, second = noise + rng.normal(size=40), noise + rng.normal(1.0, size=40)
        found = intervals.bootstrap_median_difference(first, second)
        held += found["low"] <= 1.0 <= found["high"]
    assert held / 200 >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 200)
    assert intervals.bootstrap_median_difference(np.full(3, np.nan), np.ones(3)) is None


def test_what_is_not_known_of_a_machine_is_not_told_of_it():
    # Of three machines, each of one unit: broken from 200 on and not known before; broken from 100
    # on; never. Of the fourth nothing is known.
    nan = np.nan
    curve = np.array([[nan, 0.0, 0.0, nan], [nan, 0.2, 0.0, nan], [0.5, 0.3, 0.01, nan]])
    steps, at = np.array([0, 100, 200]), np.full(4, 2)
    of = verdicts.CONTRAST, curve[..., None], curve, at, steps
    rows = {"seed": np.arange(4)} | verdicts.judged(*of)
    np.testing.assert_array_equal(rows["broke_at_step_by_contrast"], [nan, 100, np.inf, nan])
    told = verdicts.summarised(verdicts.CONTRAST, rows, steps)
    assert (told["broken"], told["broken_of"]) == (2, 3)
    assert told["broke_at_step"]["median"] == 100
    assert told["not_yet_broken"] == [1, 0.5, 0.5]
    assert told["never_broke"] == [2]
    unknown = {name: array[3:] for name, array in rows.items()}
    assert verdicts.summarised(verdicts.CONTRAST, unknown, steps) is None
