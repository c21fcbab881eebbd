"""Restarts: back to the best machine so far, with a few of its hidden units made anew.

Learning rules get stuck: units die, or agree with their neighbours on the wrong half of a symmetry.
At each evaluation up to a given step the machine is kept if its exact NLL is the lowest so far.
Training then goes on from the lowest, with some hidden units, drawn at random, as they would be
before the first step; at the last restart none are, and what is left of training is undisturbed.

Only the NLL decides, as a measure of the machine and no part of the learning rule: neither labels
nor directions are looked at. A machine's cost is its steps, those whose gain was thrown away too.
"""

import functools
import itertools
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.errors import require
from hmjax.machine import Layer, Params


@dataclass(frozen=True)
class Restarts:
    """When a machine starts anew in part."""

    until: int = 0
    """Step up to which every evaluation restarts from the best so far; 0 for no restarts."""
    units: int = 8
    """Hidden units made anew at a restart, at most: how many is drawn from 1 to this."""

    def __post_init__(self) -> None:
        require(self.until >= 0, "restarts.until", self.until, "must be 0 or a later step")
        require(self.units >= 1, "restarts.units", self.units, "must be at least 1")


class Best(NamedTuple):
    """The best machine so far.

    Attributes:
      nll_bits: float32 `[]`, its exact NLL; infinite before the first evaluation.
      params: the machine.
    """

    nll_bits: jax.Array
    params: Params


def none_yet(params: Params) -> Best:
    """What is best before anything is."""
    return Best(jnp.asarray(jnp.inf, jnp.float32), params)


@functools.partial(jax.jit, static_argnames="restarts")
def restart(
    key: jax.Array,
    params: Params,
    best: Best,
    nll_bits: jax.Array,
    step: jax.Array,
    weight_scale: jax.Array,
    *,
    restarts: Restarts,
) -> tuple[Params, Best]:
    """What training goes on from after an evaluation, and the best so far.

    Args:
      key: of the seed's restarts.
      params: the machine that was evaluated.
      best: the best before it.
      nll_bits: its exact NLL.
      step: how many steps have been taken, 1 to `restarts.until`.
      weight_scale: standard deviation of new weights.
      restarts: the settings.
    """
    is_better = nll_bits < best.nll_bits
    best = jax.tree.map(
        lambda new, old: jnp.where(is_better, new, old), Best(nll_bits, params), best
    )
    key_count, key_units, key_weights = jax.random.split(jax.random.fold_in(key, step), 3)
    sizes = machine.sizes_of(params)
    count = jax.random.randint(key_count, (), 1, restarts.units + 1)
    count = jnp.where(step == restarts.until, 0, count)
    chosen = jax.random.permutation(key_units, jnp.arange(sum(sizes[1:-1])) < count)
    new = machine.init(key_weights, sizes, weight_scale=weight_scale)
    return renewed(best.params, new, chosen), best


def renewed(params: Params, new: Params, chosen: jax.Array) -> Params:
    """A machine with all weights and biases of some hidden units taken from another.

    Args:
      params: the machine.
      new: where the units are taken from.
      chosen: bool `[n_1 + ... + n_{L-1}]`, which units.
    """
    sizes = machine.sizes_of(params)
    ends = list(itertools.accumulate(sizes[1:-2]))
    # Visible and top units stay as they are, but for their weights to the units chosen.
    layers = [
        jnp.zeros(sizes[0], bool),
        *(jnp.split(chosen, ends) if len(sizes) > 2 else []),
        jnp.zeros(sizes[-1], bool),
    ]

    def take(old: Layer, other: Layer, inputs: jax.Array, outputs: jax.Array) -> Layer:
        touched = inputs[:, None] | outputs
        return Layer(
            jnp.where(touched, other.weight, old.weight),
            jnp.where(outputs, other.bias, old.bias),
        )

    pairs = list(itertools.pairwise(layers))
    return params._replace(
        generative=tuple(
            take(old, other, above, below)
            for old, other, (below, above) in zip(
                params.generative, new.generative, pairs, strict=True
            )
        ),
        recognition=tuple(
            take(old, other, below, above)
            for old, other, (below, above) in zip(
                params.recognition, new.recognition, pairs, strict=True
            )
        ),
    )
