"""Exact log p(v), ELBO and posterior by enumeration, in nats."""

import functools
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.exact.states import (
    all_states,
    expectation,
    is_enumerable,
    logits_of_units,
    matmul,
)
from hmjax.exact.sums import Marginal, log_normalisers, sum_out, sum_out_to_all
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
        marginal = sum_out_to_all(layer, marginal)
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
    tops = all_states(params.prior.bias.shape[0])
    prior = machine.log_prior(params, tops)
    # Tops that are impossible, as another one is held, leave no bound where q allows them.
    impossible = jnp.isneginf(prior)
    value = jnp.where(impossible, 0, prior)
    for level in reversed(range(len(params.generative))):
        generative, recognition = params.generative[level], params.recognition[level]
        below = all_states(generative.weight.shape[1]) if level else images
        logit = logits_of_units(recognition, below)
        mean = expectation((value - log_normalisers(generative))[None], logit)[0]
        # x_l . logits is affine in x_{l+1}, so that its mean is had from the mean of x_{l+1}.
        field = matmul(generative.weight, below.T)
        value = mean + matmul(below, generative.bias) + _of_units(logit, field)
    barred = jax.lax.cond(
        jnp.any(impossible),
        lambda: _of_recognised(params, impossible.astype(jnp.float32)[None], images)[0] > 0,
        lambda: jnp.zeros(len(images), bool),
    )
    mean_top = _of_recognised(params, tops.T, images).T
    return Bound(jnp.where(barred, -jnp.inf, value), mean_top)


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
    return _of_recognised(params, jnp.eye(2 ** len(params.prior.bias), dtype=jnp.float32), images).T


def _of_recognised(params: Params, table: jax.Array, images: jax.Array) -> jax.Array:
    """The expectation of functions of the top state, `[k, 2**n_L]`, under q: `[k, n]`."""
    for level in reversed(range(len(params.recognition))):
        layer = params.recognition[level]
        below = all_states(len(layer.weight)) if level else images
        table = expectation(table, logits_of_units(layer, below))
    return table


def _of_units(logit: jax.Array, field: jax.Array) -> jax.Array:
    """The entropy of units that fire independently, and the mean of their sum times `field`.

    Args:
      logit: `[n, m]`, of each unit.
      field: `[n, m]`.

    Returns:
      `[m]`.
    """

    def add(carry: tuple[jax.Array, jax.Array], unit: tuple[jax.Array, jax.Array]) -> tuple:
        (total, product), (logit, field) = carry, unit
        total += jnp.maximum(logit, 0) + jax.nn.sigmoid(logit) * (field - logit)
        return (total, product * (1 + jnp.exp(jnp.minimum(logit, -logit)))), None

    nothing = jnp.zeros(logit.shape[1], jnp.float32)
    total, product = jax.lax.scan(add, (nothing, nothing + 1), (logit, field))[0]
    return total + jnp.log(product)
