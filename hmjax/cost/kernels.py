"""What steps are made of, in plain scalar code, of the equations of `hmjax.machine`.

Numbers are tracked scalars or Python's own; vectors are lists. A unit fires where its noise lies
below its probability, and is then that comparison. An elementary function is one instruction.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple

from hmjax.cost.scalars import Scalar, applied, named, sigmoid
from hmjax.machine import Layer, Params

Vector = Any
"""A list of numbers, in place of an array; parameters hold lists of them likewise."""

Order = Literal["dot", "axpy"]
"""Which loop over weights is the inner one where units are predicted: over a unit's inputs, or over
the units of an input."""


class Style(NamedTuple):
    """How loops are written.

    Attributes:
      order: of those over weights, where units are predicted.
      fused: whether a unit's weights are learned as soon as its error is known, where a rule learns
        from states alone.
    """

    order: Order = "dot"
    fused: bool = False


PLAIN = Style()


def multiplied(x: Any, y: Any) -> Any:
    """The product; that of a constant 0 or 1 is no instruction."""
    if not isinstance(x, Scalar) and x in (0, 1):
        return y if x else 0
    return x * y


def added(x: Any, y: Any) -> Any:
    """The sum; that with a constant 0 is no instruction."""
    if not isinstance(y, Scalar) and y == 0:
        return x
    return y if not isinstance(x, Scalar) and x == 0 else x + y


def total(terms: Iterable[Any], first: Any = 0) -> Any:
    """The sum of terms, in turn."""
    for term in terms:
        first = added(first, term)
    return first


def logit(layer: Layer, inputs: Vector, j: int) -> Any:
    """The logit that a layer gives unit j."""
    pairs = zip(inputs, layer.weight, strict=True)
    return total((multiplied(x, row[j]) for x, row in pairs), layer.bias[j])


def logits(layer: Layer, inputs: Vector, style: Style) -> Vector:
    """The logits that a layer gives its units."""
    z: Vector = list(layer.bias)
    for i, j in _weights_in_order(len(inputs), len(z), style):
        z[j] = added(z[j], multiplied(inputs[i], layer.weight[i][j]))
    return z


def _weights_in_order(inputs: int, units: int, style: Style) -> Iterable[tuple[int, int]]:
    """The weights of a layer, `(input, unit)`, in the order in which loops come to them."""
    if style.order == "dot":
        return ((i, j) for j in range(units) for i in range(inputs))
    return ((i, j) for i in range(inputs) for j in range(units))


def probabilities(z: Vector) -> Vector:
    """The probabilities that units are on."""
    return [named("probabilities", sigmoid(each)) for each in z]


def fire(probability: Vector, noise: Vector) -> Vector:
    """Units that are on where their noise lies below their probability."""
    return [named("states", u < p) for u, p in zip(noise, probability, strict=True)]


def sample(layer: Layer, inputs: Vector, noise: Vector, style: Style) -> Vector:
    """Units drawn from what a layer gives them."""
    return fire(probabilities(logits(layer, inputs, style)), noise)


def recognise(params: Params, image: Vector, noise: Sequence[Vector], style: Style) -> list[Vector]:
    """The states (x_0, ..., x_L) of an image."""
    states = [image]
    for layer, of_layer in zip(params.recognition, noise, strict=True):
        states.append(sample(layer, states[-1], of_layer, style))
    return states


def dream(params: Params, noise: Sequence[Vector], style: Style) -> list[Vector]:
    """The states (x_0, ..., x_L) of a fantasy."""
    states = [fire(probabilities(params.prior.bias), noise[-1])]
    for layer, of_layer in zip(params.generative[::-1], noise[-2::-1], strict=True):
        states.append(sample(layer, states[-1], of_layer, style))
    return states[::-1]


def errors_of(probability: Iterable[Any], targets: Vector) -> Vector:
    """What units are, less what was predicted."""
    pairs = zip(targets, probability, strict=True)
    return [named("errors", target - p) for target, p in pairs]


def scaled(errors: Vector, by: Any) -> Vector:
    """Errors times a number; times 1, they are as they are."""
    return [named("errors", multiplied(by, error)) for error in errors]


def log_bernoulli(states: Vector, z: Vector) -> Any:
    """The log probability of the states of a layer."""
    return total(multiplied(x, each) - softplus(each) for x, each in zip(states, z, strict=True))


def largest_of(terms: Sequence[Any]) -> Any:
    """The largest of some numbers, each compared with the largest before it."""
    largest = terms[0]
    for each in terms[1:]:
        if each > largest:
            largest = each
    return largest


def softplus(z: Any) -> Any:
    """log(1 + exp(z)), one instruction."""
    return applied(lambda z: max(z, 0.0) + math.log1p(math.exp(-abs(z))), z)
