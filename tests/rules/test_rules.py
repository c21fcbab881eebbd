import dataclasses
import typing

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import every_state, random_params, slow

import hmjax
from benchmarks import baselines
from hmjax import (
    Bars,
    ExactEM,
    InvalidInput,
    JointStochastic,
    Reweighted,
    ScoreFunction,
    Shifter,
    WakeSleep,
    exact,
    machine,
)
from hmjax.rules import AnyRule, Batch, exact_em, reweighted, wake_sleep
from hmjax.runtime.cipher import uniforms
from hmjax.training import single

SIZES = [(5, 3), (6, 4, 2), (32, 16, 4), (4, 3, 3, 2)]
RULES = [
    WakeSleep(),
    WakeSleep(batch=8),
    WakeSleep(optimiser="momentum", recognition_rate=0.02),
    WakeSleep(optimiser="adam", learning_rate=0.003, batch=4),
    WakeSleep(decay_at=3, decay_factor=0.5),
    WakeSleep(decay_at=0, decay_over=10, layer_rates=(1.0, 0.5, 0.1), non_negative=True),
    Reweighted(samples=3),
    Reweighted(samples=4, recognition="wake", batch=2),
    Reweighted(samples=2, recognition="sleep", optimiser="adam"),
    JointStochastic(samples=2, memory=True, hold=4),
    JointStochastic(batch=5, sweeps=2, memory=True, recognition="both", optimiser="adam"),
    JointStochastic(sweeps=0, samples=3, recognition="sleep"),
    ScoreFunction(samples=3, learning_rate=0.02, batch=2),
    ExactEM(),
    ExactEM(batch=3, optimiser="momentum"),
]
# Of which another shows the same, with another optimiser.
ALIKE = [RULES[1], RULES[3], RULES[8], RULES[9], RULES[14]]


def test_every_rule_can_be_chosen_and_is_tested():
    named = set(hmjax.rules.RULES.values())
    assert named == set(typing.get_args(AnyRule)) == set(map(type, RULES))


