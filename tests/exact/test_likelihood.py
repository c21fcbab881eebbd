import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import REFERENCE, evaluate, every_state, random_params, slow

import hmjax
from hmjax import exact, machine
from hmjax.exact import sums
from hmjax.importance import importance_sampled

RELATIVE = 3e-5  # what float32 has to hold against the float64 references
DEPTHS = [(5, 3), (6, 4, 2), (4, 3, 3, 2), (3, 4, 2, 2, 2)]


SHOWN = "bars_large", "shifter_trained"  # of which the others show the same


@pytest.mark.parametrize(
    "path",
    [path if path.stem in SHOWN else slow(path) for path in REFERENCE],
    ids=lambda path: path.stem,
)
def test_the_independent_reference_is_reproduced(path):
    reference = np.load(path)
    params = hmjax.load_params(path)
    images = reference["images"]
    np.testing.assert_allclose(
        hmjax.exact_log_prob(params, images), reference["log_prob_nats"], rtol=RELATIVE
    )
    bound = exact.recognition_bound(params, images)
    np.testing.assert_allclose(bound.elbo, reference["elbo_nats"], rtol=RELATIVE)
    np.testing.assert_allclose(bound.mean_top, reference["mean_top"], rtol=RELATIVE)
    tops = exact.recognised_tops(params, images)
    mean_top = tops @ exact.all_states(params.prior.bias.size)
    np.testing.assert_allclose(mean_top, reference["mean_top"], rtol=RELATIVE)

    task = hmjax.Bars() if "bars" in path.stem else hmjax.Shifter()
    if path.stem == "shifter_large":
        task = hmjax.Shifter(p_on=0.2)
    support = task.support()
    assert task.entropy_bits == pytest.approx(float(reference["entropy_bits"]), rel=RELATIVE)
    order = np.lexsort(images.T[::-1])
    np.testing.assert_array_equal(support.images, images[order])
    np.testing.assert_array_equal(support.label, reference["label"][order])
    np.testing.assert_allclose(support.probabilities, reference["probabilities"][order], rtol=1e-9)

    key = jax.random.key(0)
    settings = hmjax.Evaluation(held_out=2, fantasies=1)
    measured = evaluate(key, key, params, 1, task=task, evaluation=settings)
    for name in ("nll", "kl"):
        found = measured["exact_nll_bits" if name == "nll" else "kl_bits"]
        assert float(found) == pytest.approx(float(reference[f"{name}_bits"]), rel=RELATIVE)
    if "p_right_given_top" in reference:
        shown = np.asarray(measured["shown_given_top_exact"])
        np.testing.assert_allclose(
            shown[:, 1], reference["p_right_given_top"], rtol=RELATIVE, atol=1e-9
        )
        np.testing.assert_allclose(
            shown[:, 0], reference["p_left_given_top"], rtol=RELATIVE, atol=1e-9
        )


@pytest.mark.parametrize("sizes", [DEPTHS[0], slow(DEPTHS[1]), DEPTHS[2], slow(DEPTHS[3])])
def test_exact_values_equal_brute_force_at_any_depth(sizes):
    params = random_params(jax.random.key(0), sizes, scale=2.0)
    states = every_state(sizes)
    images = np.asarray(states[0]).reshape(2 ** sizes[0], -1, sizes[0])[:, 0]
    by_image = (len(images), -1)
    log_p = np.asarray(machine.log_joint(params, states), np.float64).reshape(by_image)
    log_q = np.asarray(machine.log_recognition(params, states), np.float64).reshape(by_image)
    top = np.asarray(states[-1], np.float64).reshape(*by_image, sizes[-1])
    p, q = np.exp(log_p), np.exp(log_q)

    posterior = exact.generative_posterior(params, images)
    np.testing.assert_allclose(posterior.log_prob, np.log(p.sum(axis=1)), rtol=1e-4, atol=1e-5)
    expected = np.einsum("vs,vsk->vk", p / p.sum(axis=1, keepdims=True), top)
    np.testing.assert_allclose(posterior.mean_top, expected, rtol=1e-4, atol=1e-6)

    bound = exact.recognition_bound(params, images)
    np.testing.assert_allclose(bound.elbo, (q * (log_p - log_q)).sum(axis=1), rtol=1e-4)
    np.testing.assert_allclose(bound.mean_top, np.einsum("vs,vsk->vk", q, top), rtol=1e-4)
    is_state = (top[:, :, None] == exact.all_states(sizes[-1])[None, None]).all(axis=-1)
    tops = np.einsum("vs,vst->vt", q, is_state)
    np.testing.assert_allclose(exact.recognised_tops(params, images), tops, rtol=1e-4)


