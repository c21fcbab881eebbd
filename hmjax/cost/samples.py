"""Samples of the recognition net in scalar code, with their importance weights."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from hmjax.cost.kernels import (
    Style,
    Vector,
    errors_of,
    fire,
    largest_of,
    log_bernoulli,
    logits,
    probabilities,
    total,
)
from hmjax.cost.scalars import exp, phase
from hmjax.machine import Params

States = list[Vector]
"""The states (x_0, ..., x_L) of one image."""


class Sample(NamedTuple):
    """States of an image, and what is known of them.

    Attributes:
      states: (x_0, ..., x_L).
      recognised: the errors of the recognition net, a vector a layer.
      generated: those of the generative net, the prior's last.
      log_weight: log p(x) - log q(x_1, ..., x_L | x_0).
    """

    states: States
    recognised: Sequence[Vector] = ()
    generated: Sequence[Vector] = ()
    log_weight: Any = None


def sample_of(params: Params, image: Vector, noise: Sequence[Vector], style: Style) -> Sample:
    """A sample of the recognition net, and its weight."""
    states, errors, log_q = [image], [], []
    with phase("wake: recognise"):
        for layer, of_layer in zip(params.recognition, noise, strict=True):
            z = logits(layer, states[-1], style)
            probability = probabilities(z)
            states.append(fire(probability, of_layer))
            errors.append(errors_of(probability, states[-1]))
            log_q.append(log_bernoulli(states[-1], z))
    return _weigh(params, states, errors, log_q, style)


def weighed(params: Params, states: States, style: Style) -> Sample:
    """States that are there already, as a sample."""
    log_q = []
    with phase("wake: recognise"):
        for layer, below, above in zip(params.recognition, states, states[1:], strict=False):
            log_q.append(log_bernoulli(above, logits(layer, below, style)))
    return _weigh(params, states, [], log_q, style)


def _weigh(
    params: Params, states: States, errors: list[Vector], log_q: Vector, style: Style
) -> Sample:
    generated, log_p = [], []
    with phase("wake: weigh"):
        pairs = zip(params.generative, states, states[1:], strict=False)
        predictions = [(below, logits(layer, above, style)) for layer, below, above in pairs]
        prior: Any = params.prior.bias
        for x, z in [*predictions, (states[-1], prior)]:
            log_p.append(log_bernoulli(x, z))
            generated.append(errors_of(probabilities(z), x))
        return Sample(states, errors, generated, total(log_p) - total(log_q))


def normalised(log_weights: Vector, images: int) -> Vector:
    """The shares of samples of an image, which sum to 1 / images."""
    if len(log_weights) == 1:
        return [1 / images]
    largest = largest_of(log_weights)
    odds = [exp(each - largest) for each in log_weights]
    by = 1 / (images * total(odds)) if images > 1 else 1 / total(odds)
    return [each * by for each in odds]
