import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hmjax.runtime.cipher import threefry2x32, unrolled


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


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1])
def test_the_bits_are_those_of_jax_random(seed):
    plain = jax.random.key(seed)
    fast = unrolled(plain)
    for draw in (
        lambda key: jax.random.key_data(key),
        lambda key: jax.random.key_data(jax.random.split(key, (2, 3))),
        lambda key: jax.random.key_data(jax.random.fold_in(key, 2**31 - 1)),
        lambda key: jax.random.bits(key, (5, 7), jnp.uint32),
        lambda key: jax.random.uniform(key, (11,)),
        lambda key: jax.random.bernoulli(key, 0.3, (4, 9)),
        lambda key: jax.random.randint(key, (9,), 0, 3),
    ):
        chex.assert_trees_all_equal(draw(fast), draw(plain))
    keys = jax.random.split(plain, 3)
    chex.assert_trees_all_equal(
        jax.vmap(lambda key: jax.random.bits(unrolled(key), (3,), jnp.uint32))(keys),
        jax.vmap(lambda key: jax.random.bits(key, (3,), jnp.uint32))(keys),
    )


def test_other_widths_are_refused():
    with pytest.raises(NotImplementedError, match="width 8"):
        jax.random.bits(unrolled(jax.random.key(0)), (2,), np.uint8)
