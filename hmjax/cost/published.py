"""The published kernels for bars, 4 x 4 pixels and 8 hidden units, found again from their costs.

They compare a Boltzmann machine (CD-1) with a Helmholtz machine (wake-sleep, 16-8-1), a sample a
step. Their sigmoid is `1 / (1 + math.exp(-z))` of a clipped z, and `math.exp` gives a number that
is no longer tracked, and so are every state, dream and most errors. Gradients are computed and not
applied. Given `tracked`, what comes of the exponential is tracked too; given `applied`, gradients
are applied.

Source of the costs: pull request 60 of the public repository cybertronai/hinton-problems. The order
of loops and arguments is not published, and is one that gives them.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from hmjax.cost.kernels import Vector
from hmjax.cost.scalars import exp

_RATE = 0.1

Matrix = list[Vector]


class Published(NamedTuple):
    """A published kernel.

    Attributes:
      cost: what it is published to cost, at a byte a scalar.
      program: the kernel.
      shapes: of its arguments.
    """

    cost: int
    program: Callable[..., Any]
    shapes: tuple[tuple[int, ...], ...]

    def arguments(self) -> list[np.ndarray]:
        """Some arguments; what it costs does not depend on which."""
        rng = np.random.default_rng(0)
        return [rng.normal(scale=0.1, size=shape) for shape in self.shapes]


def _sigmoid(z: Any, tracked: bool) -> Any:
    z = max(-30.0, min(30.0, z))
    return 1 / (1 + (exp(-z) if tracked else math.exp(-z)))


def _sum(terms: Iterable[Any]) -> Any:
    """The sum from 0 on, which reads the first term once more."""
    whole = 0
    for term in terms:
        whole = whole + term
    return whole


def _layer(weight: Matrix, bias: Vector, x: Vector, tracked: bool) -> Vector:
    """The probabilities of the units of a layer."""
    return [
        _sigmoid(_sum(x[i] * weight[i][j] for i in range(len(x))) + bias[j], tracked)
        for j in range(len(bias))
    ]


def _fire(p: Any) -> Any:
    """A state, by a number that is not tracked."""
    return p > 0.5


def _moved(old: Any, gradient: Any) -> Any:
    """A tree of parameters after its gradient."""
    if isinstance(old, list):
        return [_moved(a, b) for a, b in zip(old, gradient, strict=True)]
    return old + _RATE * gradient


def rbm_positive_phase(weight: Matrix, hidden_bias: Vector, v: Vector) -> Vector:
    """The hidden probabilities of a Boltzmann machine, of 16 visible and 8 hidden units."""
    return _layer(weight, hidden_bias, v, False)


def contrastive_divergence(
    weight: Matrix,
    visible_bias: Vector,
    hidden_bias: Vector,
    v: Vector,
    tracked: bool = False,
    applied: bool = False,
) -> Any:
    """A step of CD-1 of the same."""
    p = _layer(weight, hidden_bias, v, tracked)
    h = [_fire(each) for each in p]
    again = _layer([list(row) for row in zip(*weight, strict=True)], visible_bias, h, tracked)
    q = _layer(weight, hidden_bias, again, tracked)
    gradient = (
        [[v[i] * p[j] - again[i] * q[j] for j in range(len(p))] for i in range(len(v))],
        [a - b for a, b in zip(v, again, strict=True)],
        [a - b for a, b in zip(p, q, strict=True)],
    )
    if not applied:
        return gradient
    old = weight, visible_bias, hidden_bias
    return [_moved(a, b) for a, b in zip(old, gradient, strict=True)]


def wake_recognition(
    weight: Matrix,
    bias: Vector,
    top_weight: Vector,
    top_bias: Any,
    v: Vector,
    tracked: bool = False,
) -> tuple[Vector, Any]:
    """The states of 16-8-1 that recognition draws."""
    h = [_fire(p) for p in _layer(weight, bias, v, tracked)]
    if not tracked:
        h = [float(each) for each in h]
    z = _sum(x * w for x, w in zip(h, top_weight, strict=True)) + top_bias
    top = _fire(_sigmoid(z, tracked))
    return h, top if tracked else float(top)


def wake_sleep(
    hidden_bias: Vector,
    weight: Matrix,
    visible_bias: Vector,
    top_weight: Vector,
    prior: Any,
    recognition: Matrix,
    recognition_bias: Vector,
    top_recognition: Vector,
    top_recognition_bias: Any,
    v: Vector,
    tracked: bool = False,
    applied: bool = False,
) -> Any:
    """A step of wake-sleep of 16-8-1; `weight` has a row a hidden unit."""

    def fire(p: Any) -> Any:
        return _fire(p) if tracked else float(_fire(p))

    def of_top(top: Any) -> Vector:
        pairs = zip(top_weight, hidden_bias, strict=True)
        return [_sigmoid(top * w + b, tracked) for w, b in pairs]

    def recognised(x: Vector) -> Any:
        z = _sum(a * w for a, w in zip(x, top_recognition, strict=True)) + top_recognition_bias
        return _sigmoid(z, tracked)

    h = [fire(p) for p in _layer(recognition, recognition_bias, v, tracked)]
    top = fire(recognised(h))
    seen, hidden = _layer(weight, visible_bias, h, tracked), of_top(top)
    of_prior = top - _sigmoid(prior, tracked)
    of_visible = [a - p for a, p in zip(v, seen, strict=True)]
    of_weight = [[x * error for error in of_visible] for x in h]
    of_hidden = [a - p for a, p in zip(h, hidden, strict=True)]
    of_top_weight = [top * error for error in of_hidden]

    top = fire(_sigmoid(prior, tracked))
    h = [fire(p) for p in of_top(top)]
    dream = [fire(p) for p in _layer(weight, visible_bias, h, tracked)]
    again = _layer(recognition, recognition_bias, dream, tracked)
    errors = [a - p for a, p in zip(h, again, strict=True)]
    error = top - recognised(h)
    of_recognition = [[x * each for each in errors] for x in dream]
    gradient = (
        *(of_hidden, of_weight, of_visible, of_top_weight, of_prior, of_recognition, errors),
        *([x * error for x in h], error),
    )
    if not applied:
        return gradient
    old = (
        *(hidden_bias, weight, visible_bias, top_weight, prior, recognition, recognition_bias),
        *(top_recognition, top_recognition_bias),
    )
    return [_moved(a, b) for a, b in zip(old, gradient, strict=True)]


KERNELS = {
    "RBM positive phase": Published(2_177, rbm_positive_phase, ((16, 8), (8,), (16,))),
    "RBM CD-1": Published(6_928, contrastive_divergence, ((16, 8), (16,), (8,), (16,))),
    "wake recognition": Published(2_236, wake_recognition, ((16, 8), (8,), (8,), (), (16,))),
    "wake-sleep": Published(
        13_810,
        wake_sleep,
        ((8,), (8, 16), (16,), (8,), (), (16, 8), (8,), (8,), (), (16,)),
    ),
}
"""The published kernels by name."""
