"""The Helmholtz machine: a sigmoid belief net and the recognition net that inverts it.

Layers are numbered from the data upwards, x_0 (visible), ..., x_L (top), all of binary units:

  generative   p(x_L) = Bern(sigmoid(b_L)),   p(x_l | x_{l+1}) = Bern(sigmoid(x_{l+1} W_l + b_l))
  recognition  q(x_{l+1} | x_l) = Bern(sigmoid(x_l R_l + c_l))

A unit of logit z fires when a uniform number lies below sigmoid(z). The noise does not depend on
the parameters, so that whole blocks of it can be drawn ahead.

Parameters, states and noise may carry trailing axes, one machine a place, which functions that take
noise and not a key broadcast over: `[n_in, n_out]` below then stands for `[n_in, n_out, ...]`.

Source: Dayan, Hinton, Neal & Zemel, Neural Computation 7:889-904, 1995.
"""

import functools
import itertools
import math
import operator
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import arithmetic
from hmjax.errors import require
from hmjax.runtime.ambient import own_generator
from hmjax.runtime.cipher import uniforms

States = tuple[jax.Array, ...]
"""A state of every layer, (x_0, ..., x_L), each `[n, n_l]` of zeros and ones."""

Noise = tuple[jax.Array, ...]
"""Uniform numbers above 0 and below 1, `[n, n_l]` for each layer to sample, lowest layer first."""

_ABOVE_MINUS_ONE = float(np.nextafter(np.float32(-1), np.float32(0)))


class Layer(NamedTuple):
    """One layer of weights.

    Attributes:
      weight: `[n_in, n_out]`.
      bias: `[n_out]`.
    """

    weight: jax.Array
    bias: jax.Array


class Prior(NamedTuple):
    """The generative net's top layer, whose units have nothing above them.

    Attributes:
      bias: `[n_L]`.
    """

    bias: jax.Array


class Params(NamedTuple):
    """A machine's parameters.

    Attributes:
      generative: L layers; `generative[l]` predicts x_l from x_{l+1}.
      prior: predicts x_L.
      recognition: L layers; `recognition[l]` predicts x_{l+1} from x_l.
    """

    generative: tuple[Layer, ...]
    prior: Prior
    recognition: tuple[Layer, ...]


def sizes_of(params: Params) -> tuple[int, ...]:
    """The layer sizes (n_0, ..., n_L) of a machine."""
    lower = (layer.bias.shape[-1] for layer in params.generative)
    return (*lower, params.prior.bias.shape[-1])


def init(
    key: jax.Array,
    sizes: Sequence[int],
    *,
    p_on: float = 0.5,
    weight_scale: float | jax.Array = 0.1,
) -> Params:
    """Draws the parameters of an untrained machine.

    Args:
      key: a `jax.random.key`.
      sizes: layer sizes (n_0, ..., n_L), visible first, at least two.
      p_on: the data's share of pixels that are on; the visible bias starts at its logit.
      weight_scale: standard deviation of the normal weights.

    Returns:
      `Params` in float32, every bias but the visible one 0.

    Raises:
      InvalidInput: if there are fewer than two layers, an empty one, or `p_on` is no probability.
    """
    sizes = tuple(sizes)
    require(
        len(sizes) >= 2 and min(sizes) >= 1, "sizes", sizes, "must be two or more layers of units"
    )
    require(0 < p_on < 1, "p_on", p_on, "must be a probability between 0 and 1")
    visible_bias = jnp.float32(math.log(p_on / (1 - p_on)))
    return _drawn(key, visible_bias, jnp.asarray(weight_scale, jnp.float32), sizes=sizes)


@functools.partial(jax.jit, static_argnames="sizes")
def _drawn(
    key: jax.Array,
    visible_bias: jax.Array,
    weight_scale: jax.Array,
    *,
    sizes: tuple[int, ...],
) -> Params:
    pairs = list(itertools.pairwise(sizes))
    shapes = [(high, low) for low, high in pairs] + pairs
    ends = list(itertools.accumulate(math.prod(shape) for shape in shapes))
    # As jax.random.normal draws them, but with one factor: of two, who calls would decide which are
    # multiplied first, and so the last bits.
    with own_generator():
        uniform = jax.random.uniform(key, (ends[-1],), jnp.float32, minval=_ABOVE_MINUS_ONE)
    drawn = (math.sqrt(2) * weight_scale) * jax.lax.erf_inv(uniform)
    layers = [
        Layer(weight.reshape(shape), jnp.zeros(shape[1], jnp.float32))
        for weight, shape in zip(jnp.split(drawn, ends[:-1]), shapes, strict=True)
    ]
    visible = layers[0]._replace(bias=jnp.full(sizes[0], visible_bias))
    return Params(
        generative=(visible, *layers[1 : len(pairs)]),
        prior=Prior(jnp.zeros(sizes[-1], jnp.float32)),
        recognition=tuple(layers[len(pairs) :]),
    )


def logits(layer: Layer, inputs: jax.Array) -> jax.Array:
    """The logits `[n, n_out]` that a layer gives its units for inputs `[n, n_in]`."""
    return arithmetic.product(layer.bias, inputs, layer.weight)


def log_bernoulli(x: jax.Array, logit: jax.Array) -> jax.Array:
    """Log Bern(x; sigmoid(logit)) of states and logits `[n, n_l]`, in nats `[n]`."""
    return _log_bernoulli(*jnp.broadcast_arrays(jnp.asarray(x, logit.dtype), logit))


