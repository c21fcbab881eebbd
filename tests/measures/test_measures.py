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


def test_balanced_accuracy_counts_classes_alike_and_is_the_recovery_where_they_are():
    # "Always the second": right for two thirds of the images, and for one of the two classes.
    named = jnp.eye(2)[jnp.asarray([0, 1, 1])]
    third, flat = jnp.full(3, 1 / 3), jnp.full((3, 1), 0.5)
    assert float(measures.class_recovery(flat, third, named)) == pytest.approx(2 / 3)
    assert float(measures.balanced_accuracy(flat, third, named)) == pytest.approx(1 / 2)
    # One of the second class goes astray.
    mean_top = jnp.asarray([[0.0], [0.1], [0.9]])
    assert float(measures.balanced_accuracy(mean_top, third, named)) == pytest.approx(3 / 4)
    for task in (hmjax.Shifter(width=5), hmjax.Shifter(width=4, copies=1, shifts=(0, 1, 2, 3))):
        support = task.support()
        of = support.probabilities.astype(np.float32), support.class_given_image.astype(np.float32)
        states = jax.random.uniform(KEY, (len(support.images), 3))
        both = measures.class_recovery(states, *of), measures.balanced_accuracy(states, *of)
        assert float(both[0]) == pytest.approx(float(both[1]), abs=1e-5)


@pytest.mark.parametrize("task", [hmjax.Bars(), hmjax.Shifter(width=4, shifts=(0, 1, 2, 3))])
def test_no_observer_does_better_than_the_best_and_one_that_is_told_does_as_well(task):
    support = task.support()
    probabilities, given = support.probabilities, support.class_given_image
    shares = probabilities @ given
    np.testing.assert_allclose(task.class_shares, shares, atol=1e-12)
    balanced = probabilities[:, None] * given / shares / len(shares)
    told = np.eye(len(shares))[balanced.argmax(axis=1)]  # the class to name, on its own unit
    units = told[:, 1:] if len(shares) == 2 else told
    units, *of = (jnp.asarray(each, jnp.float32) for each in (units, probabilities, given))
    best = task.best_balanced_accuracy
    assert float(measures.balanced_accuracy(units, *of)) == pytest.approx(best, abs=1e-5)
    others = (jax.random.uniform(KEY, (200, *units.shape)) < 0.5).astype(jnp.float32)
    found = jax.vmap(lambda units: measures.balanced_accuracy(units, *of))(others)
    assert 0.5 < found.max() < best
    if isinstance(task, hmjax.Bars):  # an empty or a full image may be of either class
        assert best == pytest.approx(1 - (0.8**4 + 0.2**4) / 2)


def test_95_in_100_codes_of_noise_stay_below_what_shuffled_labels_give():
    # 1,000 machines whose top says nothing of 60 images of two unequal classes: each is above the
    # null with probability 0.05, within 4 standard errors and the grain of 100 shuffles.
    named = jnp.eye(2)[(jnp.arange(60) < 40).astype(int)]
    weight = jnp.full(60, 1 / 60)
    states = jax.random.uniform(KEY, (1000, 60, 3))
    found, null = (
        np.asarray(jax.vmap(lambda each, of=of: of(each, weight, named))(states))
        for of in (measures.balanced_accuracy, measures.shuffled_accuracy)
    )
    assert abs((found > null).mean() - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 1000) + 0.01
    assert (null > 0.55).all()  # the best of four sign vectors gains on noise
    told = jnp.concatenate([named[:, :1], states[0, :, :2]], axis=1)
    of = told, weight, named
    assert measures.balanced_accuracy(*of) > measures.shuffled_accuracy(*of) + 0.1


def test_the_contrast_of_a_mirror_image_is_minus_that_of_the_machine():
    params = hmjax.load_params(DATA / "shifter_trained.npz")
    weight, bias = params.generative[0]

    def flipped(leaf):
        return leaf.reshape(*leaf.shape[:-1], 4, 8)[..., ::-1].reshape(leaf.shape)

    generative = (machine.Layer(flipped(weight), flipped(bias)), *params.generative[1:])
    mirrored = params._replace(generative=generative)
    task, evaluation = hmjax.Shifter(), hmjax.Evaluation(held_out=2, fantasies=20_000)
    one, other = (
        evaluate(KEY, KEY, each, 1, task=task, evaluation=evaluation) for each in (params, mirrored)
    )
    np.testing.assert_allclose(
        one["direction_contrast_exact"], -other["direction_contrast_exact"], atol=1e-6
    )
    moved = np.abs(one["selectivity_exact"]).max(), np.abs(other["selectivity_exact"]).max()
    assert abs(moved[0] - moved[1]) > 0.02  # which the published measure is not
    reference = np.load(DATA / "shifter_trained.npz")
    leans = (reference["p_right_given_top"] - reference["p_left_given_top"]) / 2
    np.testing.assert_allclose(one["direction_contrast_exact"], leans[:-1] - leans[-1], atol=1e-5)
    gap = one["direction_contrast"] - one["direction_contrast_exact"]
    assert (np.abs(gap) < 5 * np.sqrt(2 * 0.25 / 20_000)).all()


def test_measures_without_meaning_are_nan():
    assert np.isnan(measures.class_recovery(jnp.ones((2, 13)), jnp.ones(2), jnp.ones((2, 2))))
    task = hmjax.Shifter(width=4, shifts=(-1, 0, 1))
    params = random_params(KEY, (16, 4, 2))
    measured = evaluate(KEY, KEY, params, 5, task=task, evaluation=hmjax.Evaluation())
    assert np.isnan(measured["selectivity_exact"]).all()
    assert np.isnan(measured["direction_contrast"]).all()
    one_class = jnp.full((3, 2), 0.5), jnp.full(3, 1 / 3), jnp.ones((3, 1))
    assert np.isnan(measures.balanced_accuracy(*one_class))
    assert np.isfinite(measured["exact_nll_bits"])


@pytest.mark.slow
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
