"""Wake-sleep as one would write it without JAX: what hmjax is checked and timed against.

`numpy_step` is the rule in plain NumPy, and the tests' reference. `numba_trainer` is a loop over
scalars that numba compiles, with its own draws; it trains the shifter alone, one image a step.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hmjax.machine import Params


def numpy_step(
    params: Params,
    images: np.ndarray,
    noise_wake: Sequence[np.ndarray],
    noise_sleep: Sequence[np.ndarray],
    rate: float,
) -> None:
    """One wake-sleep step, in place.

    Args:
      params: a machine of NumPy arrays, in any precision.
      images: `[batch, n_0]`.
      noise_wake: uniform numbers for layers 1, ..., L, each `[batch, n_l]`.
      noise_sleep: uniform numbers for layers 0, ..., L.
      rate: the learning rate.
    """
    depth, batch = len(params.generative), len(images)

    awake: list[Any] = [images]
    for level in range(depth):
        weight, bias = params.recognition[level]
        awake.append(fire(awake[level] @ weight + bias, noise_wake[level]))
    for level in range(depth):
        weight, bias = params.generative[level]
        error = awake[level] - sigmoid(awake[level + 1] @ weight + bias)
        weight += rate / batch * (awake[level + 1].T @ error)
        bias += rate * error.mean(axis=0)
    params.prior.bias[:] += rate * (awake[depth] - sigmoid(params.prior.bias)).mean(axis=0)

    dream: list[Any] = [fire(params.prior.bias, noise_sleep[depth])]
    for level in reversed(range(depth)):
        weight, bias = params.generative[level]
        dream.insert(0, fire(dream[0] @ weight + bias, noise_sleep[level]))
    for level in range(depth):
        weight, bias = params.recognition[level]
        error = dream[level + 1] - sigmoid(dream[level] @ weight + bias)
        weight += rate / batch * (dream[level].T @ error)
        bias += rate * error.mean(axis=0)


def fire(logit: Any, noise: np.ndarray) -> Any:
    """Binary units, in the precision of their logits."""
    return (noise < sigmoid(logit)).astype(logit.dtype)


def sigmoid(x: Any) -> Any:
    """The probability that a unit of logit x is on."""
    return 1 / (1 + np.exp(-x))


@functools.cache
def numba_trainer() -> Callable[..., None]:
    """Compiles `train(params, steps, rate, p_on)`, which trains machines in place, one a core.

    `params` holds machines of three layers, float32 NumPy arrays with a leading axis over them, for
    the shifter with two copies and shifts of -1 and +1.

    Raises:
      ImportError: if numba is not installed.
    """
    import numba

    fast: Any = numba.njit(fastmath=True, error_model="numpy")

    @fast
    def logits(inputs, weight, bias, outputs):
        for j in range(len(outputs)):
            outputs[j] = bias[j]
        for i in range(len(inputs)):
            if inputs[i] != 0:
                for j in range(len(outputs)):
                    outputs[j] += weight[i, j]

    @fast
    def sample(inputs, weight, bias, outputs):
        logits(inputs, weight, bias, outputs)
        for j in range(len(outputs)):
            outputs[j] = np.float32(np.random.random() < 1 / (1 + np.exp(-outputs[j])))

    @fast
    def learn(inputs, weight, bias, targets, error, rate):
        error = error[: len(targets)]
        logits(inputs, weight, bias, error)
        for j in range(len(targets)):
            error[j] = rate * (targets[j] - 1 / (1 + np.exp(-error[j])))
            bias[j] += error[j]
        for i in range(len(inputs)):
            if inputs[i] != 0:
                for j in range(len(targets)):
                    weight[i, j] += error[j]

    @fast
    def train_one(w, b, prior, r, c, steps, rate, p_on):
        depth = len(w)
        x = [np.zeros(b[level].size, np.float32) for level in range(depth)]
        x.append(np.zeros(prior.size, np.float32))
        error = np.zeros(max([len(layer) for layer in x]), np.float32)
        width = x[0].size // 4
        for _ in range(steps):
            shift = 1 if np.random.random() < 0.5 else -1
            for i in range(width):
                on = np.float32(np.random.random() < p_on)
                moved = (i + shift) % width
                x[0][i] = x[0][width + i] = on
                x[0][2 * width + moved] = x[0][3 * width + moved] = on
            for level in range(depth):
                sample(x[level], r[level], c[level], x[level + 1])
            for level in range(depth):
                learn(x[level + 1], w[level], b[level], x[level], error, rate)
            for j in range(prior.size):
                prior[j] += rate * (x[depth][j] - 1 / (1 + np.exp(-prior[j])))
                x[depth][j] = np.float32(np.random.random() < 1 / (1 + np.exp(-prior[j])))
            for level in range(depth - 1, -1, -1):
                sample(x[level + 1], w[level], b[level], x[level])
            for level in range(depth):
                learn(x[level], r[level], c[level], x[level + 1], error, rate)

    @numba.njit(parallel=True, fastmath=True, error_model="numpy")
    def train(w, b, prior, r, c, steps, rate, p_on):
        for k in numba.prange(len(prior)):
            train_one(
                (w[0][k], w[1][k]),
                (b[0][k], b[1][k]),
                prior[k],
                (r[0][k], r[1][k]),
                (c[0][k], c[1][k]),
                steps,
                np.float32(rate),
                p_on,
            )

    def trainer(params: Params, steps: int, rate: float, p_on: float) -> None:
        w, b = zip(*params.generative, strict=True)
        r, c = zip(*params.recognition, strict=True)
        train(w, b, params.prior.bias, r, c, steps, rate, p_on)

    return trainer