@pytest.mark.parametrize("batch", [slow(1), 7])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_delta_rules_are_the_gradients_of_the_log_probabilities(sizes, batch):
    params = random_params(jax.random.key(0), sizes)
    states = machine.generate(jax.random.key(1), params, batch)
    by_autodiff = jax.jit(jax.grad(lambda p: -machine.log_joint(p, states).mean()))(params)
    layers, prior = jax.jit(wake_sleep.wake_gradient)(params, states)
    chex.assert_trees_all_close(layers, by_autodiff.generative, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(prior, by_autodiff.prior, rtol=1e-5, atol=1e-6)
    by_autodiff = jax.jit(jax.grad(lambda p: -machine.log_recognition(p, states).mean()))(params)
    layers = jax.jit(wake_sleep.sleep_gradient)(params, states)
    chex.assert_trees_all_close(layers, by_autodiff.recognition, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sizes", SIZES)
def test_the_weighted_delta_rules_are_the_gradients_of_the_weighted_log_probabilities(sizes):
    params = random_params(jax.random.key(0), sizes)
    states = machine.generate(jax.random.key(1), params, 6)
    weights = jax.random.dirichlet(jax.random.key(2), jnp.ones(6))

    def wake(params):
        return -weights @ machine.log_joint(params, states)

    def sleep(params):
        return -weights @ machine.log_recognition(params, states)

    layers, prior = jax.jit(wake_sleep.wake_gradient)(params, states, weights)
    by_autodiff = jax.jit(jax.grad(wake))(params)
    chex.assert_trees_all_close(layers, by_autodiff.generative, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(prior, by_autodiff.prior, rtol=1e-5, atol=1e-6)
    layers = jax.jit(wake_sleep.sleep_gradient)(params, states, weights)
    by_autodiff = jax.jit(jax.grad(sleep))(params)
    chex.assert_trees_all_close(layers, by_autodiff.recognition, rtol=1e-5, atol=1e-6)


def test_one_sample_and_sleep_is_wake_sleep_to_the_bit():
    experiment = hmjax.Experiment("same", steps=2_000, evaluation=hmjax.Evaluation(every=1_000))
    reweighted = Reweighted(samples=1, recognition="sleep")
    other = dataclasses.replace(experiment, rule=reweighted)
    chex.assert_trees_all_equal(hmjax.train(experiment).params, hmjax.train(other).params)


def test_importance_weights_are_those_of_the_definition():
    params = random_params(jax.random.key(0), (6, 4, 2))
    images = jax.random.bernoulli(jax.random.key(1), 0.4, (2, 6)).astype(jnp.float32)
    states = machine.recognise(jax.random.key(2), params, jnp.concatenate([images] * 5))
    weights = reweighted.normalised_weights(params, states, 5).reshape(5, 2)
    ratio = np.exp(machine.log_joint(params, states) - machine.log_recognition(params, states))
    ratio = ratio.reshape(5, 2)
    np.testing.assert_allclose(weights, ratio / ratio.sum(axis=0) / 2, rtol=1e-4)


@pytest.mark.parametrize("sizes", [slow((5, 3)), (6, 4, 2), slow((4, 3, 3, 2))])
def test_exact_em_descends_the_exact_objectives(sizes):
    params = random_params(jax.random.key(0), sizes)
    images = jax.random.bernoulli(jax.random.key(1), 0.4, (3, sizes[0])).astype(jnp.float32)
    (layers, prior), recognition = jax.jit(exact_em.expected_gradients)(params, images)
    by_autodiff = jax.jit(jax.grad(lambda p: -exact.exact_log_prob(p, images).mean()))(params)
    chex.assert_trees_all_close(layers, by_autodiff.generative, rtol=1e-4, atol=1e-5)
    chex.assert_trees_all_close(prior, by_autodiff.prior, rtol=1e-4, atol=1e-5)

    # The posterior over every joint state, one image at a time, by brute force.
    states = every_state(sizes)

    def cross_entropy(params, image):
        log_joint = machine.log_joint(params, states)
        this = (states[0] == image[None]).all(axis=1)
        posterior = jax.nn.softmax(jnp.where(this, jax.lax.stop_gradient(log_joint), -jnp.inf))
        return -posterior @ machine.log_recognition(params, states)

    by_autodiff = jax.jit(
        jax.grad(lambda p: jax.vmap(lambda v: cross_entropy(p, v))(images).mean())
    )(params)
    chex.assert_trees_all_close(recognition, by_autodiff.recognition, rtol=1e-4, atol=1e-5)


def test_many_samples_approach_exact_em():
    # Each estimate is a ratio, biased by the order of 1/K, which is small beside its spread.
    sizes, samples, repeats = (6, 4, 2), 2_000, 200
    params = random_params(jax.random.key(0), sizes)
    image = jax.random.bernoulli(jax.random.key(1), 0.4, (1, 6)).astype(jnp.float32)

    def gradients(key):
        states = machine.recognise(key, params, jnp.repeat(image, samples, axis=0))
        weights = reweighted.normalised_weights(params, states, samples)
        return (
            wake_sleep.wake_gradient(params, states, weights),
            wake_sleep.sleep_gradient(params, states, weights),
        )

    keys = jax.random.split(jax.random.key(2), repeats)
    drawn = jax.jit(lambda keys: jax.lax.map(gradients, keys))(keys)
    expected = jax.jit(exact_em.expected_gradients)(params, image)
    for each, mean in zip(jax.tree.leaves(drawn), jax.tree.leaves(expected), strict=True):
        error = jnp.std(each, axis=0, ddof=1) / np.sqrt(repeats) + 1e-6
        assert (jnp.abs(jnp.mean(each, axis=0) - mean) / error).max() < 5  # standard errors


def test_the_score_function_gradient_is_on_average_that_of_the_bound():
    sizes, repeats = (4, 3, 2), 20_000
    params = random_params(jax.random.key(0), sizes, 0.7)
    image = jnp.asarray([[1.0, 0.0, 1.0, 1.0]])
    states = every_state(sizes)
    this = np.flatnonzero((np.asarray(states[0]) == np.asarray(image)).all(axis=1))
    states = tuple(x[this] for x in states)

    def bound(params):
        log_q = machine.log_recognition(params, states)
        return -jnp.exp(log_q) @ (machine.log_joint(params, states) - log_q)

    expected = jax.grad(bound)(params)
    rule = ScoreFunction(samples=3, learning_rate=1.0).build(sizes)

    def moved(noise):
        after = rule.step(rule.init(params), Batch(image), noise).params
        return jax.tree.map(lambda old, new: old - new, params, after)

    noise = uniforms(jax.random.key(1), (repeats, 1, rule.draws))
    drawn = jax.jit(lambda noise: jax.lax.map(moved, noise, batch_size=1000))(noise)
    for each, mean in zip(jax.tree.leaves(drawn), jax.tree.leaves(expected), strict=True):
        error = jnp.std(each, axis=0, ddof=1) / np.sqrt(repeats) + 1e-6
        assert (jnp.abs(jnp.mean(each, axis=0) - mean) / error).max() < 5  # standard errors


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("sizes", SIZES)
def test_a_step_is_that_of_the_numpy_implementation(sizes, batch):
    params = random_params(jax.random.key(2), sizes)
    rule = WakeSleep(batch=batch).build(sizes)
    images = jax.random.bernoulli(jax.random.key(3), 0.4, (batch, sizes[0])).astype(jnp.float32)
    noise = uniforms(jax.random.key(4), (batch, rule.draws))
    state = jax.jit(rule.step)(rule.init(params), Batch(images), noise)
    expected = jax.tree.map(lambda leaf: np.array(leaf, np.float64), params)
    awake, asleep = jnp.split(noise, [sum(sizes[1:])], axis=1)
    of_layers = machine.by_layer(awake, sizes[1:]), machine.by_layer(asleep, sizes)
    baselines.numpy_step(expected, *jax.tree.map(np.asarray, (images, *of_layers)), rate=0.1)
    chex.assert_trees_all_close(
        state.params, jax.tree.map(np.float32, expected), rtol=1e-5, atol=1e-5
    )


def test_sleep_dreams_with_the_weights_that_wake_has_made():
    # A generative net that wake pushes from surely-off to surely-on: only then does sleep see ones.
    sizes = (3, 2)
    params = jax.tree.map(jnp.zeros_like, machine.init(jax.random.key(0), sizes))
    rule = WakeSleep(learning_rate=1000.0).build(sizes)
    noise = jnp.full((1, rule.draws), 0.5)
    after = rule.step(rule.init(params), Batch(jnp.ones((1, 3))), noise).params
    assert (np.asarray(after.generative[0].bias) > 100).all()
    assert (np.asarray(after.recognition[0].weight) != 0).any()


@pytest.mark.parametrize("task", [Shifter(width=4), slow(Bars(3))], ids=str)
@pytest.mark.parametrize("rule", [slow(rule) if rule in ALIKE else rule for rule in RULES], ids=str)
def test_every_rule_keeps_its_contract(rule, task):
    rows, columns = task.image_shape
    sizes = (rows * columns, 5, 3)
    functions = rule.build(sizes, images=task.images)
    first = jax.jit(functions.init)(machine.init(jax.random.key(0), sizes))
    images, _ = jax.jit(task.sample, static_argnums=1)(jax.random.key(1), rule.batch)
    batch = Batch(images, jnp.arange(rule.batch) % 3)
    noise = uniforms(jax.random.key(2), (rule.batch, functions.draws))
    after = jax.jit(functions.step)(first, batch, noise)
    chex.assert_trees_all_equal_structs(after, first)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, first)
    chex.assert_tree_all_finite(after.params)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), after.params, first.params)
    assert any(jax.tree.leaves(moved.generative))
    assert any(jax.tree.leaves(moved.recognition))


