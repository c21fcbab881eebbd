import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import as_index, assert_frequencies, every_state, random_params, sigmoid

from hmjax import InvalidInput, machine

SIZES = [(5, 3), (6, 4, 2), (4, 3, 3, 2)]


@pytest.mark.parametrize("sizes", SIZES)
def test_init_has_the_shapes_dtypes_and_biases_of_the_design(sizes):
    params = machine.init(jax.random.key(0), sizes, p_on=0.3)
    assert machine.sizes_of(params) == sizes
    chex.assert_tree_all_finite(params)
    for level, (low, high) in enumerate(itertools.pairwise(sizes)):
        chex.assert_shape(params.generative[level].weight, (high, low))
        chex.assert_shape(params.recognition[level].weight, (low, high))
        chex.assert_shape(params.generative[level].bias, (low,))
        chex.assert_shape(params.recognition[level].bias, (high,))
        chex.assert_trees_all_equal(params.recognition[level].bias, jnp.zeros(high))
    chex.assert_type(jax.tree.leaves(params), jnp.float32)
    np.testing.assert_allclose(sigmoid(np.asarray(params.generative[0].bias)), 0.3, rtol=1e-6)
    chex.assert_trees_all_equal(params.prior.bias, jnp.zeros(sizes[-1]))


def test_an_untrained_machine_has_the_same_bits_whoever_draws_it():
    def drawn(weight_scale):
        return machine.init(jax.random.key(3), (8, 24, 1), weight_scale=weight_scale)

    alone = drawn(0.3)
    chex.assert_trees_all_equal(jax.jit(lambda: drawn(0.3))(), alone)
    chex.assert_trees_all_equal(jax.jit(drawn)(0.3), alone)
    population = jax.vmap(drawn)(jnp.array([0.1, 0.3], jnp.float32))
    chex.assert_trees_all_equal(jax.tree.map(lambda leaf: leaf[1], population), alone)


def test_initial_weights_have_the_scale_asked_for():
    params = machine.init(jax.random.key(0), (200, 100, 10), weight_scale=0.1)
    weight = np.asarray(params.generative[0].weight)
    # The standard error of a standard deviation over n draws is sd / sqrt(2 n).
    assert abs(weight.std() - 0.1) < 4 * 0.1 / np.sqrt(2 * weight.size)
    assert abs(weight.mean()) < 4 * 0.1 / np.sqrt(weight.size)


@pytest.mark.parametrize("sizes", SIZES)
def test_samples_are_binary_float32_of_every_layer(sizes):
    params = random_params(jax.random.key(0), sizes)
    images = np.ones((7, sizes[0]), np.uint8)
    for states in (
        machine.recognise(jax.random.key(1), params, images),
        machine.generate(jax.random.key(1), params, 7),
    ):
        assert [x.shape for x in states] == [(7, n) for n in sizes]
        chex.assert_type(states, jnp.float32)
        assert all(np.isin(x, (0, 1)).all() for x in states)


@pytest.mark.parametrize("sizes", SIZES)
def test_log_probabilities_sum_to_one(sizes):
    params = random_params(jax.random.key(2), sizes)
    states = every_state(sizes)
    assert float(jnp.exp(machine.log_joint(params, states)).sum()) == pytest.approx(1, rel=1e-5)
    q = np.exp(machine.log_recognition(params, states)).reshape(2 ** sizes[0], -1)
    np.testing.assert_allclose(q.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("sizes", SIZES)
def test_generate_has_the_frequencies_of_log_joint(sizes):
    params = random_params(jax.random.key(3), sizes)
    states = machine.generate(jax.random.key(4), params, 100_000)
    p = np.exp(np.asarray(machine.log_joint(params, every_state(sizes)), np.float64))
    assert_frequencies(as_index(states), p / p.sum(), sigmas=5)


@pytest.mark.parametrize("sizes", SIZES)
def test_recognise_has_the_frequencies_of_log_recognition(sizes):
    params = random_params(jax.random.key(5), sizes)
    image = jnp.asarray([[1.0, 0.0] * sizes[0]])[:, : sizes[0]]
    states = machine.recognise(jax.random.key(6), params, jnp.repeat(image, 100_000, axis=0))
    everything = every_state(sizes)
    q = np.exp(np.asarray(machine.log_recognition(params, everything), np.float64))
    q = np.where((np.asarray(everything[0]) == np.asarray(image)).all(axis=1), q, 0)
    assert_frequencies(as_index(states), q / q.sum(), sigmas=5)


def test_one_row_and_many_rows_have_the_same_logits():
    params = random_params(jax.random.key(7), (32, 16, 4))
    x = jax.random.bernoulli(jax.random.key(8), 0.4, (9, 32)).astype(jnp.float32)
    many = machine.logits(params.recognition[0], x)
    single = jnp.concatenate([machine.logits(params.recognition[0], row[None]) for row in x])
    chex.assert_trees_all_close(many, single, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "p_on"), [((3,), 0.5), ((3, 0), 0.5), ((3, 2), 0.0), ((3, 2), float("nan"))]
)
def test_impossible_machines_are_refused(sizes, p_on):
    with pytest.raises(InvalidInput, match=r" is .*: must be "):
        machine.init(jax.random.key(0), sizes, p_on=p_on)


def test_hold_top_makes_every_fantasy_have_that_top():
    params = random_params(jax.random.key(9), (6, 4, 3))
    top = jnp.asarray([1.0, 0.0, 1.0])
    states = machine.generate(jax.random.key(10), machine.hold_top(params, top), 50)
    chex.assert_trees_all_equal(states[-1], jnp.tile(top, (50, 1)))
