"""Gibbs sweeps against enumeration."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import as_index, assert_frequencies, every_state, random_params, slow

from hmjax import gibbs, machine

SIZES = [(5, 3), (6, 4, 2), (3, 3, 2, 2)]


def joint(params, sizes, power=1.0):
    """The tempered joint of every state, p(x_1, ...) p(x_0 | x_1)^power, not normalised."""
    states = every_state(sizes)
    evidence = machine.log_bernoulli(states[0], machine.logits(params.generative[0], states[1]))
    return np.exp(np.asarray(machine.log_joint(params, states) + (power - 1) * evidence, float))


def noise_of(key, sizes, n):
    return machine.draw_noise(key, sizes[1:], n)


@pytest.mark.parametrize("power", [1.0, slow(0.3)])
@pytest.mark.parametrize("sizes", SIZES)
def test_each_conditional_is_that_of_enumeration(sizes, power):
    # The first unit of each layer is drawn given what the sweep left below and found above it.
    params = random_params(jax.random.key(0), sizes, 1.5)
    grid = 2_000
    states = machine.generate(jax.random.key(1), params, 1)
    repeated = jax.tree.map(lambda x: jnp.repeat(x, grid, axis=0), states)
    noise = jax.tree.map(
        lambda x: jnp.repeat(x, grid, axis=0), noise_of(jax.random.key(2), sizes, 1)
    )
    probability = joint(params, sizes, power)
    for level in range(1, len(sizes)):
        uniform = (jnp.arange(grid) + 0.5) / grid
        of_layers = list(noise)
        of_layers[level - 1] = noise[level - 1].at[:, 0].set(uniform)
        after = jax.jit(gibbs.sweep)(tuple(of_layers), params, repeated, power)
        share = float(after[level][:, 0].mean())
        given = [x[:1] for x in (*after[:level], *repeated[level:])]
        on, off = (
            probability[
                as_index([x.at[0, 0].set(v) if i == level else x for i, x in enumerate(given)])[0]
            ]
            for v in (1.0, 0.0)
        )
        assert share == pytest.approx(on / (on + off), abs=1 / grid)


@pytest.mark.parametrize(
    ("sizes", "power"),
    [
        *(slow(SIZES[0], None), (SIZES[1], None), slow(SIZES[2], None)),
        *(slow(SIZES[0], 0.4), slow(SIZES[1], 0.4), (SIZES[2], 0.4)),
    ],
)
def test_a_sweep_leaves_what_it_samples_as_it_is(sizes, power):
    # The posterior, or with a power a distribution between q and that.
    params = random_params(jax.random.key(3), sizes, 1.0)
    image = np.asarray(jax.random.bernoulli(jax.random.key(4), 0.5, (sizes[0],)), np.float32)
    states = every_state(sizes)
    is_image = (np.asarray(states[0]) == image).all(axis=1)
    posterior = joint(params, sizes) * is_image
    swept = gibbs.sweep
    if power is not None:
        log_recognition = np.asarray(machine.log_recognition(params, states), float)
        posterior = posterior**power * np.exp((1 - power) * log_recognition)
        swept = functools.partial(gibbs.bridging_sweep, power=power)
    posterior /= posterior.sum()
    n = 40_000
    drawn = np.random.default_rng(0).choice(len(posterior), n, p=posterior)
    begin = tuple(x[drawn] for x in states)
    after = jax.jit(swept)(noise_of(jax.random.key(5), sizes, n), params, begin)
    np.testing.assert_array_equal(after[0], begin[0])
    assert_frequencies(as_index(after), posterior, sigmas=5)
    # And it moves.
    assert any((new != old).any() for new, old in zip(after[1:], begin[1:], strict=True))


def test_machines_side_by_side_sweep_as_they_do_alone():
    sizes = (7, 5, 3)
    keys = jax.random.split(jax.random.key(6), 3)
    each = [random_params(key, sizes, 2.0) for key in keys]
    states = [machine.generate(key, params, 4) for key, params in zip(keys, each, strict=True)]
    noise = [noise_of(key, sizes, 4) for key in keys]
    stack = functools.partial(jax.tree.map, lambda *leaves: jnp.stack(leaves, axis=-1))
    together = jax.jit(gibbs.sweep)(stack(*noise), stack(*each), stack(*states))
    for i in range(3):
        alone = jax.jit(gibbs.sweep)(noise[i], each[i], states[i])
        for ours, theirs in zip(together, alone, strict=True):
            np.testing.assert_array_equal(ours[..., i], theirs)


def test_weights_of_any_size_give_finite_odds():
    sizes = (6, 4, 2)
    params = random_params(jax.random.key(7), sizes, 300.0)
    states = machine.generate(jax.random.key(8), params, 50)
    after = gibbs.sweep(noise_of(jax.random.key(9), sizes, 50), params, states)
    assert all(np.isin(x, (0, 1)).all() for x in after)
