"""Values and derivatives of the likelihoods, against enumeration in float64."""

import functools
import itertools

import chex
import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import DATA, binary, random_params, slow

import hmjax
from hmjax import exact, machine
from hmjax.exact import sums
from hmjax.importance import importance_sampled
from hmjax.machine import Params

pytestmark = pytest.mark.filterwarnings("error")

SIZES = [(5, 3), (6, 4, 2), (4, 3, 3, 2)]
ONE_OF_THEM = [slow((5, 3)), slow((6, 4, 2)), (4, 3, 3, 2)]
EPSILON = np.finfo(np.float32).eps


def log_bernoulli(x, logit):
    """Each unit's log Bern(x; sigmoid(logit)) in float64, and its derivative by the logit."""
    against, size = np.where(logit > 0, 1 - x, x), np.abs(logit)
    lost = np.multiply(against, size, where=against != 0, out=np.zeros_like(size + against))
    return -(lost + np.log1p(np.exp(-size))), x - np.where(
        logit > 0, 1 / (1 + np.exp(-size)), np.exp(-size) / (1 + np.exp(-size))
    )


def chain(layers, inputs, outputs):
    """Log prob `[n]` of the outputs of each layer given its inputs, and its gradient by layer."""
    log_prob, gradient = 0, []
    for (weight, bias), x, y in zip(layers, inputs, outputs, strict=True):
        value, slope = log_bernoulli(y, x @ np.float64(weight) + np.float64(bias))
        log_prob = log_prob + value.sum(axis=-1)
        gradient.append(machine.Layer(np.einsum("ni,nj->nij", x, slope), slope))
    return log_prob, tuple(gradient)


def joint(params: Params, states) -> tuple[np.ndarray, Params]:
    """Log p(x) of each row and its gradient."""
    layers = (*params.generative, (np.zeros((1, len(params.prior.bias))), params.prior.bias))
    above = [*states[1:], np.zeros((len(states[0]), 1))]
    log_prob, gradient = chain(layers, above, states)
    nothing = jax.tree.map(lambda x: np.zeros((len(states[0]), *x.shape)), params.recognition)
    return log_prob, Params(gradient[:-1], machine.Prior(gradient[-1].bias), nothing)


def marginal(params: Params, images: np.ndarray) -> tuple[np.ndarray, Params]:
    """Log p(v) of each image and its gradient, from every state of all hidden layers."""
    sizes = machine.sizes_of(params)[1:]
    hidden = np.split(np.float64(binary(sum(sizes))), np.cumsum(sizes)[:-1], axis=1)
    log_probs, gradients = [], []
    for image in images:
        log_joint, gradient = joint(
            params, [np.tile(np.float64(image), (len(hidden[0]), 1)), *hidden]
        )
        highest = log_joint.max()
        weight = np.exp(log_joint - highest)
        log_probs.append(highest + np.log(weight.sum()))
        posterior = weight / weight.sum()
        gradients.append(jax.tree.map(lambda x, p=posterior: np.tensordot(p, x, 1), gradient))
    return np.array(log_probs), jax.tree.map(lambda *x: np.stack(x), *gradients)


def machines(sizes, scale, seed, held):
    params = random_params(jax.random.key(seed), sizes, scale)
    if not held:
        return params
    top = jax.random.bernoulli(jax.random.key(seed), 0.5, (sizes[-1],))
    return machine.hold_top(params, top)


any_machine = st.builds(
    machines,
    sizes=st.sampled_from(SIZES),
    scale=st.sampled_from([0.0, 0.1, 1.0, 5.0, 30.0, 500.0, 3000.0]),
    seed=st.integers(0, 2**32 - 1),
    held=st.booleans(),
)


def of_each(log_prob):
    """The value of each row of states, and the gradient of each, compiled."""

    def one(params, states):
        return log_prob(params, jax.tree.map(lambda x: x[None], states))[0]

    return jax.jit(jax.vmap(jax.value_and_grad(one), in_axes=(None, 0)))


exact_of_each = of_each(lambda params, states: hmjax.exact_log_prob(params, states[0]))
joint_of_each = of_each(hmjax.log_joint)
recognition_of_each = of_each(hmjax.log_recognition)


def assert_right(found, expected, params):
    """Asserts values and gradients to float32's rounding of what they are computed from."""
    (values, gradients), (right_values, right_gradients) = found, expected
    finite = jax.tree.map(lambda x: np.where(np.isfinite(x), np.abs(x), 0).sum(), params)
    slack = 8 * EPSILON * max(jax.tree.leaves(finite))  # a sum of weights, rounded
    np.testing.assert_allclose(values, right_values, rtol=1e-5, atol=1e-6 + slack)
    chex.assert_trees_all_equal_shapes(gradients, right_gradients)
    for one, right in zip(*map(jax.tree.leaves, (gradients, right_gradients)), strict=True):
        assert np.isfinite(one).all()
        np.testing.assert_allclose(one, right, rtol=1e-5, atol=1e-5 + slack)


