"""What a step costs that is too large to be traced, from smaller machines of the same depth.

How often it reads is a sum over layers and pairs of layers, of which small machines tell the
coefficients, exactly. What a read costs grows with the root of what is alive, and so of the reads:
a straight line in that, through machines of the same shape made smaller, gives the cost of the
machine itself.
"""

import itertools
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from hmjax.cost.kernels import PLAIN, Style
from hmjax.cost.profile import cost_of, price
from hmjax.cost.recording import Recording
from hmjax.cost.tracing import Draws, recorded
from hmjax.experiment import Experiment
from hmjax.machine import Layer, Params, Prior
from hmjax.rules import ExactEM

# Shares of the layers that machines are made smaller to.
_SHARES = 0.125, 0.1875, 0.25, 0.3125, 0.375, 0.5

_BATCHES = 2, 3  # that tell how reads grow with the batch

_LARGEST = 700_000  # reads of a smaller machine


class Extrapolation(NamedTuple):
    """The cost of a first step by the law.

    Attributes:
      reads: how many.
      cost: at so many bytes a scalar as were asked for; none of exact EM, whose reads grow with the
        states of its layers, so that no law leads there from small machines.
      error: by what share the law through the other machines misses the largest that was traced.
      traced: the sizes of the machines it comes from.
    """

    reads: int
    cost: float | None
    error: float | None
    traced: list[tuple[int, ...]]


def reads_of(experiment: Experiment, style: Style = PLAIN, *, at: int = 0) -> int:
    """How many reads a step of an experiment has, without taking it.

    Raises:
      InvalidInput: if its rule cannot be profiled.
    """
    rule = experiment.rule
    if rule.batch > _BATCHES[1]:  # in a straight line from there on
        smaller = (replace(experiment, rule=replace(rule, batch=each)) for each in _BATCHES)
        two, three = (_reads_of(each, style, at) for each in smaller)
        return two + (rule.batch - _BATCHES[0]) * (three - two)
    return _reads_of(experiment, style, at)


def _reads_of(experiment: Experiment, style: Style, at: int) -> int:
    features = _exact_features if isinstance(experiment.rule, ExactEM) else _features
    layers = len(experiment.sizes)
    # Sizes that differ in every layer, so that the features can be told apart.
    all_sizes = list(itertools.product((1, 2, 3, 4), repeat=layers))
    count = 2 * len(features(experiment.sizes))
    rng = np.random.default_rng(0)
    some = [all_sizes[k] for k in rng.permutation(len(all_sizes))[:count]]
    counted = [len(_recorded(experiment, sizes, style, at).read) for sizes in some]
    of_sizes = np.array([features(sizes) for sizes in some], float)
    coefficients, *_ = np.linalg.lstsq(of_sizes, np.array(counted, float), rcond=None)
    assert np.abs(of_sizes @ coefficients - counted).max() < 0.01, "reads are no such sum"
    return round(float(np.array(features(experiment.sizes), float) @ coefficients))


def extrapolate(
    experiment: Experiment, style: Style = PLAIN, *, at: int = 0, bytes_a_scalar: int = 1
) -> Extrapolation:
    """The cost of a step of an experiment by the law.

    Raises:
      InvalidInput: if its rule cannot be profiled.
    """
    reads = reads_of(experiment, style, at=at)
    if isinstance(experiment.rule, ExactEM):
        return Extrapolation(reads, None, None, [])
    shapes = [tuple(max(1, round(share * size)) for size in experiment.sizes) for share in _SHARES]
    points: list[tuple[tuple[int, ...], int, float]] = []
    for shape in dict.fromkeys(shapes):
        if len(points) >= 3 and _about(points[-1], shape) > _LARGEST:
            break
        recording = _recorded(experiment, shape, style, at)
        cost = cost_of(price(recording).depth, bytes_a_scalar).sum()
        points.append((shape, len(recording.read), float(cost)))
    *others, (_, most, cost_of_most) = points
    error = _through(others, most) / cost_of_most - 1
    return Extrapolation(reads, _through(points, reads), error, [shape for shape, _, _ in points])


def _about(point: tuple[tuple[int, ...], int, float], sizes: tuple[int, ...]) -> float:
    """How often a machine of other sizes reads, about, given one that was traced."""
    weights = [sum(low * high for low, high in itertools.pairwise(x)) for x in (sizes, point[0])]
    return point[1] * weights[0] / weights[1]


def _through(points: list[tuple[tuple[int, ...], int, float]], reads: int) -> float:
    """The cost of so many reads, by a line through the cost of a read against their root."""
    of_points = np.array([count for _, count, _ in points], float)
    per_read = np.array([cost for _, _, cost in points]) / of_points
    slope, begin = np.polyfit(np.sqrt(of_points), per_read, 1)
    return reads * float(begin + slope * np.sqrt(reads))


def _recorded(experiment: Experiment, sizes: tuple[int, ...], style: Style, at: int) -> Recording:
    """A step of a machine of other sizes, on noise."""
    rule, rng = experiment.rule, np.random.default_rng(0)
    needed = rule.build(sizes, images=experiment.task.images).draws
    draws = Draws(
        (rng.random((1, rule.batch, sizes[0])) < experiment.task.p_on).astype(float),
        rng.integers(experiment.task.images, size=(1, rule.batch)),
        rng.random((1, rule.batch, needed)),
    )
    return recorded(experiment, _params(rng, sizes), draws, style, at=at)


def _params(rng: np.random.Generator, sizes: tuple[int, ...]) -> Params:
    def drawn(*shape: int) -> Any:
        return rng.normal(size=shape)

    def layer(inputs: int, units: int) -> Layer:
        return Layer(drawn(inputs, units), drawn(units))

    pairs = list(itertools.pairwise(sizes))
    return Params(
        tuple(layer(high, low) for low, high in pairs),
        Prior(drawn(sizes[-1])),
        tuple(layer(low, high) for low, high in pairs),
    )


def _features(sizes: tuple[int, ...]) -> list[float]:
    pairs = [float(low * high) for low, high in itertools.pairwise(sizes)]
    return [1.0, *map(float, sizes), *pairs]


def _exact_features(sizes: tuple[int, ...]) -> list[float]:
    """Those of rules that go through the states of layers too."""
    features = _features(sizes)
    for level, (low, high) in enumerate(itertools.pairwise(sizes)):
        features += [2.0**high * each for each in (1, low, high, low * high)]
        if level:
            features += [2.0**low * each for each in (1, low, high, low * high)]
            features += [2.0 ** (low + high) * each for each in (1, low, high)]
    return features
