"""How a whole machine moves by what was drawn, in scalar code: what the steps of rules share."""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

from hmjax.cost.kernels import Style, Vector, dream, multiplied, scaled
from hmjax.cost.learning import Move, Moves, Row, learn, learn_prior, moved, moved_prior, predicted
from hmjax.cost.samples import Sample, States
from hmjax.cost.scalars import phase
from hmjax.machine import Params


class StepSettings(NamedTuple):
    """What a step is made for.

    Attributes:
      rule: its settings.
      sizes: the layer sizes.
      moves: how layers move.
      style: how loops are written.
    """

    rule: Any
    sizes: tuple[int, ...]
    moves: Moves
    style: Style


def parts(row: Vector, sizes: Sequence[int], *, rest: bool = False) -> list[Vector]:
    """A vector in parts of the given sizes, and with what is left of it if that is asked for."""
    ends = list(itertools.accumulate(sizes, initial=0))
    pieces = [row[begin:end] for begin, end in itertools.pairwise(ends)]
    return [*pieces, row[ends[-1] :]] if rest else pieces


def learn_generative(
    params: Params, states: list[States], shares: Vector, of: StepSettings
) -> Params:
    """The generative net after the delta rule on states, each with its share."""
    layers = []
    for level, layer in enumerate(params.generative):
        rows = [Row(x[level + 1], x[level], by) for x, by in zip(states, shares, strict=True)]
        layers.append(learn(layer, rows, of.moves.generative[level], of.style))
    tops = [(x[-1], by) for x, by in zip(states, shares, strict=True)]
    prior = learn_prior(params.prior, tops, of.moves.prior)
    return params._replace(generative=tuple(layers), prior=prior)


def learn_recognition(
    params: Params, states: list[States], shares: Vector, of: StepSettings
) -> Params:
    """The recognition net after the delta rule on states, each with its share."""
    layers = []
    for level, layer in enumerate(params.recognition):
        rows = [Row(x[level], x[level + 1], by) for x, by in zip(states, shares, strict=True)]
        layers.append(learn(layer, rows, of.moves.recognition[level], of.style))
    return params._replace(recognition=tuple(layers))


def update_generative(
    params: Params, samples: list[Sample], shares: Vector, of: StepSettings
) -> Params:
    """As `learn_generative`, from errors that are known."""

    def errors(level: int, move: Move) -> list[Vector]:
        pairs = zip(samples, shares, strict=True)
        return [scaled(each.generated[level], multiplied(by, move.rate)) for each, by in pairs]

    layers, prior = list(params.generative), params.prior
    for level, move in enumerate(of.moves.generative):
        if move is not None:
            inputs = [each.states[level + 1] for each in samples]
            layers[level] = moved(layers[level], inputs, errors(level, move), move)
    if of.moves.prior is not None:
        prior = moved_prior(prior, errors(-1, of.moves.prior), of.moves.prior)
    return params._replace(generative=tuple(layers), prior=prior)


def update_recognition(
    params: Params,
    samples: list[Sample],
    shares: Vector,
    dreams: list[States],
    of_dreams: Vector,
    of: StepSettings,
) -> Params:
    """From samples, whose errors are known, and from dreams."""
    layers = []
    for level, (layer, move) in enumerate(
        zip(params.recognition, of.moves.recognition, strict=True)
    ):
        pairs = zip(samples, shares, strict=True)
        errors = [scaled(x.recognised[level], multiplied(by, move.rate)) for x, by in pairs]
        rows = [Row(x[level], x[level + 1], by) for x, by in zip(dreams, of_dreams, strict=True)]
        errors += predicted(layer, rows, move, of.style)
        inputs = [x.states[level] for x in samples] + [row.inputs for row in rows]
        layers.append(moved(layer, inputs, errors, move))
    return params._replace(recognition=tuple(layers))


def learn_recognition_by(
    params: Params, samples: list[Sample], shares: Vector, noise: list[Vector], of: StepSettings
) -> Params:
    """By samples awake, by dreams or by both, as in `hmjax.rules.reweighted`."""
    learns_from, dreams = of.rule.recognition, []
    if learns_from != "wake":
        with phase("sleep: dream"):
            dreams = [dream(params, parts(row, of.sizes), of.style) for row in noise]
    if learns_from == "sleep":
        samples, shares = [], []
    half = 0.5 if learns_from == "both" else 1
    of_dreams = [half / len(noise)] * len(dreams)
    with phase("recognition: predict and update"):
        shares = [multiplied(half, each) for each in shares]
        if samples and samples[0].recognised:
            return update_recognition(params, samples, shares, dreams, of_dreams, of)
        states = [*(each.states for each in samples), *dreams]
        return learn_recognition(params, states, [*shares, *of_dreams], of)