def test_recognition_has_its_own_rate():
    sizes = (6, 4, 2)
    params = random_params(jax.random.key(5), sizes)
    noise = uniforms(jax.random.key(6), (1, WakeSleep().build(sizes).draws))

    def after(settings):
        rule = settings.build(sizes)
        return jax.jit(rule.step)(rule.init(params), Batch(jnp.ones((1, 6))), noise).params

    plain, slower = after(WakeSleep()), after(WakeSleep(recognition_rate=0.05))
    chex.assert_trees_all_equal(plain.generative, slower.generative)
    halved = jax.tree.map(lambda a, b: a + (b - a) / 2, params.recognition, plain.recognition)
    chex.assert_trees_all_close(slower.recognition, halved, rtol=1e-5, atol=1e-6)


def visible_rates(rule: WakeSleep, steps: int) -> list[float]:
    """The rate at which a step moves the visible bias, step by step."""
    sizes = (6, 4, 2)
    functions = rule.build(sizes)
    state = functions.init(machine.init(jax.random.key(0), sizes, weight_scale=0.0))
    noise = jnp.full((1, functions.draws), 1.0)
    rates, step = [], jax.jit(functions.step)
    for _ in range(steps):
        # Nothing fires: with images on, the visible bias moves by rate * sigmoid(-bias).
        bias = state.params.generative[0].bias
        state = step(state, Batch(jnp.ones((1, 6))), noise)
        move = (state.params.generative[0].bias - bias) * (1 + jnp.exp(bias))
        rates.append(float(move[0]))
    return rates


