"""JAX's own random bits, made several times faster on a CPU.

`jax.random` runs the Threefry cipher there as a loop of rounds, which keeps programs small.
Unrolled, the cipher of a whole block of counters becomes one vectorised loop. The bits are those of
`jax.random`'s default generator, so a key can be handed from one to the other at any point.

Source: Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
"""

import itertools
import math
from typing import Any

import jax
import jax.numpy as jnp

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = 0x1BD11BDA


def threefry2x32(
    key: tuple[jax.Array, jax.Array], counter: tuple[jax.Array, jax.Array]
) -> tuple[jax.Array, jax.Array]:
    """Threefry-2x32 with 20 rounds, on uint32 arrays of any shapes that broadcast."""
    schedule = (*key, key[0] ^ key[1] ^ jnp.uint32(_PARITY))
    x, y = counter[0] + schedule[0], counter[1] + schedule[1]
    for group, rotations in zip(range(1, 6), itertools.cycle(_ROTATIONS), strict=False):
        for rotation in rotations:
            x = x + y
            y = (y << rotation | y >> (32 - rotation)) ^ x
        x = x + schedule[group % 3]
        y = y + schedule[(group + 1) % 3] + jnp.uint32(group)
    return x, y


def key_of(seed: int | jax.Array) -> jax.Array:
    """What `jax.random.key(seed)` is by default, whatever generator or offset the user's JAX has.

    Args:
      seed: 0 to 2^32 - 1; may be traced.
    """
    low = jnp.asarray(seed, jnp.uint32)
    return jax.random.wrap_key_data(jnp.stack([jnp.zeros_like(low), low]), impl="threefry2x32")


def unrolled(key: jax.Array) -> jax.Array:
    """The same key, to be drawn from by the unrolled cipher; the bits stay the same.

    Where JAX has no room for a cipher of one's own, it is drawn from by JAX's, which is slower.

    Args:
      key: a `jax.random.key` of the default implementation, of any shape.
    """
    return jax.random.wrap_key_data(jax.random.key_data(key), impl=_UNROLLED)


def _cipher(key: jax.Array, low: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The cipher of the counters whose low words are given, and whose high words are 0."""
    return threefry2x32((key[0], key[1]), (jnp.zeros_like(low), low))


def _counting(shape: tuple[int, ...]) -> jax.Array:
    """0, 1, ..., as an array of a shape."""
    return jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(shape)


def _seed(seed: jax.Array) -> jax.Array:
    return jax.random.key_data(key_of(seed))


def _random_bits(key: jax.Array, bit_width: int, shape: tuple[int, ...]) -> jax.Array:
    if bit_width != 32:
        raise NotImplementedError(f"bits of width {bit_width}, only 32 are made")
    x, y = _cipher(key, _counting(shape))
    return x ^ y


def _split(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    return jnp.stack(_cipher(key, _counting(shape)), axis=-1)


def _fold_in(key: jax.Array, data: int | jax.Array) -> jax.Array:
    return jnp.stack(_cipher(key, jnp.asarray(data).astype(jnp.uint32)), axis=-1)


def _defined() -> Any:
    try:
        from jax.extend.random import define_prng_impl

        return define_prng_impl(
            key_shape=(2,),
            seed=_seed,
            split=_split,
            random_bits=_random_bits,
            fold_in=_fold_in,
            name="threefry2x32_unrolled",
            tag="fryu",
        )
    except (ImportError, AttributeError, TypeError):  # jax.extend promises nothing
        return "threefry2x32"


_UNROLLED = _defined()