def test_sums_that_underflow_in_float64_are_taken_in_log_space():
    # What the images ask of the hidden units, the normaliser refuses by thousands of nats.
    params = random_params(jax.random.key(5), (6, 10, 2), scale=400.0)
    images = exact.all_states(6)
    layer, log_prior = params.generative[0], jnp.zeros(2**10)
    above = exact.Marginal(log_prior, jnp.ones((2**10, 1)))
    half = exact.all_states(5)
    given = layer, above, images, (half, half), sums.log_normalisers(layer)
    by_products, is_good = sums._sum_by_products(*given)
    by_posterior = sums._sum_by_posterior(layer, above, images)
    assert not is_good
    assert not np.allclose(by_products.log_prob, by_posterior.log_prob, rtol=1e-4)

    log_joint = machine.log_joint(params, states := every_state((6, 10, 2)))
    log_joint = np.asarray(log_joint, np.float64).reshape(64, -1)
    highest = log_joint.max(axis=1, keepdims=True)
    expected = highest[:, 0] + np.log(np.exp(log_joint - highest).sum(axis=1))
    images = np.asarray(states[0]).reshape(64, -1, 6)[:, 0]
    # In float32, terms of thousands of nats leave a thousandth uncertain.
    np.testing.assert_allclose(hmjax.exact_log_prob(params, images), expected, rtol=1e-4, atol=1e-3)


def test_expectation_is_the_sum_over_all_states():
    logit = 2 * jax.random.normal(jax.random.key(0), (3, 5))
    table = jax.random.normal(jax.random.key(1), (2, 32))
    states = exact.all_states(5)
    probability = jnp.exp(jax.vmap(lambda z: machine.log_bernoulli(states, z))(logit))
    np.testing.assert_allclose(
        exact.expectation(table, logit.T), table @ probability.T, rtol=1e-4, atol=1e-6
    )


def test_importance_sampling_is_exact_when_recognition_is_the_posterior():
    # With no weights, layers are independent: the prior itself is the posterior.
    params = machine.init(jax.random.key(0), (6, 4, 2), weight_scale=0.0)
    images = jnp.asarray(np.eye(6, dtype=np.float32))
    estimate = importance_sampled(jax.random.key(1), params, images, 3).estimate
    log_prob = hmjax.exact_log_prob(params, images)
    np.testing.assert_allclose(estimate.log_prob, log_prob, rtol=1e-5)
    np.testing.assert_allclose(estimate.effective, 3, rtol=1e-4)
    np.testing.assert_allclose(estimate.error, 0, atol=1e-2)


def test_importance_sampling_lies_between_the_elbo_and_the_exact_value():
    params = random_params(jax.random.key(2), (6, 4, 2))
    images = jnp.tile(jnp.asarray([[1.0, 0, 1, 1, 0, 0]]), (4000, 1))
    log_prob = float(hmjax.exact_log_prob(params, images[:1])[0])
    bound = exact.recognition_bound(params, images[:1])
    estimates = {
        m: np.asarray(importance_sampled(jax.random.key(3), params, images, m).estimate.log_prob)
        for m in (1, 10)
    }
    error = {m: e.std() / np.sqrt(len(e)) for m, e in estimates.items()}
    # One sample has the ELBO as its expectation; more close in on log p(v) from below.
    assert abs(estimates[1].mean() - float(bound.elbo[0])) < 4 * error[1]
    assert estimates[10].mean() > estimates[1].mean() + 4 * error[1]
    assert estimates[10].mean() < log_prob + 4 * error[10]
    top = importance_sampled(jax.random.key(4), params, images[:1], 20_000).mean_top[0]
    mean = np.asarray(bound.mean_top[0])
    assert (np.abs(top - mean) < 5 * np.sqrt(mean * (1 - mean) / 20_000)).all()


def test_images_that_do_not_fit_are_refused():
    params = machine.init(jax.random.key(0), (4, 3))
    with pytest.raises(ValueError, match=r"images have shape \(2, 5\), must be \[n, 4\]"):
        hmjax.exact_log_prob(params, np.zeros((2, 5)))


def test_layers_too_large_to_enumerate_are_refused():
    params = machine.init(jax.random.key(0), (4, 30, 2))
    with pytest.raises(ValueError, match="too many to enumerate"):
        hmjax.exact_log_prob(params, np.zeros((1, 4)))
