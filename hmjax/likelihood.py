"""Exact log p(v), ELBO and posterior by enumeration, and the importance-sampled estimate.

A layered net needs no sum over all its hidden states at once: each layer is summed out on its own,
as a table over the states of the layer below. For 32-16-4 that is one 65536 x 16 table and one
65536 x images sum, where the joint has 2^20 terms an image. A sum over the 2^n states of n units is
two matrix products over the 2^(n/2) states of half the units each.

Values are in nats.
"""

import itertools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import machine
from hmjax.machine import Layer, Params
from hmjax.tasks.base import all_rows

ENUMERABLE = 2**28
"""The largest table, in elements, that the exact measures will build for a layer."""

_CHUNK = 2**20  # elements of a table worked on at once, to stay in cache

_LEAST = 1e-290  # a sum of up to 2^28 float64 terms of at most 1 that has lost nothing to underflow


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
    return jnp.asarray(all_rows(n))


def is_enumerable(sizes: tuple[int, ...], images: int) -> bool:
    """Whether the exact measures are feasible for a machine of these sizes on so many images."""
    rows = [images, *(2**n for n in sizes[1:])]
    return all(low * high <= ENUMERABLE for low, high in itertools.pairwise(rows))


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
    images = _checked(params, images)
    top = all_states(params.prior.bias.shape[0])
    marginal = Marginal(machine.log_bernoulli(top, params.prior.bias), top)
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
    images = _checked(params, images)
    above = all_states(params.prior.bias.shape[0])
    value = Marginal(machine.log_bernoulli(above, params.prior.bias), above)
    for level in reversed(range(len(params.generative))):
        generative, recognition = params.generative[level], params.recognition[level]
        below = all_states(generative.weight.shape[1]) if level else images
        logit = machine.logits(recognition, below)
        log_normaliser = machine.log_normaliser(machine.logits(generative, above))
        table = jnp.column_stack([value.log_prob - log_normaliser, value.mean_top])
        mean = expectation(table, logit)
        probability = jax.nn.sigmoid(logit)
        entropy = machine.log_normaliser(logit) - jnp.sum(logit * probability, axis=-1)
        # x_l . logits is affine in x_{l+1}, so that its mean is had from the mean of x_{l+1}.
        field = jnp.matmul(below, generative.weight.T, precision="highest")
        energy = jnp.sum(probability * field, axis=-1) + jnp.sum(below * generative.bias, axis=-1)
        value = Marginal(mean[:, 0] + energy + entropy, mean[:, 1:])
        above = below
    return value


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
    images = _checked(params, images)
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
        jnp.full(len(images), -jnp.inf), jnp.zeros((len(images), len(params.prior.bias)))
    )
    total = jax.lax.fori_loop(0, samples, add, none)
    return Marginal(total.log_prob - jnp.log(samples), total.mean_top / samples)


def _sum_out(layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    """From all states of the layer above to the given rows `[n, n_out]` of the layer below."""
    logit = machine.logits(layer, all_states(len(layer.weight)))
    offset = above.log_prob - machine.log_normaliser(logit)
    # row . logit is a sum over the units above that are on. What it is on average goes to the
    # offset, so that both of them span less.
    each = jnp.matmul(rows, layer.weight.T, precision="highest")
    mean = jnp.mean(each, axis=0)
    field = each - mean
    offset += jnp.matmul(all_states(len(mean)), mean, precision="highest")

    in_float64, is_good = _sum_in_float64(offset, above.mean_top, field)
    summed = jax.lax.cond(
        is_good, lambda: in_float64, lambda: _sum_in_log_space(offset, above.mean_top, field)
    )
    log_prob = summed.log_prob + jnp.matmul(rows, layer.bias, precision="highest")
    return Marginal(log_prob, summed.mean_top)


def _sum_in_float64(
    offset: jax.Array, mean_top: jax.Array, field: jax.Array
) -> tuple[Marginal, jax.Array]:
    """Sums exp(offset + field . h) over all states h of a layer, as matrix products.

    Args:
      offset: `[2**n]`, by state.
      mean_top: `[2**n, n_L]`, by state.
      field: `[m, n]`.

    Returns:
      The log of the sums and the mean of `mean_top` under their terms; and whether they are good,
      bool `[]`, as they are unless so much has underflown that it would be seen.
    """
    first, second = _by_half(field)
    highest = [jnp.max(part, axis=-1, keepdims=True) for part in (first, second, offset)]
    with jax.enable_x64(True):
        first, second, offset = (
            jnp.exp((part - most).astype(jnp.float64))
            for part, most in zip((first, second, offset), highest, strict=True)
        )
        table = jnp.column_stack([offset, offset[:, None] * mean_top.astype(jnp.float64)])
        sums = _sum_of_products(first, second, table)
        total = sums[:, 0]
        log_total = jnp.log(total).astype(jnp.float32)
        mean = (sums[:, 1:] / total[:, None]).astype(jnp.float32)
        # On a TPU, float64 spans no more than float32.
        is_good = jnp.all(total > _LEAST) & (jax.default_backend() != "tpu")
    return Marginal(sum(part[..., 0] for part in highest) + log_total, mean), is_good


def _sum_in_log_space(offset: jax.Array, mean_top: jax.Array, field: jax.Array) -> Marginal:
    """What `_sum_in_float64` gives, without its limits and several times slower."""

    def some(field: jax.Array) -> Marginal:
        first, second = _by_half(field)
        log_term = offset.reshape(first.shape[1], -1) + (first[:, :, None] + second[:, None])
        highest = jnp.max(log_term, axis=(1, 2), keepdims=True)
        term = jnp.exp(log_term - highest).reshape(len(field), -1)
        total = jnp.sum(term, axis=1)
        mean = jnp.matmul(term, mean_top, precision="highest") / total[:, None]
        return Marginal(highest[:, 0, 0] + jnp.log(total), mean)

    chunks = -(-field.shape[0] * len(offset) // _CHUNK)
    rows = -(-len(field) // chunks)
    padded = jnp.pad(field, ((0, chunks * rows - len(field)), (0, 0)))
    summed = jax.lax.map(some, padded.reshape(chunks, rows, -1))
    return jax.tree.map(lambda leaf: jnp.concatenate(leaf)[: len(field)], summed)


def _by_half(field: jax.Array) -> list[jax.Array]:
    """Field . h over all states of the first and of the second half of the units."""
    half = field.shape[-1] // 2
    return [
        jnp.matmul(part, all_states(part.shape[-1]).T, precision="highest")
        for part in (field[..., :half], field[..., half:])
    ]


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


def _checked(params: Params, images: jax.Array) -> jax.Array:
    images = jnp.asarray(images, jnp.float32)
    sizes = machine.sizes_of(params)
    if images.ndim != 2 or images.shape[1] != sizes[0]:
        raise ValueError(f"images have shape {images.shape}, must be [n, {sizes[0]}]")
    if not is_enumerable(sizes, len(images)):
        raise ValueError(f"layers {sizes} and {len(images)} images are too many to enumerate")
    return images
