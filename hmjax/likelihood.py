"""Exact log p(v), ELBO and posterior by enumeration, and the importance-sampled estimate.

A layered net needs no sum over all its hidden states at once: each layer is summed out on its own,
as a table over the states of the layer below. For 32-16-4 that is one 65536 x 16 table and one
65536 x images sum, where the joint has 2^20 terms an image. A sum over the 2^n states of n units is
two matrix products over the 2^(n/2) states of half the units each, in float64. Its derivative, the
wake update under the exact posterior, is taken by the posterior over all states.

Values are in nats.
"""

import functools
import itertools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import machine
from hmjax.machine import Layer, Params
from hmjax.runtime.float64 import in_float64
from hmjax.tasks.base import all_rows

T = TypeVar("T")

ENUMERABLE = 2**28
"""The largest table, in elements, that the exact measures will build for a layer."""

_TABLE = 2**20  # elements of a table by row and state that may be made at once

_CHUNK = 2**18  # elements of it that are, where the whole of it is larger

_LEAST = 1e-290  # a sum of up to 2^28 float64 terms of at most 1 that has lost nothing to underflow

_matmul = functools.partial(jnp.matmul, precision="highest")


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


def _of_images(function: Callable[[Params, jax.Array], T]) -> Callable[[Params, jax.Array], T]:
    """`function` of a machine and images that it can enumerate, in float32, compiled."""
    compiled = jax.jit(function)

    @functools.wraps(function)
    def checked(params: Params, images: jax.Array) -> T:
        params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), params)
        images = jnp.asarray(images, jnp.float32)
        sizes = machine.sizes_of(params)
        if images.ndim != 2 or images.shape[1] != sizes[0]:
            raise ValueError(f"images have shape {images.shape}, must be [n, {sizes[0]}]")
        if not is_enumerable(sizes, len(images)):
            raise ValueError(f"layers {sizes} and {len(images)} images are too many to enumerate")
        return compiled(params, images)

    return checked


@_of_images
def generative_posterior(params: Params, images: jax.Array) -> Marginal:
    """Exact log p(v) and E[x_L | v] under the generative net.

    Args:
      params: the machine.
      images: `[n, n_0]` of zeros and ones.

    Returns:
      A `Marginal` of the images.

    Raises:
      ValueError: if a layer is too large to enumerate (see `ENUMERABLE`).
    """
    top = all_states(params.prior.bias.shape[0])
    marginal = Marginal(machine.log_prior(params, top), top)
    for layer in params.generative[:0:-1]:
        marginal = _sum_out(layer, marginal, all_states(layer.weight.shape[1]))
    return _sum_out(params.generative[0], marginal, images)


def exact_log_prob(params: Params, images: jax.Array) -> jax.Array:
    """Exact log p(v) of each image under the generative net.

    Args:
      params: the machine, as from `init`, `train` or `load_params`.
      images: `[n, n_0]` of zeros and ones, of any dtype.

    Returns:
      `[n]`, in nats. Divide by `-log(2)` for bits.

    Raises:
      ValueError: if the images do not fit the machine, or a layer is too large to enumerate (see
        `ENUMERABLE`).
    """
    return generative_posterior(params, images).log_prob


@_of_images
def recognition_bound(params: Params, images: jax.Array) -> Marginal:
    """Exact ELBO and E_q[x_L | v]: what the recognition net makes of each image.

    Args:
      params: the machine.
      images: `[n, n_0]` of zeros and ones.

    Returns:
      A `Marginal` whose `log_prob` is E_q[log p(x) - log q(x_1.. | v)], the bound on log p(v) that
      falls short of it by KL(q || p(. | v)), and whose `mean_top` is E_q[x_L | v].

    Raises:
      ValueError: if a layer is too large to enumerate (see `ENUMERABLE`).
    """
    above = all_states(params.prior.bias.shape[0])
    prior = machine.log_prior(params, above)
    # Tops that are impossible, as another one is held, leave no bound where q allows them.
    impossible = jnp.isneginf(prior)
    value = Marginal(jnp.where(impossible, 0, prior), above)
    barred = impossible.astype(jnp.float32)
    for level in reversed(range(len(params.generative))):
        generative, recognition = params.generative[level], params.recognition[level]
        below = all_states(generative.weight.shape[1]) if level else images
        logit = machine.logits(recognition, below)
        log_prob = value.log_prob - machine.log_normaliser(machine.logits(generative, above))
        mean = expectation(jnp.column_stack([log_prob, barred, value.mean_top]), logit)
        probability = jax.nn.sigmoid(logit)
        entropy = machine.log_normaliser(logit) - jnp.sum(logit * probability, axis=-1)
        # x_l . logits is affine in x_{l+1}, so that its mean is had from the mean of x_{l+1}.
        field = _matmul(below, generative.weight.T)
        energy = jnp.sum(probability * field, axis=-1) + _matmul(below, generative.bias)
        value, barred = Marginal(mean[:, 0] + energy + entropy, mean[:, 2:]), mean[:, 1]
        above = below
    return value._replace(log_prob=jnp.where(barred > 0, -jnp.inf, value.log_prob))


