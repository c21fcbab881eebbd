"""Exact log p(v), ELBO and posterior by enumeration, and the importance-sampled estimate.

A layered net needs no sum over all its hidden states at once: each layer is summed out on its own,
as a table over the states of the layer below. For 32-16-4 that is one 65536 x 16 table and one
65536 x images product, where the joint has 2^20 terms an image.

Everything is in nats and in log space until the last step.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

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


def is_enumerable(sizes: tuple[int, ...], images: int) -> bool:
    """Whether the exact measures are feasible for a machine of these sizes on so many images."""
    rows = [images] + [2**n for n in sizes[1:]]
    return all(low * high <= ENUMERABLE for low, high in zip(rows[:-1], rows[1:], strict=True))


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
    top = all_rows(params.prior.bias.shape[0])
    marginal = Marginal(machine.log_bernoulli(top, params.prior.bias), jnp.asarray(top))
    for layer in params.generative[:0:-1]:
        marginal = _sum_out(layer, marginal, all_rows(layer.weight.shape[1]))
    return _sum_out(params.generative[0], marginal, images)


def exact_log_prob(params: Params, images: jax.Array) -> jax.Array:
    """Exact log p(v) of each image under the generative net.

    Args:
      params: the machine, as from `init`, `train` or `load_params`.
      images: `[n, n_0]` of zeros and ones, of any dtype.

    Returns:
      `[n]`, in nats. Divide by `-log(2)` for bits.

    Raises:
      ValueError: if a layer is too large to enumerate (see `ENUMERABLE`).
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
    above = all_rows(params.prior.bias.shape[0])
    value = Marginal(machine.log_bernoulli(above, params.prior.bias), jnp.asarray(above))
    for level in reversed(range(len(params.generative))):
        generative, recognition = params.generative[level], params.recognition[level]
        below = all_rows(generative.weight.shape[1]) if level else images
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
      table: `[2**n, k]`, the function at `all_rows(n)`.
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
    key: jax.Array, params: Params, images: jax.Array, *, samples: int
) -> Marginal:
    """log p(v) by importance sampling from the recognition net, log mean_m p(x^m) / q(x^m | v).

    Its expectation lies below log p(v), so an NLL from it is biased upward.

    Args:
      key: a `jax.random.key`.
      params: the machine.
      images: `[n, n_0]` of zeros and ones.
      samples: how many samples of q an image.

    Returns:
      A `Marginal`: the estimate, in nats, and the mean of the sampled top states, an estimate of
      E_q[x_L | v].
    """
    n = images.shape[0]
    repeated = jnp.repeat(images, samples, axis=0)
    states = machine.recognise(key, params, repeated)
    log_weight = machine.log_joint(params, states) - machine.log_recognition(params, states)
    log_mean = jax.nn.logsumexp(log_weight.reshape(n, samples), axis=1) - jnp.log(samples)
    return Marginal(log_mean, states[-1].reshape(n, samples, -1).mean(axis=1))


def _sum_out(layer: Layer, above: Marginal, rows: jax.Array) -> Marginal:
    """From all states of the layer above to the given rows `[n, n_out]` of the layer below."""
    logit = machine.logits(layer, all_rows(layer.weight.shape[0]))
    offset = above.log_prob - jnp.sum(jax.nn.softplus(logit), axis=-1)

    def one(row: jax.Array) -> Marginal:
        log_joint = offset + jnp.matmul(logit, row, precision="highest")
        highest = jnp.max(log_joint)
        weight = jnp.exp(log_joint - highest)
        total = jnp.sum(weight)
        mean_top = jnp.matmul(weight, above.mean_top, precision="highest") / total
        return Marginal(highest + jnp.log(total), mean_top)

    chunk = max(1, min(len(rows), _CHUNK // len(offset)))
    return jax.lax.map(one, jnp.asarray(rows), batch_size=chunk)


def _probabilities(logit: jax.Array) -> jax.Array:
    """The probability of every state of independent units, `[m, n]` logits to `[m, 2**n]`."""
    probability = jnp.ones((logit.shape[0], 1))
    for unit in jnp.unstack(logit, axis=1):
        off_on = jax.nn.sigmoid(jnp.stack([-unit, unit], axis=-1))
        probability = (probability[:, :, None] * off_on[:, None]).reshape(len(logit), -1)
    return probability


def _checked(params: Params, images: jax.Array) -> jax.Array:
    images = jnp.asarray(images, jnp.float32)
    sizes = machine.sizes_of(params)
    if not is_enumerable(sizes, len(images)):
        raise ValueError(f"layers {sizes} and {len(images)} images are too many to enumerate")
    return images
