"""Sums over all states of a layer.

A layered net needs no sum over all its hidden states at once: each layer is summed out on its own,
as a table over the states of the layer below. For 32-16-4 that is one 65536 x 16 table and one
65536 x images sum, where the joint has 2^20 terms an image. A sum over the 2^n states of n units is
two matrix products over the 2^(n/2) states of half the units each, in float64. Its derivative, the
wake update under the exact posterior, is taken by the posterior over all states.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.exact.states import (
    all_states,
    halves_of,
    in_half,
    logits_of_units,
    matmul,
    probabilities,
    sum_of_products,
)
from hmjax.machine import Layer
from hmjax.runtime.float64 import in_float64

# Elements of a table by row and state: of one that is summed by the posterior, of what may be made
# at once, and of what is where the whole is larger.
_SMALL, _TABLE, _CHUNK = 2**18, 2**20, 2**18

_LEAST = 1e-290  # a sum of up to 2^28 float64 terms of at most 1 that has lost nothing to underflow


class Marginal(NamedTuple):
    """A distribution over rows of states of one layer.

    Attributes:
      log_prob: `[n]`, log probability of each row, in nats.
      mean_top: `[n, n_L]`, expectation of the top units given the row.
    """

    log_prob: jax.Array
    mean_top: jax.Array


ByProducts = Callable[[Layer, Marginal, jax.Array], tuple[Marginal, jax.Array]]
"""Gives the marginal of rows, and whether it is good, bool `[]`."""


def sum_out(layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    """From all states of the layer above to the given rows `[m, n_out]` of the layer below."""
    return _sum(_to_rows, layer, above, rows)


def sum_out_to_all(layer: Layer, above: Marginal) -> Marginal:
    """From all states of the layer above to all states of the layer below."""
    return _sum(_to_all, layer, above, all_states(len(layer.bias)))


def _sum(by_products: ByProducts, layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    if len(rows) * len(above.log_prob) <= _SMALL:
        return _sum_by_posterior(layer, above, rows)
    return _sum_large(by_products, layer, above, rows)


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _sum_large(by_products: ByProducts, layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    made, is_good = by_products(layer, above, rows)
    return jax.lax.cond(is_good, lambda: made, lambda: _sum_by_posterior(layer, above, rows))


@_sum_large.defjvp
def _(by_products: ByProducts, primals: tuple, tangents: tuple) -> tuple[Marginal, Marginal]:
    value = _sum_large(by_products, *primals)
    return value, jax.jvp(_sum_by_posterior, primals, tangents)[1]


def _to_rows(layer: Layer, above: Marginal, rows: jax.Array) -> tuple[Marginal, jax.Array]:
    halves = halves_of(len(layer.weight))
    return _sum_by_products(layer, above, rows, halves, log_normalisers(layer))


def _to_all(layer: Layer, above: Marginal, _: jax.Array) -> tuple[Marginal, jax.Array]:
    return _sum_to_all_by_products(layer, above, all_states(len(layer.weight)))


@jax.custom_jvp
def log_normalisers(layer: Layer) -> jax.Array:
    """What the log_prob of rows is less by, for each state of the layer above, `[2**n_in]`."""
    return _log_normalisers(layer, halves_of(len(layer.weight)))


@in_float64
def _log_normalisers(layer: Layer, halves: tuple[jax.Array, jax.Array]) -> jax.Array:
    # A logit is the sum of what the two halves of a state give.
    first, second = (matmul(*half).T for half in zip(halves, in_half(layer.weight), strict=True))
    second += layer.bias[:, None]

    def add(carry: tuple[jax.Array, jax.Array], unit: tuple[jax.Array, jax.Array]) -> tuple:
        (total, product), (first, second) = carry, unit
        logit = first[:, None] + second[None]
        total += jnp.maximum(logit, 0)
        less = jnp.exp(-jnp.abs(logit).astype(jnp.float32))  # precise enough, and fast
        return (total, product * (1 + less.astype(logit.dtype))), None

    total = jnp.zeros((first.shape[1], second.shape[1]), first.dtype)
    (total, product), _ = jax.lax.scan(add, (total, total + 1), (first, second))
    return (total + jnp.log(product)).reshape(-1)


@log_normalisers.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    def by_state(layer: Layer) -> jax.Array:
        return machine.log_normaliser(machine.logits(layer, all_states(len(layer.weight))))

    return log_normalisers(*primals), jax.jvp(by_state, primals, tangents)[1]


def _with_mean(probability: jax.Array, mean_top: jax.Array) -> jax.Array:
    """Probabilities, and those that each top unit is on as well, `[1 + n_L, states]`."""
    return jnp.concatenate([probability[None], probability[None] * mean_top.T])


@in_float64
def _sum_to_all_by_products(
    layer: Layer, above: Marginal, states: jax.Array
) -> tuple[Marginal, jax.Array]:
    """`_sum_by_posterior` to all states of the layer below, by products for half its units each.

    Args:
      layer: predicts the layer below.
      above: of all states of the layer above.
      states: these.

    Returns:
      The marginal of all states of the layer below; and whether it is good, as nothing has
      underflown, bool `[]`.
    """
    highest = jnp.max(above.log_prob)
    table = _with_mean(jnp.exp(above.log_prob - highest), above.mean_top)
    first, second = map(probabilities, in_half(logits_of_units(layer, states)))
    sums = jnp.stack([matmul(first * each[None], second.T).reshape(-1) for each in table])
    total = sums[0]
    marginal = Marginal(highest + jnp.log(total), (sums[1:] / total[None]).T)
    return marginal, jnp.all(total > _LEAST) & (jax.default_backend() != "tpu")


@in_float64
def _sum_by_products(
    layer: Layer,
    above: Marginal,
    rows: jax.Array,
    halves: tuple[jax.Array, jax.Array],
    log_normalisers: jax.Array,
) -> tuple[Marginal, jax.Array]:
    """`_sum_by_posterior`, several times faster, by products of what half the units each give.

    Args:
      layer: predicts the rows.
      above: of all states of the layer above.
      rows: `[m, n_out]`.
      halves: all states of the first and of the second half of the layer above.
      log_normalisers: of the layer.

    Returns:
      The marginal of the rows; and whether it is good, bool `[]`, as it is unless so much has
      underflown that it would be seen.
    """
    (weight, bias), (log_prior, mean_top) = layer, above
    log_prior = (log_prior - log_normalisers).reshape(*map(len, halves))
    logs = []
    for axis, (states, half) in enumerate(zip(halves, in_half(weight), strict=True)):
        field = matmul(states, matmul(half, rows.T))
        # What it is on average goes to the prior, so that both of them span less.
        mean = jnp.mean(field, axis=1)
        logs.append(field - mean[:, None])
        log_prior += jnp.expand_dims(mean, 1 - axis)
    logs.append(log_prior.reshape(-1, 1))
    highest = [jnp.max(log, axis=0) for log in logs]
    first, second, prior = (
        jnp.exp(log - most[None]) for log, most in zip(logs, highest, strict=True)
    )
    sums = sum_of_products(first, second, _with_mean(prior[:, 0], mean_top))
    total = sums[0]
    log_prob = sum(highest) + jnp.log(total) + matmul(rows, bias)
    # On a TPU, float64 spans no more than float32.
    is_good = jnp.all(total > _LEAST) & (jax.default_backend() != "tpu")
    return Marginal(log_prob, (sums[1:] / total[None]).T), is_good


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