@_of_images
def recognised_tops(params: Params, images: jax.Array) -> jax.Array:
    """Exact q(x_L | v): how probable each top state is to the recognition net.

    Args:
      params: the machine.
      images: `[n, n_0]` of zeros and ones.

    Returns:
      `[n, 2**n_L]`, in the order of `all_states(n_L)`.

    Raises:
      ValueError: if a layer is too large to enumerate (see `ENUMERABLE`).
    """
    *lower, top = params.recognition
    below = all_states(len(top.weight)) if lower else images
    table = _probabilities(machine.logits(top, below))
    for level in reversed(range(len(lower))):
        below = all_states(len(lower[level].weight)) if level else images
        table = expectation(table, machine.logits(lower[level], below))
    return table


def expectation(table: jax.Array, logit: jax.Array) -> jax.Array:
    """The expectation of a function of binary units that fire independently.

    Args:
      table: `[2**n, k]`, the function at `all_states(n)`.
      logit: `[m, n]`, the units' logits.

    Returns:
      `[m, k]`.
    """
    half = logit.shape[1] // 2
    first, second = _probabilities(logit[:, :half]), _probabilities(logit[:, half:])
    return _sum_of_products(first, second, table)


def importance_sampled(
    key: jax.Array, params: Params, images: jax.Array, samples: int | jax.Array
) -> Marginal:
    """Log p(v) by importance sampling from the recognition net, log mean_m p(x^m) / q(x^m | v).

    Its expectation lies below log p(v), so an NLL from it is biased upward.

    Args:
      key: a `jax.random.key`.
      params: the machine.
      images: `[n, n_0]` of zeros and ones.
      samples: how many samples of q an image; may be traced.

    Returns:
      A `Marginal`: the estimate, in nats, and the mean of the sampled top states, an estimate of
      E_q[x_L | v].
    """

    def add(m: jax.Array, total: Marginal) -> Marginal:
        states = machine.recognise(jax.random.fold_in(key, m), params, images)
        log_weight = machine.log_joint(params, states) - machine.log_recognition(params, states)
        return Marginal(jnp.logaddexp(total.log_prob, log_weight), total.mean_top + states[-1])

    images = jnp.asarray(images, jnp.float32)
    none = Marginal(
        jnp.full(len(images), -jnp.inf, jnp.float32),
        jnp.zeros((len(images), len(params.prior.bias)), jnp.float32),
    )
    total = jax.lax.fori_loop(0, samples, add, none)
    count = jnp.asarray(samples, jnp.float32)
    return Marginal(total.log_prob - jnp.log(count), total.mean_top / count)


def _sum_out(layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
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
    first, second = (jnp.exp(_matmul(*half)).T for half in zip(halves, weights, strict=True))
    odds = jnp.exp(bias)[:, None, None] * first[:, :, None] * second[:, None, :]
    normaliser = jnp.prod(1 + odds, axis=0)
    log_prior = log_prior.reshape(normaliser.shape) - jnp.log(normaliser)
    logs = []
    for axis, (states, half) in enumerate(zip(halves, weights, strict=True)):
        field = _matmul(_matmul(rows, half.T), states.T)
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
    log_prob = sum(most[:, 0] for most in highest) + jnp.log(total) + _matmul(rows, bias)
    # On a TPU, float64 spans no more than float32.
    is_good = jnp.all(total > _LEAST) & jnp.all(jnp.isfinite(normaliser))
    is_good &= jax.default_backend() != "tpu"
    return Marginal(log_prob, sums[:, 1:] / total[:, None]), is_good


def _sum_by_posterior(layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    """Sums by p(h | row) of every state h of the layer, good at any scale of weights."""
    terms = _joint_terms(layer, above.log_prob)

    def some(rows: jax.Array) -> Marginal:
        log_prob, posterior = _bayes(terms, rows)
        return Marginal(log_prob, _matmul(posterior, above.mean_top))

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
    log_joint = _matmul(1 - rows, off.T) + _matmul(rows, on.T) + always[None]
    log_prob = jax.nn.logsumexp(log_joint, axis=1)
    return log_prob, jnp.exp(log_joint - log_prob[:, None])


def _sum_of_products(first: jax.Array, second: jax.Array, table: jax.Array) -> jax.Array:
    """The sum over a and b of first[m, a] second[m, b] table[(a, b), k], `[m, k]`."""
    table = table.reshape(first.shape[1], second.shape[1], -1)
    partial = jnp.einsum("mb,abk->mak", second, table, precision="highest")
    return jnp.einsum("ma,mak->mk", first, partial, precision="highest")


def _probabilities(logit: jax.Array) -> jax.Array:
    """The probability of every state of independent units, `[m, n]` logits to `[m, 2**n]`."""
    on = all_rows(logit.shape[1]).T
    log_on, log_off = jax.nn.log_sigmoid(logit), jax.nn.log_sigmoid(-logit)
    # Not through a normaliser, whose rounding would add up where units are nearly certain.
    both = jnp.concatenate([log_on, log_off], axis=1), np.concatenate([on, 1 - on])
    return jnp.exp(jnp.matmul(*both, precision="highest"))