def log_normaliser(logit: jax.Array) -> jax.Array:
    """The sum of log(1 + exp(logit)) over units, of `[n, n_l]`: what their log_prob is less by."""
    return -_log_bernoulli(jnp.zeros_like(logit), logit)


@jax.custom_jvp
def _log_bernoulli(x: jax.Array, logit: jax.Array) -> jax.Array:
    more = x * logit - jnp.maximum(logit, 0)  # than log(1 + exp(-|logit|)) off it
    if not arithmetic.is_small(*logit.shape[:2]):
        return jnp.sum(more - jnp.log1p(jnp.exp(jnp.minimum(logit, -logit))), axis=1)
    # One logarithm for all units, of a product of numbers of 1/2 or more.
    on = jax.nn.sigmoid(logit)
    likelier = jnp.unstack(jnp.maximum(on, 1 - on), axis=1)
    return arithmetic.total(more, axis=1) + jnp.log(functools.reduce(operator.mul, likelier))


@_log_bernoulli.defjvp
def _(primals: tuple, tangents: tuple) -> tuple[jax.Array, jax.Array]:
    # By the logit it is the delta rule, also at 0, where those of its terms are undefined.
    (x, logit), (dx, dlogit) = primals, tangents
    slope = logit * dx + (x - jax.nn.sigmoid(logit)) * dlogit
    return _log_bernoulli(x, logit), jnp.sum(slope, axis=1)


def by_layer(noise: jax.Array, sizes: Sequence[int]) -> Noise:
    """Noise `[n, sum of sizes]` as that of layers of the given sizes."""
    return tuple(jnp.split(noise, list(itertools.accumulate(sizes[:-1])), axis=1))


def draw_noise(key: jax.Array, sizes: Sequence[int], n: int) -> Noise:
    """Noise for `n` samples of layers of the given sizes."""
    return by_layer(uniforms(key, (n, sum(sizes))), sizes)


def fire(logit: jax.Array, noise: jax.Array) -> jax.Array:
    """Binary units: 1 where the noise lies below sigmoid(logit), else 0."""
    return (noise < jax.nn.sigmoid(logit)).astype(jnp.float32)


def recognise_with(noise: Noise, params: Params, images: jax.Array) -> States:
    """`recognise` with the noise of layers 1, ..., L given."""
    states = [images]
    for layer, layer_noise in zip(params.recognition, noise, strict=True):
        states.append(fire(logits(layer, states[-1]), layer_noise))
    return tuple(states)


def generate_with(noise: Noise, params: Params) -> States:
    """`generate` with the noise of layers 0, ..., L given."""
    states = [fire(params.prior.bias[None], noise[-1])]
    for layer, layer_noise in zip(params.generative[::-1], noise[-2::-1], strict=True):
        states.append(fire(logits(layer, states[-1]), layer_noise))
    return tuple(states[::-1])


def recognise(key: jax.Array, params: Params, images: jax.Array) -> States:
    """Samples the recognition net bottom-up, q(x_1, ..., x_L | x_0).

    Args:
      key: a `jax.random.key`.
      params: the machine.
      images: `[n, n_0]` of zeros and ones, of any dtype.

    Returns:
      The states (x_0, ..., x_L) in float32, each `[n, n_l]`; x_0 is `images`.
    """
    return _recognised(key, params, jnp.asarray(images, jnp.float32))


@jax.jit
def _recognised(key: jax.Array, params: Params, images: jax.Array) -> States:
    noise = draw_noise(key, sizes_of(params)[1:], len(images))
    return recognise_with(noise, params, images)


@functools.partial(jax.jit, static_argnums=2)
def generate(key: jax.Array, params: Params, n: int) -> States:
    """Samples the generative net top-down: `n` fantasies.

    Args:
      key: a `jax.random.key`.
      params: the machine.
      n: how many.

    Returns:
      The states (x_0, ..., x_L) in float32, each `[n, n_l]`; x_0 holds the fantasies.
    """
    return generate_with(draw_noise(key, sizes_of(params), n), params)


def hold_top(params: Params, top: jax.Array) -> Params:
    """The machine whose fantasies all have the top state `top` `[n_L]`."""
    held = jnp.where(top > 0, jnp.inf, -jnp.inf).astype(params.prior.bias.dtype)
    return params._replace(prior=Prior(held))


def log_prior(params: Params, tops: jax.Array) -> jax.Array:
    """Log p(x_L) of top states `[n, n_L]`, in nats `[n]`; biases may be infinite."""
    largest = float(jnp.finfo(jnp.float32).max)
    log_prob = log_bernoulli(tops, jnp.clip(params.prior.bias, -largest, largest)[None])
    return jnp.where(log_prob <= -largest, -jnp.inf, log_prob)


@jax.jit
def log_joint(params: Params, states: States) -> jax.Array:
    """Log p(x_0, ..., x_L) of each row, in nats `[n]`."""
    log_prob = log_prior(params, states[-1])
    for layer, below, above in zip(params.generative, states[:-1], states[1:], strict=True):
        log_prob += log_bernoulli(below, logits(layer, above))
    return log_prob


@jax.jit
def log_recognition(params: Params, states: States) -> jax.Array:
    """Log q(x_1, ..., x_L | x_0) of each row, in nats `[n]`."""
    levels = zip(params.recognition, states[:-1], states[1:], strict=True)
    terms = (log_bernoulli(above, logits(layer, below)) for layer, below, above in levels)
    return functools.reduce(operator.add, terms)