def test_the_schedule_drops_the_rate_from_its_step_on():
    rule = WakeSleep(decay_at=2, decay_factor=0.1)
    np.testing.assert_allclose(visible_rates(rule, 4), [0.1, 0.1, 0.01, 0.01], rtol=1e-4)


def test_the_rate_falls_in_a_straight_line():
    rule = WakeSleep(decay_at=1, decay_over=4, decay_factor=0.2)
    expected = [0.1, 0.1, 0.08, 0.06, 0.04, 0.02, 0.02]
    np.testing.assert_allclose(visible_rates(rule, 7), expected, rtol=1e-4)


def test_each_layer_has_its_factor():
    sizes = (6, 4, 2)
    params = random_params(jax.random.key(5), sizes)
    images = jnp.ones((1, 6))

    def moved(rule):
        functions = rule.build(sizes)
        noise = uniforms(jax.random.key(6), (1, functions.draws))
        after = jax.jit(functions.step)(functions.init(params), Batch(images), noise)
        return jax.tree.map(jnp.subtract, after.params, params)

    # So slow that sleep dreams the same dreams.
    plain = moved(WakeSleep(learning_rate=1e-3))
    scaled = moved(WakeSleep(learning_rate=1e-3, layer_rates=(1.0, 0.5, 0.25)))
    half, quarter = (lambda leaf, f=f: f * leaf for f in (0.5, 0.25))
    expected = machine.Params(
        (plain.generative[0], jax.tree.map(half, plain.generative[1])),
        jax.tree.map(quarter, plain.prior),
        (plain.recognition[0], jax.tree.map(half, plain.recognition[1])),
    )
    chex.assert_trees_all_close(scaled, expected, rtol=1e-2, atol=1e-6)


def test_visible_weights_stay_non_negative():
    experiment = hmjax.Experiment(
        "held",
        task=Shifter(width=4),
        machine=hmjax.Machine((5,), 2, visible_bias=-3.0),
        rule=WakeSleep(non_negative=True),
        steps=500,
    )
    free = dataclasses.replace(experiment, rule=WakeSleep())
    assert hmjax.train(free).params.generative[0].weight.min() < 0
    first, second = hmjax.train(experiment).params.generative
    assert first.weight.min() >= 0
    assert first.weight.max() > 0.5
    assert second.weight.min() < 0
    assert single.init_state(experiment).learner.params.generative[0].bias[0] == -3


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"recognition_rate": -1.0},
        {"batch": 0},
        {"optimiser": "magic"},
        {"decay_at": -1},
        {"decay_at": 2**31},
        {"decay_over": 2**31},
        {"decay_over": -1},
        {"decay_factor": 0.0},
        {"samples": 0},
        {"recognition": "dreams"},
    ],
)
def test_impossible_settings_are_refused(settings):
    (field,) = settings
    with pytest.raises(InvalidInput, match=f"^rule.{field.replace('_', '-')} is .*: must be "):
        Reweighted(**settings)


def test_what_does_not_fit_the_layers_is_refused():
    with pytest.raises(InvalidInput, match=r"^rule.layer-rates is .*: must be 3 factors"):
        hmjax.Experiment("odd", rule=WakeSleep(layer_rates=(1.0, 0.5)))
    with pytest.raises(InvalidInput, match=r"^rule is .exact-em.: must be another"):
        hmjax.Experiment("large", machine=hmjax.Machine((40,), 2), rule=ExactEM())
    with pytest.raises(InvalidInput, match=r"^rule.decay-over is 5: needs rule.decay-at"):
        WakeSleep(decay_over=5)
