"""Gibbs sampling of the generative net: each hidden and top unit drawn anew, given all the others.

A unit j of layer l has the logit of what is above it, and of the evidence of the units i below it:

  logit p(x_lj = 1 | rest) = (x_{l+1} W_l + b_l)_j
      + sum_i log p(x_{l-1,i} | x_l with x_lj = 1) - log p(x_{l-1,i} | x_l with x_lj = 0)

at the top b_L alone with the evidence. A sweep goes through the layers upwards, and leaves the
posterior p(x_1, ..., x_L | x_0) as it is; but what speaks against a unit below by more than 20 nats
counts as 20, so that products of odds are finite. As in `hmjax.machine`, arrays may carry trailing
axes.

Source: Neal, Connectionist learning of belief networks, Artificial Intelligence 56:71-113, 1992.
"""

import functools
import operator

import jax
import jax.numpy as jnp

from hmjax import arithmetic, machine
from hmjax.machine import Layer, Noise, Params, States

_MOST = 20.0  # nats against a unit that are told apart: the product of four is finite

_FACTORS = 4  # of a product that one logarithm is taken of


def sweep(noise: Noise, params: Params, states: States, power: float | jax.Array = 1.0) -> States:
    """Draws every hidden and top unit anew, once.

    Args:
      noise: uniform numbers for the layers 1, ..., L, each `[n, n_l]`.
      params: the machine.
      states: (x_0, ..., x_L), each `[n, n_l]`.
      power: of p(x_0 | x_1) in what is sampled; 1 for the posterior.

    Returns:
      The states after it; x_0 is as it was.
    """
    after = list(states)
    for level, (layer, of_layer) in enumerate(zip(params.generative, noise, strict=True), 1):
        above = params.generative[level:]
        prior = machine.logits(above[0], after[level + 1]) if above else params.prior.bias[None]
        after[level] = _sweep_layer(
            of_layer, layer, prior, after[level - 1], after[level], 1.0 if level > 1 else power
        )
    return tuple(after)


def _sweep_layer(
    noise: jax.Array,
    layer: Layer,
    prior: jax.Array,
    below: jax.Array,
    units: jax.Array,
    power: float | jax.Array,
) -> jax.Array:
    """Draws the units `[n, n_in]` of a layer anew, which predict the states below by `layer`.

    Args:
      noise: `[n, n_in]`.
      layer: the weights from them.
      prior: their logits, given what is above, `[n, n_in]` or `[1, n_in]`.
      below: `[n, n_out]`.
      units: as they are.
      power: of the evidence.
    """
    against = 1 - 2 * below  # a logit times this speaks against the state of the unit below
    prior = jnp.broadcast_to(prior, units.shape)

    def unit(j: jax.Array, carry: tuple) -> tuple:
        logit, odds, units = carry
        weight, now, ahead, uniform = (
            jax.lax.dynamic_index_in_dim(array, j, axis, keepdims=False)
            for array, axis in ((layer.weight, 0), (units, 1), (prior, 1), (noise, 1))
        )
        turned = 1 - 2 * now
        other_logit = logit + against * weight[None] * turned[:, None]
        other_odds = _odds(other_logit)
        # log p(below | the unit as it is) - log p(below | the unit turned), then on less off.
        evidence = _log_ratio(1 + other_odds, 1 + odds) * -turned
        new = machine.fire(ahead + power * evidence, uniform)
        is_turned = (new != now)[:, None]
        return (
            jnp.where(is_turned, other_logit, logit),
            jnp.where(is_turned, other_odds, odds),
            jax.lax.dynamic_update_index_in_dim(units, new, j, axis=1),
        )

    logit = against * machine.logits(layer, units)
    return jax.lax.fori_loop(0, units.shape[1], unit, (logit, _odds(logit), units))[-1]


def _odds(logit: jax.Array) -> jax.Array:
    return jnp.exp(jnp.minimum(logit, _MOST))


def _log_ratio(above: jax.Array, below: jax.Array) -> jax.Array:
    """The log of the product of ratios along the second axis, of numbers from 1 to exp(`_MOST`)."""
    short = -above.shape[1] % _FACTORS
    products = []
    for factors in (above, below):
        ends = [(0, 0), (0, short)] + [(0, 0)] * (factors.ndim - 2)
        quarters = jnp.split(jnp.pad(factors, ends, constant_values=1), _FACTORS, axis=1)
        products.append(functools.reduce(operator.mul, quarters))
    return arithmetic.total(jnp.log(products[0] / products[1]), axis=1)
