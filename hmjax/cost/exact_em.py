"""A step of exact EM as a scalar program: `hmjax.rules.exact_em`.

States are enumerated, and so constants: what is multiplied by one is free or left out.
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from hmjax.cost.kernels import (
    Style,
    Vector,
    errors_of,
    largest_of,
    log_bernoulli,
    logits,
    multiplied,
    probabilities,
    scaled,
    total,
)
from hmjax.cost.learning import Move, Moves, moved, moved_prior
from hmjax.cost.scalars import exp, log, phase
from hmjax.machine import Layer, Params

Table = list[Vector]
"""P(above | below), a row a state below."""


def exact_em(params: Params, images: list[Vector], moves: Moves, style: Style) -> Params:
    """A machine after a step on images."""
    states: list[list[Any]] = [images, *(list(_states(len(r.bias))) for r in params.recognition)]
    generative, recognition = [], []
    weight: Vector = [1 / len(images)] * len(images)
    for level, link in enumerate(_posterior_chain(params, states, style)):
        below, above = states[level : level + 2]
        with phase("pairs"):
            pairs = [
                [multiplied(share, each) for each in row]
                for share, row in zip(weight, link, strict=True)
            ]
            of_above = [total(column) for column in zip(*pairs, strict=True)]
        with phase("generative: predict and update"):
            targets = _means(list(zip(*pairs, strict=True)), below)
            move, layer = moves.generative[level], params.generative[level]
            generative.append(_learned(layer, above, targets, of_above, move, style))
        with phase("recognition: predict and update"):
            move, layer = moves.recognition[level], params.recognition[level]
            targets = _means(pairs, above)
            recognition.append(_learned(layer, below, targets, weight, move, style))
        weight = of_above
    prior = params.prior
    if moves.prior is not None:
        with phase("generative: predict and update"):
            (means,) = _means([weight], states[-1])
            errors = scaled(errors_of(probabilities(prior.bias), means), moves.prior.rate)
            prior = moved_prior(prior, [errors], moves.prior)
    return Params(tuple(generative), prior, tuple(recognition))


def _states(size: int) -> Iterator[Vector]:
    return (list(state) for state in itertools.product((0, 1), repeat=size))


def _posterior_chain(params: Params, states: list[list[Vector]], style: Style) -> list[Table]:
    """P(x_1 | v) of each image, and p(x_{l+1} | x_l) of all states."""
    with phase("posterior"):
        log_prob = [log_bernoulli(top, params.prior.bias) for top in states[-1]]
        links: list[Table] = []
        for level in reversed(range(len(params.generative))):
            predicted = [logits(params.generative[level], x, style) for x in states[level + 1]]
            rows, sums = [], []
            for below in states[level]:
                joint = [
                    prior + log_bernoulli(below, z)
                    for prior, z in zip(log_prob, predicted, strict=True)
                ]
                normaliser = _log_sum(joint)
                rows.append([exp(each - normaliser) for each in joint])
                sums.append(normaliser)
            links.append(rows)
            log_prob = sums
        return links[::-1]


def _log_sum(terms: Vector) -> Any:
    """The log of the sum of the exponentials."""
    largest = largest_of(terms)
    return largest + log(total(exp(each - largest) for each in terms))


def _means(pairs: Sequence[Sequence[Any]], states: list[Vector]) -> list[Vector]:
    """The mean state above of each row, times the row's weight."""
    units = range(len(states[0]))
    return [
        [total(multiplied(x[k], p) for x, p in zip(states, row, strict=True)) for k in units]
        for row in pairs
    ]


def _learned(
    layer: Layer,
    inputs: list[Vector],
    targets: list[Vector],
    weight: Vector,
    move: Move | None,
    style: Style,
) -> Layer:
    """A layer after the delta rule on rows of some weight, whose targets are times that already."""
    if move is None:
        return layer
    errors = []
    for x, row, share in zip(inputs, targets, weight, strict=True):
        predicted = (multiplied(share, p) for p in probabilities(logits(layer, x, style)))
        errors.append(scaled(errors_of(predicted, row), move.rate))
    return moved(layer, inputs, errors, move)
