"""Exact log p(v), ELBO and posterior by enumeration, and the importance-sampled estimate.

A layered net needs no sum over all its hidden states at once: each layer is summed out on its own,
as a table over the states of the layer below. For 32-16-4 that is one 65536 x 16 table and one
65536 x images product, where the joint has 2^20 terms an image.

Everything is in nats and in log space until the last step.
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
        log_normaliser = jnp.sum(jax.nn.softplus(machine.logits(generative, above)), axis=-1)
        table = jnp.column_stack([value.log_prob - log_normaliser, value.mean_top])
        mean = expectation(table, logit)
        probability = jax.nn.sigmoid(logit)
        entropy = jnp.sum(jax.nn.softplus(logit) - logit * probability, axis=-1)
        # The generative logits are affine in x_{l+1}: their mean is the logits of its mean.
        energy = jnp.sum(below * machine.logits(generative, probability), axis=-1)
        value = Marginal(mean[:, 0] + energy + entropy, mean[:, 1:])
        above = below
    return value


def expectation(table: jax.Array, logit: jax.Array) -> jax.Array:
    """The expectation of a function of binary units that fire independently.

    The probability of a state is the product of those of its first and its second half, so the sum
    over 2^n states is two products over 2^(n/2) each.

    Args:
      table: `[2**n, k]`, the function at `all_states(n)`.
      logit: `[m, n]`, the units' logits.

    Returns:
      `[m, k]`.
    """
    half = logit.shape[1] // 2
    first, second = _probabilities(logit[:, :half]), _probabilities(logit[:, half:])
    table = table.reshape(first.shape[1], second.shape[1], -1)
    partial = jnp.einsum("mb,abk->mak", second, table, precision="highest")
    return jnp.einsum("ma,mak->mk", first, partial, precision="highest")


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
    logit = machine.logits(layer, all_states(layer.weight.shape[0]))
    offset = above.log_prob - jnp.sum(jax.nn.softplus(logit), axis=-1)

    def one(row: jax.Array) -> Marginal:
        # row . logit is a sum over the units above that are on; over those of each half, at first.
        each = jnp.sum(layer.weight * row, axis=1)
        half = len(each) // 2
        first, second = (all_states(len(part)) @ part for part in (each[:half], each[half:]))
        log_joint = offset.reshape(len(first), len(second)) + (first[:, None] + second)
        highest = jnp.max(log_joint)
        weight = jnp.exp(log_joint - highest).reshape(-1)
        total = jnp.sum(weight)
        mean_top = jnp.matmul(weight, above.mean_top, precision="highest") / total
        return Marginal(highest + jnp.log(total) + jnp.sum(row * layer.bias), mean_top)

    chunk = max(1, min(len(rows), _CHUNK // len(offset)))
    return jax.lax.map(one, rows, batch_size=chunk)


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
