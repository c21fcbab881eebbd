"""Sums over all states of a layer.

A layered net needs no sum over all its hidden states at once: each layer is summed out on its own,
as a table over the states of the layer below. For 32-16-4 that is one 65536 x 16 table and one
65536 x images sum, where the joint has 2^20 terms an image. A sum over the 2^n states of n units is
two matrix products over the 2^(n/2) states of half the units each, in float64. Its derivative, the
wake update under the exact posterior, is taken by the posterior over all states.
"""

import functools
import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import machine
from hmjax.machine import Layer
from hmjax.runtime.float64 import in_float64
from hmjax.tasks.base import all_rows

ENUMERABLE = 2**28
"""The largest table, in elements, that the exact measures will build for a layer."""


_TABLE = 2**20  # elements of a table by row and state that may be made at once


_CHUNK = 2**18  # elements of it that are, where the whole of it is larger


_LEAST = 1e-290  # a sum of up to 2^28 float64 terms of at most 1 that has lost nothing to underflow


matmul = functools.partial(jnp.matmul, precision="highest")


class Marginal(NamedTuple):
    """A distribution over rows of states of one layer.

    Attributes:
      log_prob: `[n]`, log probability of each row, in nats.
      mean_top: `[n, n_L]`, expectation of the top units given the row.
    """

    log_prob: jax.Array
    mean_top: jax.Array


def all_states(n: int) -> jax.Array:
    """All states of `n` units, `[2**n, n]` in float32, counting up, the first unit highest."""
    return jnp.asarray(all_rows(n), jnp.float32)


def is_enumerable(sizes: tuple[int, ...], images: int) -> bool:
    """Whether the exact measures are feasible for a machine of these sizes on so many images."""
    rows = [images, *(2**n for n in sizes[1:])]
    return all(low * high <= ENUMERABLE for low, high in itertools.pairwise(rows))


def expectation(table: jax.Array, logit: jax.Array) -> jax.Array:
    """The expectation of a function of binary units that fire independently.

    Args:
      table: `[2**n, k]`, the function at `all_states(n)`.
      logit: `[m, n]`, the units' logits.

    Returns:
      `[m, k]`.
    """
    half = logit.shape[1] // 2
    first, second = probabilities(logit[:, :half]), probabilities(logit[:, half:])
    return _sum_of_products(first, second, table)


