import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hmjax.runtime import cipher
from hmjax.runtime.cipher import key_of, threefry2x32, uniforms, uniforms_of_steps


@pytest.mark.parametrize(
    ("key", "counter", "expected"),
    [  # the known answers that come with the generator's reference implementation
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((0xFFFFFFFF,) * 2, (0xFFFFFFFF,) * 2, (0x1CB996FC, 0xBB002BE7)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xC4923A9C, 0x483DF7A0)),
    ],
)
def test_the_published_vectors(key, counter, expected):
    made = threefry2x32(*(tuple(jnp.uint32(word) for word in pair) for pair in (key, counter)))
    assert tuple(int(word) for word in made) == expected


def test_keys_are_those_of_jax_random():
    for seed in (0, 7, 2**32 - 1):
        data = jax.random.key_data(key_of(seed))
        chex.assert_trees_all_equal(data, jax.random.key_data(jax.random.key(seed)))


@pytest.mark.parametrize("shape", [(1, 81), (5, 7), (3,)])
def test_the_numbers_of_steps_are_those_of_jax_random(shape):
    seeds, first, steps = np.array([0, 7, 2**32 - 1]), np.array([0, 5, 2**31 - 4]), 3
    keys = jax.vmap(key_of)(seeds)
    at = first[None] + np.arange(steps)[:, None]
    made = uniforms_of_steps(jax.random.key_data(keys).T, jnp.asarray(at), shape)
    assert made.shape == (steps, *shape, len(seeds))
    for i in range(len(seeds)):
        alone = uniforms_of_steps(jax.random.key_data(keys[i]), jnp.asarray(at[:, i]), shape)
        chex.assert_trees_all_equal(alone, made[..., i])
        for step in range(steps):
            key = jax.random.fold_in(keys[i], at[step, i])
            bits = np.asarray(jax.random.bits(key, shape, jnp.uint32))
            expected = ((bits >> 9) + np.float32(0.5)) * np.float32(2**-23)
            np.testing.assert_array_equal(alone[step], expected)
            np.testing.assert_array_equal(uniforms(key, shape), expected)


def test_numbers_lie_between_0_and_1():
    ends = np.array([0, 2**32 - 1], np.uint32)
    assert cipher._uniform(jnp.asarray(ends)).tolist() == [2**-24, 1 - 2**-24]
