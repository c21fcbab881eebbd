"""A memory of the latest states of each image, a bit a unit.

It is an array of 32-bit words, `[images, words]`, with a trailing axis where there are several
machines; what an image was last interpreted as stands at its number.
"""

import jax
import jax.numpy as jnp

from hmjax import arithmetic, machine
from hmjax.machine import States

_BITS = 32

MOST_BYTES = 2**24
"""The largest memory of one machine."""


def bytes_of(images: int, units: int) -> int:
    """The size of a memory of the states of so many units for so many images."""
    return images * -(-units // _BITS) * _BITS // 8


def empty(images: int, units: int) -> jax.Array:
    """A memory in which every unit is off."""
    return jnp.zeros((images, -(-units // _BITS)), jnp.uint32)


def recall(memory: jax.Array | None, numbers: jax.Array | None, sizes: tuple[int, ...]) -> States:
    """The states of layers of the given sizes for images of the given numbers, `[n, n_l]` each."""
    assert memory is not None
    assert numbers is not None
    words = jnp.take_along_axis(memory, numbers[:, None], axis=0)
    bits = (words[:, :, None] >> _shifts(words, _BITS)[None, None]) & jnp.uint32(1)
    units = bits.reshape(len(words), -1, *words.shape[2:]).astype(jnp.float32)
    return machine.by_layer(units[:, : sum(sizes)], sizes)


def remember(memory: jax.Array | None, numbers: jax.Array | None, states: States) -> jax.Array:
    """The memory with states of layers, `[n, n_l]` each, at images of the given numbers."""
    assert memory is not None
    assert numbers is not None
    units = jnp.concatenate(states, axis=1)
    words = []
    for begin in range(0, units.shape[1], _BITS):
        bits = units[:, begin : begin + _BITS].astype(jnp.uint32)
        words.append(arithmetic.total(bits << _shifts(bits, bits.shape[1])[None], axis=1))
    new = jnp.stack(words, axis=1)

    def put(row: int | jax.Array, memory: jax.Array) -> jax.Array:
        of_row, number = (jax.lax.dynamic_slice_in_dim(x, row, 1) for x in (new, numbers))
        at = jnp.broadcast_to(number[:, None], of_row.shape)
        return jnp.put_along_axis(memory, at, of_row, axis=0, inplace=False)

    # In turn, as an image may be there twice.
    return put(0, memory) if len(new) == 1 else jax.lax.fori_loop(0, len(new), put, memory)


def _shifts(of: jax.Array, bits: int) -> jax.Array:
    """0, 1, ..., `bits` - 1 beside the trailing axes of an array `[n, units, ...]`."""
    return jnp.arange(bits, dtype=jnp.uint32).reshape(-1, *(1,) * (of.ndim - 2))
