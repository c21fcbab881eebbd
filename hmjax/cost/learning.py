"""How errors move a layer, in scalar code: the delta rule under the settings of `Descent`."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from hmjax.cost.kernels import (
    Style,
    Vector,
    errors_of,
    logit,
    logits,
    multiplied,
    probabilities,
    scaled,
    total,
)
from hmjax.cost.scalars import applied, in_place_of, named, sigmoid
from hmjax.errors import require
from hmjax.machine import Layer, Prior
from hmjax.rules import Descent


class Move(NamedTuple):
    """How a layer moves.

    Attributes:
      rate: its learning rate.
      weights: whether its weights move.
      biases: by what the updates of its biases are multiplied.
      are_tied: whether its biases move as one, by the mean of their updates.
      shrink: what its weights lose of their size.
      lowest: what a weight is at least.
      highest: and at most.
    """

    rate: float
    weights: bool = True
    biases: float = 1.0
    are_tied: bool = False
    shrink: float = 0.0
    lowest: float = -math.inf
    highest: float = math.inf


class Moves(NamedTuple):
    """How a machine moves in a step; `None` for a layer that stays as it is.

    Attributes:
      generative: its generative layers, lowest first.
      prior: its prior.
      recognition: its recognition layers.
    """

    generative: tuple[Move | None, ...]
    prior: Move | None
    recognition: tuple[Move, ...]


def moves_of(rule: Descent, layers: int, step: int) -> Moves:
    """How a rule moves a machine of so many layers of weights in a step, counted from 0.

    Raises:
      InvalidInput: if it has an optimiser with a state of its own.
    """
    require(rule.optimiser == "sgd", "rule.optimiser", rule.optimiser, "must be sgd to be profiled")
    numbers = rule.numbers()

    def rate_of(name: str) -> float:
        schedule = rule.schedule(numbers[name])
        return float(schedule(step) if callable(schedule) else schedule)

    up, down = rate_of("recognition_rate"), rate_of("learning_rate")
    factors = rule.layer_rates or (1.0,) * (layers + 1)
    lowest = 0.0 if rule.non_negative else -math.inf

    def layer(rate: float, level: int, **settings: Any) -> Move:
        rate *= factors[level]
        return Move(rate, shrink=rate * rule.weight_decay, **settings)

    recognition = tuple(layer(up, level) for level in range(layers))
    if step >= rule.hold:
        free = [layer(down, level) for level in range(layers)]
        free[0] = free[0]._replace(lowest=lowest)
        return Moves(tuple(free), layer(down, layers)._replace(shrink=0.0), recognition)
    fast = down * rule.hold_rate / numbers["learning_rate"]
    visible = Move(
        fast,
        biases=0.0,
        shrink=fast * rule.weight_decay,
        lowest=max(lowest, -rule.hold_cap),
        highest=rule.hold_cap,
    )
    tied = Move(fast, weights=False, biases=rule.hold_bias, are_tied=True)
    above = [tied, *[None] * (layers - 1)]
    return Moves((visible, *above[: layers - 1]), above[layers - 1], recognition)


class Row(NamedTuple):
    """What a layer learns from at once.

    Attributes:
      inputs: `[n_in]`.
      targets: `[n_out]`.
      share: how much it counts, 1 for a batch of one image.
    """

    inputs: Vector
    targets: Vector
    share: Any = 1


def predicted(layer: Layer, rows: Sequence[Row], move: Move, style: Style) -> list[Vector]:
    """The errors of a layer's predictions in rows, times their shares and its rate."""
    return [
        scaled(
            errors_of(probabilities(logits(layer, row.inputs, style)), row.targets),
            multiplied(row.share, move.rate),
        )
        for row in rows
    ]


def learn(layer: Layer, rows: Sequence[Row], move: Move | None, style: Style) -> Layer:
    """A layer after the delta rule on rows."""
    if move is None:
        return layer
    inputs = [row.inputs for row in rows]
    if not style.fused:
        return moved(layer, inputs, predicted(layer, rows, move, style), move)
    by = [multiplied(row.share, move.rate) for row in rows]
    weight: Any = [list(row) for row in layer.weight]
    bias: Any = list(layer.bias)
    for j in range(len(bias)):
        of_unit = []
        for row, each in zip(rows, by, strict=True):
            probability = named("probabilities", sigmoid(logit(layer, row.inputs, j)))
            of_unit += scaled(errors_of([probability], [row.targets[j]]), each)
        _move_unit(weight, bias, j, inputs, of_unit, move)
    return Layer(weight, _biases(layer.bias, bias, move))


def moved(layer: Layer, inputs: Sequence[Vector], errors: Sequence[Vector], move: Move) -> Layer:
    """A layer after the delta rule, given the errors of rows times their shares and its rate.

    The loop over its weights goes through the units of one input after the other.
    """
    of_unit = list(zip(*errors, strict=True))
    weight: Any = [
        [_moved_weight(old, [x[i] for x in inputs], of_unit[j], move) for j, old in enumerate(row)]
        for i, row in enumerate(layer.weight)
    ]
    bias: Any = [_moved_bias(old, of_unit[j], move) for j, old in enumerate(layer.bias)]
    return Layer(weight, _biases(layer.bias, bias, move))


def learn_prior(prior: Prior, tops: Sequence[tuple[Vector, Any]], move: Move | None) -> Prior:
    """The prior after the delta rule on states of the top units, each with its share."""
    if move is None:
        return prior
    probability = probabilities(prior.bias)
    errors = [
        scaled(errors_of(probability, top), multiplied(share, move.rate)) for top, share in tops
    ]
    return moved_prior(prior, errors, move)


def moved_prior(prior: Prior, errors: Sequence[Vector], move: Move) -> Prior:
    """The prior, given the errors of rows times their shares and its rate."""
    pairs = zip(prior.bias, zip(*errors, strict=True), strict=True)
    bias: Any = [_moved_bias(old, of_unit, move) for old, of_unit in pairs]
    return Prior(_biases(prior.bias, bias, move))


def _move_unit(
    weight: list[Vector],
    bias: Vector,
    j: int,
    inputs: Sequence[Vector],
    errors: Sequence[Any],
    move: Move,
) -> None:
    """Moves the weights and the bias of unit j, given its error in each row."""
    for i in range(len(weight)):
        weight[i][j] = _moved_weight(weight[i][j], [row[i] for row in inputs], errors, move)
    bias[j] = _moved_bias(bias[j], errors, move)


def _moved_weight(old: Any, inputs: Vector, errors: Sequence[Any], move: Move) -> Any:
    if not move.weights:
        return old
    new = multiplied(1 - move.shrink, old) if move.shrink else old
    update = total(multiplied(x, error) for x, error in zip(inputs, errors, strict=True))
    new = in_place_of(old, new + update)
    if math.isfinite(move.lowest):
        new = in_place_of(old, applied(lambda w: max(w, move.lowest), new))
    if math.isfinite(move.highest):
        new = in_place_of(old, applied(lambda w: min(w, move.highest), new))
    return new


def _moved_bias(old: Any, errors: Sequence[Any], move: Move) -> Any:
    """A bias after its update; of those that are tied, the update alone."""
    if not move.biases:
        return old
    update = multiplied(move.biases, total(errors))
    return update if move.are_tied else in_place_of(old, old + update)


def _biases(old: Vector, new: Vector, move: Move) -> Vector:
    if not move.are_tied:
        return new
    mean = total(new) * (1 / len(new))
    return [in_place_of(each, each + mean) for each in old]
