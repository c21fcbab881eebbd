"""All states of a layer, and expectations over those of units that fire independently.

Tables have units or states first and what they are given last, so that many of the latter are
computed side by side. The sum over the 2^n states of n units is one of products over the 2^(n/2)
states of half the units each.
"""

import functools
import itertools

import jax
import jax.numpy as jnp

from hmjax.machine import Layer
from hmjax.tasks.sampled import all_rows

ENUMERABLE = 2**28
"""The largest table, in elements, that the exact measures will build for a layer."""

_FEW = 4  # units whose states are summed over at once

matmul = functools.partial(jnp.matmul, precision="highest")


def all_states(n: int) -> jax.Array:
    """All states of `n` units, `[2**n, n]` in float32, counting up, the first unit highest."""
    return jnp.asarray(all_rows(n), jnp.float32)


def halves_of(n: int) -> tuple[jax.Array, jax.Array]:
    """All states of the first and of the second half of `n` units."""
    return all_states(n // 2), all_states(n - n // 2)


def in_half(rows: jax.Array) -> list[jax.Array]:
    """What belongs to the first and to the second half of units, of `[n, ...]`."""
    return jnp.split(rows, [len(rows) // 2])


def is_enumerable(sizes: tuple[int, ...], images: int) -> bool:
    """Whether the exact measures are feasible for a machine of these sizes on so many images."""
    rows = [images, *(2**n for n in sizes[1:])]
    return all(low * high <= ENUMERABLE for low, high in itertools.pairwise(rows))


def logits_of_units(layer: Layer, rows: jax.Array) -> jax.Array:
    """`machine.logits`, unit by unit: `[n_out, m]` for rows `[m, n_in]`."""
    return matmul(layer.weight.T, rows.T) + layer.bias[:, None]


def probabilities(logit: jax.Array) -> jax.Array:
    """The probability of every state of independent units, `[n, m]` logits to `[2**n, m]`."""
    states = jnp.ones((1, logit.shape[1]), logit.dtype)
    # Off is not 1 - on, which would round to 0 where units are nearly certain.
    for on, off in zip(jax.nn.sigmoid(logit), jax.nn.sigmoid(-logit), strict=True):
        both = jnp.stack([off[None] * states, on[None] * states], axis=1)
        states = both.reshape(2 * len(states), logit.shape[1])
    return states


def expectation(table: jax.Array, logit: jax.Array) -> jax.Array:
    """The expectations of functions of binary units that fire independently.

    Args:
      table: `[k, 2**n]`, k functions at `all_states(n)`.
      logit: `[n, m]`, the units' logits.

    Returns:
      `[k, m]`.
    """
    if len(logit) <= _FEW:
        return matmul(table, probabilities(logit))
    first, second = map(probabilities, in_half(logit))
    return sum_of_products(first, second, table)


def sum_of_products(first: jax.Array, second: jax.Array, table: jax.Array) -> jax.Array:
    """The sum over a and b of first[a, m] second[b, m] table[k, (a, b)], `[k, m]`."""
    tables = table.reshape(len(table), len(first), len(second))
    return jnp.stack([_dot(first, matmul(each, second)) for each in tables])


def _dot(first: jax.Array, second: jax.Array) -> jax.Array:
    """The sum over a of first[a, m] second[a, m], `[m]`; many m side by side."""

    def add(total: jax.Array, pair: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, None]:
        return total + pair[0] * pair[1], None

    return jax.lax.scan(add, jnp.zeros_like(first[0]), (first, second))[0]
