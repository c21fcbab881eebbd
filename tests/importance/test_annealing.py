"""Annealed importance sampling against exact values."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import DATA, evaluate, random_params, slow

import hmjax
from hmjax.importance import annealed
from hmjax.importance.estimate import of_weights


def test_an_estimate_is_that_of_its_weights():
    weights = np.array([[1.0, 1, 1, 1], [3, 1, 0, 0]])
    log_prob, error, effective = of_weights(jnp.log(jnp.asarray(weights, jnp.float32)))
    np.testing.assert_allclose(log_prob, np.log(weights.mean(axis=1)), atol=1e-6)
    np.testing.assert_allclose(effective, [4, 16 / 10], rtol=1e-5)
    deviation = weights.std(axis=1, ddof=1) / np.sqrt(4) / weights.mean(axis=1)
    np.testing.assert_allclose(error, deviation, atol=1e-3)
    assert np.isnan(of_weights(jnp.zeros((1, 1))).error).all()


def test_no_runs_and_no_temperatures_are_refused():
    params = random_params(jax.random.key(0), (4, 2))
    for changes in ({"runs": 0}, {"temperatures": 0}):
        with pytest.raises(ValueError, match="both must be at least 1"):
            annealed(jax.random.key(0), params, jnp.ones((1, 4)), **changes)


@pytest.mark.parametrize(
    ("sizes", "by_recognition"),
    [
        *(slow((6, 3), False), ((6, 4, 2), False), slow((5, 3, 2, 2), False)),
        *(slow((6, 3), True), slow((6, 4, 2), True), ((5, 3, 2, 2), True)),
    ],
)
def test_the_weights_have_p_as_their_mean_and_the_weighted_states_the_posterior(
    sizes, by_recognition
):
    # Of many runs of one image: within 4 of their own standard errors.
    params = random_params(jax.random.key(0), sizes, 2.0)
    image = jax.random.bernoulli(jax.random.key(1), 0.5, (1, sizes[0])).astype(jnp.float32)
    posterior = hmjax.exact.generative_posterior(params, image)
    for temperatures in (1, 5):
        samples = annealed(
            *(jax.random.key(2), params, image),
            runs=20_000,
            temperatures=temperatures,
            by_recognition=by_recognition,
        )
        found = samples.estimate
        ratio = np.exp(float(found.log_prob[0] - posterior.log_prob[0]))
        assert abs(ratio - 1) < 4 * float(found.error[0])
        assert 1 <= float(found.effective[0]) <= 20_000
        deviation = 0.5 / np.sqrt(float(found.effective[0]))  # at most
        np.testing.assert_allclose(samples.mean_top, posterior.mean_top, atol=4 * deviation)


@pytest.mark.slow
def test_more_temperatures_are_worth_more_runs():
    params = hmjax.load_params(DATA / "shifter_trained.npz")
    images = hmjax.Shifter().sample(jax.random.key(0), 24)[0]
    exact = hmjax.exact_log_prob(params, images)

    def found(by_recognition, temperatures):
        of = functools.partial(annealed, runs=8, temperatures=temperatures)
        samples = of(jax.random.key(1), params, images, by_recognition=by_recognition)
        above = float(jnp.mean(exact - samples.estimate.log_prob)) / np.log(2)
        return above, float(samples.estimate.effective.mean())

    by_prior, by_q = ([found(by, t) for t in (5, 60)] for by in (False, True))
    assert by_prior[1][1] > 1.3 * by_prior[0][1]
    assert -0.1 < by_prior[1][0] < by_prior[0][0]  # both read high, more temperatures less so
    assert by_q[1][1] > by_q[0][1] > 1.3 * by_prior[0][1]  # as q knows where to begin
    assert abs(by_q[1][0]) < 0.05


@pytest.mark.slow
def test_final_measures_of_large_machines_are_annealed_and_say_how_well():
    task = hmjax.Shifter(width=4)
    evaluation = hmjax.Evaluation(held_out=64, fantasies=16, annealed_runs=8, temperatures=20)
    key = jax.random.key(0)
    large = random_params(key, (16, 30, 2), 0.3)
    measured = jax.jit(hmjax.measures.evaluate, static_argnames=("task", "evaluation", "final"))(
        key, key, large, 5, task=task, evaluation=evaluation, final=True
    )
    nll, error = measured["annealed_nll_bits"], measured["annealed_error_bits"]
    assert 0 < error < 1
    assert 1 <= measured["annealed_effective_runs"] <= 8
    assert 1 <= measured["is_effective_samples"] <= 5
    # Of the same machine the sampled estimate differs by the luck of the images and their number.
    assert abs(nll - measured["is_nll_bits"]) < 4
    assert "annealed_nll_bits" not in evaluate(key, key, large, 5, task=task, evaluation=evaluation)
    # Had of a machine that can be enumerated, it is near the exact value.
    small = random_params(key, (16, 4, 2), 1.0)
    support = task.support()
    exact = -support.probabilities @ np.asarray(hmjax.exact_log_prob(small, support.images))
    images = task.sample(key, 400)[0]
    found = annealed(key, small, images, runs=8, temperatures=20).estimate
    above = np.asarray(task.log_prob(images) - found.log_prob) / np.log(2)
    standard_error = above.std(ddof=1) / np.sqrt(len(above))
    expected = exact / np.log(2) - task.entropy_bits
    assert abs(above.mean() - expected) < 4 * standard_error + 0.1
