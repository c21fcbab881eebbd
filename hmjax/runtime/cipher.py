"""JAX's own random bits, made several times faster on a CPU.

`jax.random` runs the Threefry cipher there as a loop of rounds, which keeps programs small.
Unrolled, the cipher of a whole block of counters becomes one vectorised loop. The bits are those of
`jax.random`'s default generator.

Source: Salmon, Moraes, Dror & Shaw, Parallel random numbers: as easy as 1, 2, 3, SC 2011.
"""

import itertools
import math

import jax
import jax.numpy as jnp

from hmjax.runtime.ambient import own_generator

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


def uniforms(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Numbers between 0 and 1, neither of which is among them, by a key of any generator."""
    with own_generator():
        return _uniform(jax.random.bits(key, shape, jnp.uint32))


def uniforms_of_steps(key: jax.Array, steps: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """`uniforms(fold_in(key, step), shape)` for many steps, and for many keys.

    Args:
      key: uint32 `[2, ...]`, the words of keys of the default generator.
      steps: int32 `[n, ...]`, with the same trailing axes.
      shape: of the numbers of a step.

    Returns:
      Float32 `[n, *shape, ...]`.
    """
    places = (1,) * (steps.ndim - 1)
    of_step = _cipher((key[0][None], key[1][None]), steps.astype(jnp.uint32))
    low, high = (word.reshape(len(steps), *(1,) * len(shape), *steps.shape[1:]) for word in of_step)
    counter = jax.lax.iota(jnp.uint32, math.prod(shape)).reshape(1, *shape, *places)
    low, high = _cipher((low, high), counter)
    return _uniform(low ^ high)


def _cipher(key: tuple[jax.Array, jax.Array], low: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The cipher of the counters whose low words are given, and whose high words are 0."""
    return threefry2x32(key, (jnp.zeros_like(low), low))


def _uniform(bits: jax.Array) -> jax.Array:
    """One of 2^23 numbers, evenly spaced and symmetric about 1/2."""
    return ((bits >> 9).astype(jnp.float32) + 0.5) * 2**-23