def sum_out(layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    """From all states of the layer above to the given rows `[m, n_out]` of the layer below."""
    fits = len(rows) * len(above.log_prob) <= _TABLE
    return (_sum_by_posterior if fits else _sum_large)(layer, above, rows)


@jax.custom_jvp
def _sum_large(layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    units = len(layer.weight)
    halves = all_states(units // 2), all_states(units - units // 2)
    by_products, is_good = _sum_by_products(layer, above, rows, halves)
    return jax.lax.cond(is_good, lambda: by_products, lambda: _sum_by_posterior(layer, above, rows))


@_sum_large.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[Marginal, Marginal]:
    return _sum_large(*primals), jax.jvp(_sum_by_posterior, primals, tangents)[1]


@in_float64
def _sum_by_products(
    layer: Layer, above: Marginal, rows: jax.Array, halves: tuple[jax.Array, jax.Array]
) -> tuple[Marginal, jax.Array]:
    """`_sum_by_posterior`, several times faster, by products of what half the units each give.

    Args:
      layer: predicts the rows.
      above: of all states of the layer above.
      rows: `[m, n_out]`.
      halves: all states of the first and of the second half of the layer above.

    Returns:
      The marginal of the rows; and whether it is good, bool `[]`, as it is unless so much has over-
      or underflown that it would be seen.
    """
    (weight, bias), (log_prior, mean_top) = layer, above
    weights = jnp.split(weight, [len(weight) // 2])
    # A logit is the sum of what the two halves of a state give, and its odds are the product.
    first, second = (jnp.exp(matmul(*half)).T for half in zip(halves, weights, strict=True))
    odds = jnp.exp(bias)[:, None, None] * first[:, :, None] * second[:, None, :]
    normaliser = jnp.prod(1 + odds, axis=0)
    log_prior = log_prior.reshape(normaliser.shape) - jnp.log(normaliser)
    logs = []
    for axis, (states, half) in enumerate(zip(halves, weights, strict=True)):
        field = matmul(matmul(rows, half.T), states.T)
        # What it is on average goes to the prior, so that both of them span less.
        mean = jnp.mean(field, axis=0)
        logs.append(field - mean[None])
        log_prior += jnp.expand_dims(mean, 1 - axis)
    logs.append(log_prior.reshape(1, -1))
    highest = [jnp.max(log, axis=1, keepdims=True) for log in logs]
    first, second, prior = (jnp.exp(log - most) for log, most in zip(logs, highest, strict=True))
    table = jnp.column_stack([prior[0], prior[0][:, None] * mean_top])
    sums = _sum_of_products(first, second, table)
    total = sums[:, 0]
    log_prob = sum(most[:, 0] for most in highest) + jnp.log(total) + matmul(rows, bias)
    # On a TPU, float64 spans no more than float32.
    is_good = jnp.all(total > _LEAST) & jnp.all(jnp.isfinite(normaliser))
    is_good &= jax.default_backend() != "tpu"
    return Marginal(log_prob, sums[:, 1:] / total[:, None]), is_good


def _sum_by_posterior(layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    """Sums by p(h | row) of every state h of the layer, good at any scale of weights."""
    terms = _joint_terms(layer, above.log_prob)

    def some(rows: jax.Array) -> Marginal:
        log_prob, posterior = _bayes(terms, rows)
        return Marginal(log_prob, matmul(posterior, above.mean_top))

    m, states = len(rows), len(above.log_prob)
    if m * states <= _TABLE:
        return some(rows)
    size = max(1, _CHUNK // states)
    chunks = -(-m // size)
    padded = jnp.pad(rows, ((0, chunks * size - m), (0, 0))).reshape(chunks, size, rows.shape[1])
    # Tables are not kept for a backward pass but made again, so that there is one at a time.
    each = jax.lax.map(jax.checkpoint(some), padded)
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:])[:m], each)


def posterior_given(
    layer: Layer, log_prob: jax.Array, rows: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Bayes' rule over all states h of a layer, given rows of the layer below.

    Args:
      layer: predicts the rows.
      log_prob: `[2**n]`, log p(h) of all states h, in nats.
      rows: `[m, n_out]`.

    Returns:
      Log p(row) `[m]`, and p(h | row) `[m, 2**n]`.
    """
    return _bayes(_joint_terms(layer, log_prob), rows)


def _joint_terms(layer: Layer, log_prob: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """What log p(row, h) of all states h is the sum of; all of it negative, so that none cancels.

    Returns:
      What each unit of a row adds if it is off and if it is on, `[2**n, n_out]` both, and what is
      added whatever the row, `[2**n]`.
    """
    logit = machine.logits(layer, all_states(len(layer.weight)))
    off, on = jnp.where(logit > 0, -logit, 0), jnp.where(logit > 0, 0, logit)
    return off, on, log_prob - jnp.sum(jnp.log1p(jnp.exp(off + on)), axis=1)


def _bayes(
    terms: tuple[jax.Array, jax.Array, jax.Array], rows: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """Log p(row) `[m]` and p(h | row) `[m, 2**n]` from `_joint_terms`."""
    off, on, always = terms
    log_joint = matmul(1 - rows, off.T) + matmul(rows, on.T) + always[None]
    log_prob = jax.nn.logsumexp(log_joint, axis=1)
    return log_prob, jnp.exp(log_joint - log_prob[:, None])


def _sum_of_products(first: jax.Array, second: jax.Array, table: jax.Array) -> jax.Array:
    """The sum over a and b of first[m, a] second[m, b] table[(a, b), k], `[m, k]`."""
    table = table.reshape(first.shape[1], second.shape[1], -1)
    partial = jnp.einsum("mb,abk->mak", second, table, precision="highest")
    return jnp.einsum("ma,mak->mk", first, partial, precision="highest")


def probabilities(logit: jax.Array) -> jax.Array:
    """The probability of every state of independent units, `[m, n]` logits to `[m, 2**n]`."""
    on = all_rows(logit.shape[1]).T
    log_on, log_off = jax.nn.log_sigmoid(logit), jax.nn.log_sigmoid(-logit)
    # Not through a normaliser, whose rounding would add up where units are nearly certain.
    both = jnp.concatenate([log_on, log_off], axis=1), np.concatenate([on, 1 - on])
    return jnp.exp(jnp.matmul(*both, precision="highest"))
