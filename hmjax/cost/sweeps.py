"""A Gibbs sweep as a scalar program: `hmjax.gibbs.sweep`."""

import math
from collections.abc import Sequence
from typing import Any

from hmjax.cost.kernels import Style, Vector, added, logits, total
from hmjax.cost.scalars import applied, named, sigmoid
from hmjax.machine import Layer, Params

_MOST = 20.0  # nats against a unit that are told apart, as in `hmjax.gibbs`


def sweep(
    noise: Sequence[Vector], params: Params, states: list[Vector], style: Style
) -> list[Vector]:
    """Every hidden and top unit of the states (x_0, ..., x_L) drawn anew, once."""
    after = list(states)
    for level, (layer, of_layer) in enumerate(zip(params.generative, noise, strict=True), 1):
        prior = params.prior.bias
        if level < len(params.generative):
            prior = logits(params.generative[level], after[level + 1], style)
        after[level] = _sweep_layer(of_layer, prior, after[level], layer, after[level - 1], style)
    return after


def _sweep_layer(
    noise: Vector, prior: Vector, units: Vector, layer: Layer, below: Vector, style: Style
) -> Vector:
    """The units of a layer drawn anew, given their logits without the states below."""
    # A logit times this speaks against the state that is predicted.
    against = [1 - 2 * x for x in below]
    pairs = zip(against, logits(layer, units, style), strict=True)
    z = [named("sweep", sign * each) for sign, each in pairs]
    penalties = [_penalty(each) for each in z]
    units = list(units)
    for j, weights in enumerate(layer.weight):
        turn = 1 - 2 * units[j]
        triples = zip(z, against, weights, strict=True)
        other = [named("sweep", each + sign * (weight * turn)) for each, sign, weight in triples]
        of_other = [_penalty(each) for each in other]
        more = total(new - old for new, old in zip(of_other, penalties, strict=True))
        # What speaks against the unit's other state speaks for the one it has.
        probability = named("probabilities", sigmoid(added(prior[j], -(more * turn))))
        new = named("states", noise[j] < probability)
        if new != units[j]:
            z, penalties = other, of_other
        units[j] = new
    return units


def _penalty(z: Any) -> Any:
    """-log p of a state that a logit speaks against so much, one instruction."""
    return named("sweep", applied(lambda z: math.log1p(math.exp(min(z, _MOST))), z))