@hypothesis.given(params=any_machine)
def test_exact_log_prob_is_that_of_enumeration(params):
    images = binary(machine.sizes_of(params)[0])
    assert_right(exact_of_each(params, (images,)), marginal(params, images), params)


@hypothesis.given(params=any_machine, seed=st.integers(0, 100))
def test_log_joint_and_log_recognition_are_those_of_float64(params, seed):
    states = machine.generate(jax.random.key(seed), params, 20)
    in_float64 = [np.asarray(x, np.float64) for x in states]
    assert_right(joint_of_each(params, states), joint(params, in_float64), params)
    value, gradient = chain(params.recognition, in_float64[:-1], in_float64[1:])
    nothing = jax.tree.map(lambda x: np.zeros((20, *x.shape)), params)
    expected = value, nothing._replace(recognition=gradient)
    assert_right(recognition_of_each(params, states), expected, params)


@pytest.mark.parametrize("sizes", SIZES)
def test_a_fresh_machine_has_the_derivatives_of_its_delta_rules(sizes):
    # Every bias but the visible one is 0, and so are the logits of states with nothing on above.
    params = machine.init(jax.random.key(1), sizes, p_on=0.3)
    images = binary(sizes[0])
    assert_right(exact_of_each(params, (images,)), marginal(params, images), params)
    off = tuple(jnp.zeros((1, n)) for n in sizes)
    gradient = jax.jit(jax.grad(lambda p: hmjax.log_joint(p, off)[0]))(params)
    np.testing.assert_allclose(gradient.prior.bias, -0.5)
    gradient = jax.jit(jax.grad(lambda p: hmjax.log_recognition(p, off)[0]))(params)
    np.testing.assert_allclose(gradient.recognition[0].bias, -0.5)


@pytest.mark.parametrize("scale", [1.0, 40.0])
def test_a_trained_machine_has_the_derivatives_of_enumeration(scale):
    params = hmjax.load_params(DATA / "shifter_trained.npz")
    params = jax.tree.map(lambda leaf: scale * leaf, params)
    images = jnp.asarray(hmjax.Shifter().support().images[::8])
    weight = jax.random.normal(jax.random.key(0), (len(images),))
    assert len(images) * 2**16 > sums._TABLE  # the sum by products, its fallback if scaled

    def mean(params):
        return weight @ hmjax.exact_log_prob(params, images)

    value, gradient = jax.jit(jax.value_and_grad(mean))(params)
    # The chain of posteriors in float64: p(h | v) of every h, and p(t | h).
    (lower, upper), top = params.generative, np.float64(binary(4))
    hidden = np.float64(binary(16))
    logit = top @ np.float64(upper.weight) + np.float64(upper.bias)
    prior, _ = log_bernoulli(top, np.float64(params.prior.bias))
    log_pairs = prior.sum(axis=1) + hidden @ logit.T - np.logaddexp(0, logit).sum(axis=1)
    log_hidden = np.logaddexp.reduce(log_pairs, axis=1)
    field = hidden @ np.float64(lower.weight) + np.float64(lower.bias)
    log_joint = np.float64(images) @ field.T - np.logaddexp(0, field).sum(axis=1) + log_hidden
    log_prob = np.logaddexp.reduce(log_joint, axis=1)
    posterior = np.exp(log_joint - log_prob[:, None])
    of_hidden = np.float64(weight) @ posterior
    expected = np.einsum("m,mh,mj,hi->ij", weight, posterior, images, hidden, optimize=True)
    predicted = np.exp(-np.logaddexp(0, -field))
    expected -= np.einsum("h,hj,hi->ij", of_hidden, predicted, hidden, optimize=True)
    of_top = of_hidden @ np.exp(log_pairs - log_hidden[:, None])
    slack = 1e-6 * scale
    np.testing.assert_allclose(value, np.float64(weight) @ log_prob, rtol=1e-5)
    np.testing.assert_allclose(gradient.generative[0].weight, expected, rtol=1e-4, atol=slack)
    expected = of_top @ top - of_top.sum() / (1 + np.exp(-np.float64(params.prior.bias)))
    np.testing.assert_allclose(gradient.prior.bias, expected, rtol=1e-4, atol=slack)


