import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import DATA, evaluate, random_params

import hmjax
from hmjax import exact, machine, measures

KEY = jax.random.key(0)


def test_recovery_is_perfect_with_the_right_signs_and_chance_without_a_signal():
    mean_top = jnp.asarray([[0.9, 0.1, 0.5], [0.8, 0.2, 0.5], [0.1, 0.9, 0.5], [0.2, 0.7, 0.5]])
    named = jnp.asarray([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    weight = jnp.full(4, 0.25)
    assert float(measures.class_recovery(mean_top, weight, named)) == 1
    flat = jnp.full((4, 3), 0.5)
    assert float(measures.class_recovery(flat, weight, named)) == 0.5


def test_recovery_needs_the_best_sign_vector_not_the_plain_sum():
    # The units' sum is constant; their difference tells the classes apart.
    mean_top = jnp.asarray([[0.9, 0.1], [0.1, 0.9]])
    named = jnp.eye(2)
    assert float(measures.class_recovery(mean_top, jnp.full(2, 0.5), named)) == 1


def test_an_ambiguous_image_counts_one_half_and_images_count_by_weight():
    mean_top = jnp.asarray([[0.9], [0.1], [0.95]])
    named = jnp.asarray([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    recovery = measures.class_recovery(mean_top, jnp.asarray([0.5, 0.3, 0.2]), named)
    assert float(recovery) == pytest.approx(0.9)


def test_of_several_classes_the_one_whose_mean_top_is_nearest_is_named():
    # Centres at 0.15, 0.85 (both classes of weight 0.4) and at the second unit; 0.2 goes astray.
    mean_top = jnp.asarray([[0.0, 0.0], [0.3, 0.0], [1.0, 0.0], [0.6, 0.0], [0.0, 1.0], [0.2, 0.0]])
    named = jnp.eye(3)[jnp.asarray([0, 0, 1, 1, 2, 1])]
    weight = jnp.asarray([0.2, 0.2, 0.3, 0.05, 0.2, 0.05])
    assert float(measures.class_recovery(mean_top, weight, named)) == pytest.approx(0.95)
    # A class without images is never named; an ambiguous image counts its share.
    named = jnp.asarray([[1, 0, 0], [1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 1, 0], [1, 0, 0]])
    even = jnp.full(6, 1 / 6)
    recovery = measures.class_recovery(mean_top[jnp.asarray([0, 0, 2, 2, 2, 0])], even, named)
    assert float(recovery) == pytest.approx(5.5 / 6)


def test_four_shifts_are_recovered_by_a_machine_that_reads_them_off():
    task = hmjax.Shifter(width=4, copies=1, shifts=(0, 1, 2, 3))
    support = task.support()
    recovery = measures.class_recovery(
        jnp.asarray(support.class_given_image, jnp.float32),
        jnp.asarray(support.probabilities, jnp.float32),
        jnp.asarray(support.class_given_image, jnp.float32),
    )
    assert float(recovery) == pytest.approx(task.best_accuracy, abs=1e-5)


def test_measures_without_meaning_are_nan():
    assert np.isnan(measures.class_recovery(jnp.ones((2, 13)), jnp.ones(2), jnp.ones((2, 2))))
    task = hmjax.Shifter(width=4, shifts=(-1, 0, 1))
    params = random_params(KEY, (16, 4, 2))
    measured = evaluate(KEY, KEY, params, 5, task=task, evaluation=hmjax.Evaluation())
    assert np.isnan(measured["selectivity_exact"]).all()
    assert np.isfinite(measured["exact_nll_bits"])


def test_measures_of_machines_too_large_to_enumerate_are_sampled_only():
    task = hmjax.Shifter(width=4)
    evaluation = hmjax.Evaluation(held_out=8, fantasies=16)
    small, large = (
        evaluate(KEY, KEY, machine.init(KEY, (16, hidden, 2)), 5, task=task, evaluation=evaluation)
        for hidden in (4, 30)
    )
    assert {k: v.shape for k, v in small.items()} == {k: v.shape for k, v in large.items()}
    assert np.isnan(large["exact_nll_bits"])
    assert np.isfinite(large["is_nll_bits"])
    assert np.isfinite(large["selectivity"]).all()


@pytest.mark.parametrize("name", ["shifter_trained", "bars_small"])
def test_sampled_shares_agree_with_the_exact_ones(name):
    params = hmjax.load_params(DATA / f"{name}.npz")
    task = hmjax.Bars() if "bars" in name else hmjax.Shifter()
    n = 20_000
    evaluation = hmjax.Evaluation(held_out=2, fantasies=n)
    measured = evaluate(KEY, KEY, params, 1, task=task, evaluation=evaluation)
    for sampled, enumerated in (
        ("fantasies", "fantasies_exact"),
        ("shown_given_top", "shown_given_top_exact"),
    ):
        p = np.asarray(measured[enumerated], np.float64)
        np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-4)
        bound = 5 * np.sqrt(p * (1 - p) / n) + 1e-6
        assert (np.abs(measured[sampled] - p) < bound).all()
    # P(right | only unit k on) - P(right | all off), by the independent reference where it says.
    gap = np.abs(np.asarray(measured["selectivity"]) - measured["selectivity_exact"])
    assert (gap < 5 * np.sqrt(2 * 0.25 / n)).all()
    reference = np.load(DATA / f"{name}.npz")
    if "p_right_given_top" in reference:
        right = reference["p_right_given_top"]
        np.testing.assert_allclose(measured["selectivity_exact"], right[:-1] - right[-1], atol=1e-5)


def recovery_by_hand(mean_top, support) -> float:
    """The share of images that the best of all sign vectors names correctly, in float64."""
    p, right = support.probabilities, support.class_given_image[:, 1]
    centred = np.asarray(mean_top, np.float64)
    centred = centred - p @ centred
    named = [
        p @ np.where(centred @ np.array(signs) > 0, right, 1 - right)
        for signs in itertools.product((-1, 1), repeat=centred.shape[1])
    ]
    return max(named)


def test_recovery_is_that_of_the_best_signs_for_the_posterior_and_for_the_recognition_net():
    params = hmjax.load_params(DATA / "shifter_trained.npz")
    measured = evaluate(KEY, KEY, params, 50, task=hmjax.Shifter(), evaluation=hmjax.Evaluation())
    support = hmjax.Shifter().support()
    posterior = exact.generative_posterior(params, support.images).mean_top
    expected = recovery_by_hand(posterior, support)
    assert measured["direction_recovery_posterior"] == pytest.approx(expected, abs=1e-5)
    reference = np.load(DATA / "shifter_trained.npz")
    mean_top = reference["mean_top"][np.lexsort(reference["images"].T[::-1])]
    expected = recovery_by_hand(mean_top, support)
    assert measured["direction_recovery_exact"] == pytest.approx(expected, abs=1e-5)
    assert expected > 0.55
    # The sampled recovery, over n images, is within 5 standard errors of the exact one, plus what
    # the best of 8 sign vectors gains on a sample.
    gap = measured["direction_recovery"] - measured["direction_recovery_exact"]
    assert abs(gap) < 5 * 0.5 / np.sqrt(256)
    assert measured["elbo_bits"] <= -measured["exact_nll_bits"]


def test_fields_are_what_one_unit_changes_and_looks_at():
    params = random_params(KEY, (6, 4, 2))
    fields = measures.generative_fields(params)
    for unit in range(4):
        on = jax.nn.sigmoid(machine.logits(params.generative[0], jnp.eye(4)[unit][None]))
        off = jax.nn.sigmoid(machine.logits(params.generative[0], jnp.zeros((1, 4))))
        np.testing.assert_allclose(fields[unit], (on - off)[0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        measures.recognition_fields(params), params.recognition[0].weight.T
    )
