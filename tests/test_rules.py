import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_params

from hmjax import Bars, InvalidInput, Shifter, WakeSleep, baselines, machine
from hmjax.rules import wake_sleep

SIZES = [(5, 3), (6, 4, 2), (32, 16, 4), (4, 3, 3, 2)]
RULES = [
    WakeSleep(),
    WakeSleep(batch=8),
    WakeSleep(optimiser="momentum", recognition_rate=0.02),
    WakeSleep(optimiser="adam", learning_rate=0.003, batch=4),
    WakeSleep(decay_at=3, decay_factor=0.5),
]


@pytest.mark.parametrize("batch", [1, 7])
@pytest.mark.parametrize("sizes", SIZES)
def test_the_delta_rules_are_the_gradients_of_the_log_probabilities(sizes, batch):
    params = random_params(jax.random.key(0), sizes)
    states = machine.generate(jax.random.key(1), params, batch)
    by_autodiff = jax.grad(lambda p: -machine.log_joint(p, states).mean())(params)
    layers, prior = wake_sleep.wake_gradient(params, states)
    chex.assert_trees_all_close(layers, by_autodiff.generative, rtol=1e-5, atol=1e-6)
    chex.assert_trees_all_close(prior, by_autodiff.prior, rtol=1e-5, atol=1e-6)
    by_autodiff = jax.grad(lambda p: -machine.log_recognition(p, states).mean())(params)
    layers = wake_sleep.sleep_gradient(params, states)
    chex.assert_trees_all_close(layers, by_autodiff.recognition, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("batch", [1, 5])
@pytest.mark.parametrize("sizes", SIZES)
def test_a_step_is_that_of_the_numpy_implementation(sizes, batch):
    params = random_params(jax.random.key(2), sizes)
    rule = WakeSleep(batch=batch).build(sizes)
    images = jax.random.bernoulli(jax.random.key(3), 0.4, (batch, sizes[0])).astype(jnp.float32)
    noise = rule.draw(jax.random.key(4))
    state = rule.step(rule.init(params), images, noise)
    expected = jax.tree.map(lambda leaf: np.array(leaf, np.float64), params)
    baselines.numpy_step(expected, *jax.tree.map(np.asarray, (images, *noise)), rate=0.1)
    chex.assert_trees_all_close(
        state.params, jax.tree.map(np.float32, expected), rtol=1e-5, atol=1e-5
    )


def test_sleep_dreams_with_the_weights_that_wake_has_made():
    # A generative net that wake pushes from surely-off to surely-on: only then does sleep see ones.
    sizes = (3, 2)
    params = jax.tree.map(jnp.zeros_like, machine.init(jax.random.key(0), sizes))
    rule = WakeSleep(learning_rate=1000.0).build(sizes)
    noise = jax.tree.map(jnp.zeros_like, rule.draw(jax.random.key(1)))
    after = rule.step(rule.init(params), jnp.ones((1, 3)), noise).params
    assert (np.asarray(after.generative[0].bias) > 100).all()
    assert (np.asarray(after.recognition[0].weight) != 0).any()


@pytest.mark.parametrize("task", [Shifter(width=4), Bars(3)], ids=str)
@pytest.mark.parametrize("rule", RULES, ids=str)
def test_every_rule_keeps_its_contract(rule, task):
    rows, columns = task.image_shape
    sizes = (rows * columns, 5, 3)
    functions = rule.build(sizes)
    first = functions.init(machine.init(jax.random.key(0), sizes))
    images, _ = task.sample(jax.random.key(1), rule.batch)
    noise = functions.draw(jax.random.key(2))
    chex.assert_trees_all_equal(noise, functions.draw(jax.random.key(2)))
    after = functions.step(first, images, noise)
    chex.assert_trees_all_equal_structs(after, first)
    chex.assert_trees_all_equal_shapes_and_dtypes(after, first)
    chex.assert_tree_all_finite(after.params)
    moved = jax.tree.map(lambda a, b: bool((a != b).any()), after.params, first.params)
    assert any(jax.tree.leaves(moved.generative))
    assert any(jax.tree.leaves(moved.recognition))


def test_recognition_has_its_own_rate():
    sizes = (6, 4, 2)
    params = random_params(jax.random.key(5), sizes)
    noise = WakeSleep().build(sizes).draw(jax.random.key(6))

    def after(settings):
        rule = settings.build(sizes)
        return rule.step(rule.init(params), jnp.ones((1, 6)), noise).params

    plain, slower = after(WakeSleep()), after(WakeSleep(recognition_rate=0.05))
    chex.assert_trees_all_equal(plain.generative, slower.generative)
    halved = jax.tree.map(lambda a, b: a + (b - a) / 2, params.recognition, plain.recognition)
    chex.assert_trees_all_close(slower.recognition, halved, rtol=1e-5, atol=1e-6)


def test_the_schedule_drops_the_rate_from_its_step_on():
    sizes = (6, 4, 2)
    rule = WakeSleep(decay_at=2, decay_factor=0.1).build(sizes)
    state = rule.init(machine.init(jax.random.key(0), sizes, weight_scale=0.0))
    noise = jax.tree.map(lambda x: x * 0 + 100.0, rule.draw(jax.random.key(1)))  # nothing fires
    moves = []
    for _ in range(4):
        # With hidden units off and images on, the visible bias moves by rate * sigmoid(-bias).
        bias = state.params.generative[0].bias
        state = rule.step(state, jnp.ones((1, 6)), noise)
        move = (state.params.generative[0].bias - bias) * (1 + jnp.exp(bias))
        moves.append(float(move[0]))
    np.testing.assert_allclose(moves, [0.1, 0.1, 0.01, 0.01], rtol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"learning_rate": float("inf")},
        {"recognition_rate": -1.0},
        {"batch": 0},
        {"optimiser": "magic"},
        {"decay_at": 0},
        {"decay_factor": 0.0},
    ],
)
def test_impossible_settings_are_refused(settings):
    (field,) = settings
    with pytest.raises(InvalidInput, match=f"^rule.{field.replace('_', '-')} is .*: must be "):
        WakeSleep(**settings)