@pytest.mark.parametrize("units", [1, 2, 5])
def test_sums_by_products_are_sums_by_the_posterior(units):
    rows = jnp.asarray(binary(4))
    tops = jax.random.uniform(jax.random.key(1), (2**units, 3))

    def both(layer, log_prob):
        above = exact.Marginal(log_prob, tops)
        halves = tuple(map(exact.all_states, (units // 2, units - units // 2)))
        by_products = sums._sum_by_products(layer, above, rows, halves, sums.log_normalisers(layer))
        return by_products, sums._sum_by_posterior(layer, above, rows)

    each = []
    for key in map(jax.random.key, range(3)):
        layer = random_params(key, (4, units), 3.0).generative[0]
        log_prob = jax.nn.log_softmax(jax.random.normal(key, (2**units,)))
        each.append((layer, log_prob))
        (by_products, is_good), by_posterior = jax.jit(both)(layer, log_prob)
        assert is_good
        chex.assert_trees_all_close(by_products, by_posterior, rtol=1e-5)
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
    for batched in (jax.vmap(jax.jit(both)), jax.jit(jax.vmap(both))):
        (by_products, is_good), by_posterior = batched(*together)
        assert is_good.all()
        chex.assert_trees_all_close(by_products, by_posterior, rtol=1e-5)


def test_a_mixed_batch_has_the_derivatives_of_each_machine_alone():
    sizes = SIZES[1]
    images = jnp.asarray(binary(sizes[0]))
    each = [machines(sizes, scale, 7, held) for scale in (0.0, 1.0, 3000.0) for held in (0, 1)]
    together = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)

    def mean(params):
        return hmjax.exact_log_prob(params, images).mean()

    gradient = jax.jit(jax.grad(mean))
    expected = jax.tree.map(lambda *leaves: jnp.stack(leaves), *map(gradient, each))
    for batched in (jax.vmap(gradient), jax.jit(jax.vmap(jax.grad(mean)))):
        found = batched(together)
        chex.assert_tree_all_finite(found)
        chex.assert_trees_all_close(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", ONE_OF_THEM)
def test_every_kind_of_derivative_is_the_same(sizes):
    params = random_params(jax.random.key(2), sizes)
    images = jnp.asarray(binary(sizes[0]))
    direction = random_params(jax.random.key(3), sizes)

    def mean(params):
        return hmjax.exact_log_prob(params, images).mean()

    def by_every_state(params):
        hidden = jnp.split(jnp.asarray(binary(sum(sizes[1:]))), np.cumsum(sizes[1:])[:-1], axis=1)

        def one(image):
            states = jnp.broadcast_to(image[None], (len(hidden[0]), sizes[0])), *hidden
            return jax.nn.logsumexp(hmjax.log_joint(params, states))

        return jax.vmap(one)(images).mean()

    value, slope = jax.jit(functools.partial(jax.jvp, mean))((params,), (direction,))
    gradient = jax.jit(jax.grad(mean))(params)
    along = sum(map(jnp.vdot, *map(jax.tree.leaves, (gradient, direction))))
    assert slope == pytest.approx(float(along), rel=1e-5)
    assert value == pytest.approx(float(by_every_state(params)), rel=1e-5)
    expected = jax.jit(jax.grad(by_every_state))(params)
    chex.assert_trees_all_close(gradient, expected, rtol=1e-4, atol=1e-6)

    def curvature(function):
        return jax.jit(functools.partial(jax.jvp, jax.grad(function)))((params,), (direction,))[1]

    for found in map(curvature, (mean, jax.jit(mean))):
        chex.assert_trees_all_close(found, curvature(by_every_state), rtol=1e-3, atol=1e-5)


def test_derivatives_are_the_same_without_a_compiler():
    params = random_params(jax.random.key(2), (4, 3))
    images = jnp.asarray(binary(4))

    def both(params, images):
        return jax.grad(lambda *args: hmjax.exact_log_prob(*args).mean(), (0, 1))(params, images)

    eager, compiled = both(params, images), jax.jit(both)(params, images)
    chex.assert_trees_all_close(eager, compiled, rtol=1e-5, atol=1e-6)
    # The derivative by an image is what its pixels' logits are expected to be.
    hidden = jnp.asarray(binary(3))
    log_joint = jax.vmap(lambda v: hmjax.log_joint(params, (jnp.tile(v, (8, 1)), hidden)))(images)
    posterior = jax.nn.softmax(log_joint, axis=1)
    expected = posterior @ machine.logits(params.generative[0], hidden) / len(images)
    np.testing.assert_allclose(eager[1], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("sizes", ONE_OF_THEM)
@pytest.mark.slow
def test_what_recognition_makes_of_images_has_derivatives(sizes):
    images = jnp.asarray(binary(sizes[0]))

    def sampled(params):
        return importance_sampled(jax.random.key(0), params, images, 5).estimate.log_prob.mean()

    def bound(params):
        return exact.recognition_bound(params, images).elbo.mean()

    def tops(params):
        return (exact.recognised_tops(params, images)[:, 0] * images[:, 0]).mean()

    def bound_by_every_state(params):
        states = [jnp.asarray(x) for x in np.split(binary(sum(sizes)), np.cumsum(sizes)[:-1], 1)]
        log_q = hmjax.log_recognition(params, states)
        gap = jnp.exp(log_q) * (hmjax.log_joint(params, states) - log_q)
        return gap.sum() / len(images)

    @jax.jit
    def each(params):
        functions = sampled, bound, tops, bound_by_every_state
        return [jax.value_and_grad(function)(params) for function in functions]

    for scale in (0.0, 1.0, 3000.0):
        *found, by_every_state = each(random_params(jax.random.key(4), sizes, scale))
        chex.assert_tree_all_finite(found)
        if scale <= 1:
            chex.assert_trees_all_close(found[1], by_every_state, rtol=1e-3, atol=1e-5)


def test_a_held_top_leaves_nothing_undefined():
    params = random_params(jax.random.key(5), (6, 4, 2))
    held = machine.hold_top(params, jnp.asarray([1.0, 0.0]))
    images = jnp.asarray(binary(6))
    states = machine.generate(jax.random.key(6), held, 50)
    assert np.isfinite(hmjax.log_joint(held, states)).all()
    others = (*states[:-1], 1 - states[-1])
    assert np.isneginf(hmjax.log_joint(held, others)).all()
    # p(v | t) p(t) summed over t is p(v).
    tops = binary(2)
    each = [hmjax.exact_log_prob(machine.hold_top(params, top), images) for top in tops]
    log_prior = machine.log_bernoulli(jnp.asarray(tops), params.prior.bias)
    together = jax.nn.logsumexp(jnp.stack(each) + log_prior[:, None], axis=0)
    np.testing.assert_allclose(together, hmjax.exact_log_prob(params, images), rtol=1e-5)
    # q allows tops that p does not; where it does not either, the bound is finite.
    assert np.isneginf(exact.recognition_bound(held, images).elbo).all()
    sure = held._replace(
        recognition=(
            held.recognition[0],
            machine.Layer(jnp.zeros((4, 2)), jnp.asarray([2e3, -2e3])),
        )
    )
    bound = exact.recognition_bound(sure, images).elbo
    for size in (60, 70, 75, 80, 85):  # q still allows a top that p does not, however seldom
        bias = jnp.asarray([size, -size], jnp.float32)
        nearly = sure._replace(
            recognition=(sure.recognition[0], sure.recognition[1]._replace(bias=bias))
        )
        assert np.isneginf(exact.recognition_bound(nearly, images).elbo).all(), size
    assert (bound <= hmjax.exact_log_prob(held, images)).all()
    assert np.isfinite(bound).all()


@pytest.mark.parametrize("dtype", [np.uint8, bool, np.int32, np.float64])
def test_states_and_images_may_be_of_any_dtype(dtype):
    params = random_params(jax.random.key(7), (5, 3))
    states = machine.generate(jax.random.key(8), params, 4)
    others = tuple(np.asarray(x).astype(dtype) for x in states)
    for log_prob in (
        lambda p, states: hmjax.log_joint(p, states),
        lambda p, states: hmjax.log_recognition(p, states),
        lambda p, states: hmjax.exact_log_prob(p, states[0]),
        lambda p, states: exact.recognition_bound(p, states[0]).elbo,
    ):
        both = jax.value_and_grad(lambda p, x, of=log_prob: of(p, x).sum())
        chex.assert_trees_all_equal(both(params, others), both(params, states))


@pytest.mark.slow
def test_machines_in_float64_have_the_likelihoods_of_float32():
    images = np.ones((200, 20), np.float32)  # with 14 hidden units, more than fit in a table
    params = random_params(jax.random.key(9), (20, 14, 3))
    plain = hmjax.exact_log_prob(params, images)
    with jax.enable_x64(True):
        double = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
        chex.assert_trees_all_equal(hmjax.exact_log_prob(double, images), plain)
        gradient = jax.grad(lambda p: hmjax.exact_log_prob(p, images).sum())(double)
    chex.assert_tree_all_finite(gradient)


@pytest.mark.parametrize("sizes", SIZES)
def test_no_images_are_no_values(sizes):
    params = random_params(jax.random.key(0), sizes)
    nothing = np.zeros((0, sizes[0]))
    assert hmjax.exact_log_prob(params, nothing).shape == (0,)
    assert exact.recognition_bound(params, nothing).mean_top.shape == (0, sizes[-1])
    gradient = jax.jit(jax.grad(lambda p: hmjax.exact_log_prob(p, nothing).sum()))(params)
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient))


def test_the_derivative_of_a_unit_is_the_delta_rule():
    slope = jax.jit(jax.grad(lambda z, x: machine.log_bernoulli(x[None, None], z[None, None])[0]))
    for z, x in itertools.product((0.0, 1e-3, -3000.0), (0.0, 1.0)):
        expected = x if z < -100 else x - 1 / (1 + np.exp(-z))
        assert slope(z, jnp.float32(x)) == pytest.approx(expected)
