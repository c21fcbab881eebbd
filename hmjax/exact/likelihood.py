"""Exact log p(v), ELBO and posterior by enumeration, in nats."""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.exact.sums import (
    Marginal,
    all_states,
    expectation,
    is_enumerable,
    matmul,
    probabilities,
    sum_out,
)
from hmjax.machine import Params

T = TypeVar("T")


class Bound(NamedTuple):
    """What the recognition net makes of images.

    Attributes:
      elbo: `[n]`, E_q[log p(x) - log q(x_1.. | v)] of each, in nats: the bound on log p(v) that
        falls short of it by KL(q || p(. | v)).
      mean_top: `[n, n_L]`, E_q[x_L | v].
    """

    elbo: jax.Array
    mean_top: jax.Array


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
        marginal = sum_out(layer, marginal, all_states(layer.weight.shape[1]))
    return sum_out(params.generative[0], marginal, images)


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
def recognition_bound(params: Params, images: jax.Array) -> Bound:
    """Exact ELBO and E_q[x_L | v]: what the recognition net makes of each image.

    Args:
      params: the machine.
      images: `[n, n_0]` of zeros and ones.

    Returns:
      The `Bound` of the images.

    Raises:
      ValueError: if a layer is too large to enumerate (see `ENUMERABLE`).
    """
    above = all_states(params.prior.bias.shape[0])
    prior = machine.log_prior(params, above)
    # Tops that are impossible, as another one is held, leave no bound where q allows them.
    impossible = jnp.isneginf(prior)
    value, mean_top = jnp.where(impossible, 0, prior), above
    barred = impossible.astype(jnp.float32)
    for level in reversed(range(len(params.generative))):
        generative, recognition = params.generative[level], params.recognition[level]
        below = all_states(generative.weight.shape[1]) if level else images
        logit = machine.logits(recognition, below)
        value -= machine.log_normaliser(machine.logits(generative, above))
        mean = expectation(jnp.column_stack([value, barred, mean_top]), logit)
        probability = jax.nn.sigmoid(logit)
        entropy = machine.log_normaliser(logit) - jnp.sum(logit * probability, axis=-1)
        # x_l . logits is affine in x_{l+1}, so that its mean is had from the mean of x_{l+1}.
        field = matmul(below, generative.weight.T)
        energy = jnp.sum(probability * field, axis=-1) + matmul(below, generative.bias)
        value, barred, mean_top = mean[:, 0] + energy + entropy, mean[:, 1], mean[:, 2:]
        above = below
    return Bound(jnp.where(barred > 0, -jnp.inf, value), mean_top)


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
    table = probabilities(machine.logits(top, below))
    for level in reversed(range(len(lower))):
        below = all_states(len(lower[level].weight)) if level else images
        table = expectation(table, machine.logits(lower[level], below))
    return table
