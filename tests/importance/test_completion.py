"""Completion against the exact conditionals of enumeration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import binary, random_params

import hmjax
from hmjax.errors import InvalidInput


@pytest.mark.parametrize("sizes", [(6, 4, 2), (5, 3)])
def test_what_is_drawn_has_the_exact_conditional_distribution(sizes):
    # Of many draws of one image, every completion comes as often as it should within 4 standard
    # errors, with a little for the choice among a finite number of runs.
    params = random_params(jax.random.key(0), sizes, 2.0)
    known = np.arange(sizes[0]) % 2 == 0
    image = np.where(known, [1, 1, 0, 1, 0, 0][: sizes[0]], 0)
    every = binary(sizes[0])
    every = every[(every[:, known] == image[known]).all(axis=1)]
    p = np.exp(np.float64(hmjax.exact_log_prob(params, every)))
    p /= p.sum()
    n = 20_000
    drawn = hmjax.complete(
        jax.random.key(1), params, np.tile(image, (n, 1)), known, runs=16, temperatures=10
    )
    assert drawn.dtype == jnp.float32
    counts = [(np.asarray(drawn) == each).all(axis=1).mean() for each in every]
    assert sum(counts) == pytest.approx(1)
    np.testing.assert_array_less(np.abs(counts - p), 4 * np.sqrt(p * (1 - p) / n) + 2e-3)
    assert np.abs(counts - p).max() < np.abs(1 / len(p) - p).max() / 4  # and not as if unknown


def test_what_is_known_stays_and_what_stands_elsewhere_does_not_matter():
    params = random_params(jax.random.key(0), (6, 3))
    images = np.random.default_rng(0).integers(0, 2, (700, 6))
    known = np.random.default_rng(1).random((700, 6)) < 0.5
    draw = [
        hmjax.complete(jax.random.key(1), params, of, known, runs=2, temperatures=3)
        for of in (images, np.where(known, images, np.nan))
    ]
    np.testing.assert_array_equal(*draw)
    np.testing.assert_array_equal(np.asarray(draw[0])[known], images[known])
    np.testing.assert_array_equal(np.unique(draw[0]), [0, 1])
    whole = hmjax.complete(jax.random.key(1), params, images, np.ones(6, bool), runs=1)
    np.testing.assert_array_equal(whole, images)


@pytest.mark.parametrize(
    ("images", "known", "numbers", "said"),
    [
        (np.zeros((2, 5)), np.ones(6), {}, r"images are of shape \[2, 5\]: must be \[n, 6\]"),
        (np.zeros(6), np.ones(6), {}, r"images are of shape \[6\]"),
        (np.zeros((2, 6)), np.ones(5), {}, r"known is of shape \[5\]: must be \[2, 6\] or \[6\]"),
        (np.zeros((2, 6)), np.ones(6), {"runs": 0}, "runs is 0"),
    ],
)
def test_what_does_not_fit_is_refused(images, known, numbers, said):
    params = random_params(jax.random.key(0), (6, 3))
    with pytest.raises(InvalidInput, match=said):
        hmjax.complete(jax.random.key(0), params, images, known, **numbers)
