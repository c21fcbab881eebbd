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
from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hmjax import arithmetic, machine
from hmjax.machine import Layer, Noise, Params, States

_MOST = 20.0  # nats against a unit that are told apart: the product of four is finite

_FACTORS = 4  # of a product that one logarithm is taken of


class _Evidence(NamedTuple):
    """States of other units that the units of a layer predict.

    Attributes:
      layer: the weights from the layer to them.
      states: `[n, n_out]`.
      power: of their probability.
    """

    layer: Layer
    states: jax.Array
    power: float | jax.Array


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
        below = _Evidence(layer, after[level - 1], 1.0 if level > 1 else power)
        prior = _from_above(params, after, level)
        after[level] = _sweep_layer(of_layer, prior, after[level], [below])
    return tuple(after)


def bridging_sweep(
    noise: Noise, params: Params, states: States, power: float | jax.Array
) -> States:
    """`sweep` of what lies between q and p: p(x)^power q(x_1, ..., x_L | x_0)^(1 - power)."""
    after, rest = list(states), 1 - power
    levels = zip(params.generative, params.recognition, noise, strict=True)
    for level, (generative, recognition, of_layer) in enumerate(levels, 1):
        below = after[level - 1]
        prior = power * _from_above(params, after, level)
        prior += rest * machine.logits(recognition, below)
        evidence = [_Evidence(generative, below, power)]
        if level < len(params.recognition):
            evidence.append(_Evidence(params.recognition[level], after[level + 1], rest))
        after[level] = _sweep_layer(of_layer, prior, after[level], evidence)
    return tuple(after)


def _from_above(params: Params, states: Sequence[jax.Array], level: int) -> jax.Array:
    """The logits of a layer given what is above it, `[n, n_l]`, or `[1, n_L]` at the top."""
    if level == len(params.generative):
        return params.prior.bias[None]
    return machine.logits(params.generative[level], states[level + 1])


def _sweep_layer(
    noise: jax.Array, prior: jax.Array, units: jax.Array, evidence: Sequence[_Evidence]
) -> jax.Array:
    """Draws the units `[n, n_in]` of a layer anew.

    Args:
      noise: `[n, n_in]`.
      prior: their logits without the evidence, `[n, n_in]` or `[1, n_in]`.
      units: as they are.
      evidence: what they predict.
    """
    prior = jnp.broadcast_to(prior, units.shape)
    # A logit times this speaks against the state that is predicted.
    against = [1 - 2 * each.states for each in evidence]

    def unit(j: jax.Array, carry: tuple) -> tuple:
        units, tables = carry
        now, ahead, uniform = (
            jax.lax.dynamic_index_in_dim(array, j, 1, keepdims=False)
            for array in (units, prior, noise)
        )
        turned, others = 1 - 2 * now, []
        for (logit, odds), sign, (layer, _, power) in zip(tables, against, evidence, strict=True):
            weight = jax.lax.dynamic_index_in_dim(layer.weight, j, 0, keepdims=False)
            other_logit = logit + sign * weight[None] * turned[:, None]
            others.append((other_logit, _odds(other_logit)))
            # log p(states | the unit as it is) - log p(states | the unit turned), on less off.
            ahead = ahead + power * (_log_ratio(1 + others[-1][1], 1 + odds) * -turned)
        new = machine.fire(ahead, uniform)
        is_turned = (new != now)[:, None]
        tables = jax.tree.map(
            lambda other, table: jnp.where(is_turned, other, table), others, tables
        )
        return jax.lax.dynamic_update_index_in_dim(units, new, j, axis=1), tables

    logits = [
        sign * machine.logits(each.layer, units)
        for sign, each in zip(against, evidence, strict=True)
    ]
    begin = units, [(logit, _odds(logit)) for logit in logits]
    return jax.lax.fori_loop(0, units.shape[1], unit, begin)[0]


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
