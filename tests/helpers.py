"""What several test files use: small machines, and brute force."""

import functools
import itertools
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from hmjax import InvalidInput, machine, measures
from hmjax.machine import Params

evaluate = jax.jit(measures.evaluate, static_argnames=("task", "evaluation"))

ROOT = Path(__file__).parent.parent
DATA = Path(__file__).parent / "data"
REFERENCE = sorted(DATA.glob("*.npz"))


def slow(*values):
    """Parameters of a case that the default run leaves out, as another shows the same."""
    return pytest.param(*values, marks=pytest.mark.slow)


def random_params(key: jax.Array, sizes: tuple[int, ...], scale: float = 1.0) -> Params:
    """A machine whose biases are random too."""
    return _random_params(key, tuple(sizes), scale)


@functools.partial(jax.jit, static_argnums=1)
def _random_params(key: jax.Array, sizes: tuple[int, ...], scale: float) -> Params:
    params = machine.init(key, sizes)
    leaves, tree = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    drawn = [scale * jax.random.normal(k, x.shape) for k, x in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(tree, drawn)


def binary(n: int) -> np.ndarray:
    return np.array(list(itertools.product((0, 1), repeat=n)), np.float32).reshape(2**n, n)


def every_state(sizes: tuple[int, ...]) -> machine.States:
    """Every joint state of a small machine, layer by layer."""
    joint = binary(sum(sizes))
    return tuple(jnp.asarray(x) for x in np.split(joint, np.cumsum(sizes)[:-1], axis=1))


def as_index(states: machine.States) -> np.ndarray:
    """The place of each row in `every_state`."""
    joint = np.concatenate([np.asarray(x) for x in states], axis=1)
    return (joint @ 2.0 ** np.arange(joint.shape[1])[::-1]).astype(int)


def assert_frequencies(index: np.ndarray, probability: np.ndarray, sigmas: float) -> None:
    """Asserts that counts of `index` are within so many standard errors of their expectation.

    States expected fewer than 5 times are pooled, where the normal bound would not hold.
    """
    n = len(index)
    counts = np.bincount(index, minlength=len(probability)).astype(float)
    rare = n * probability < 5
    counts = np.append(counts[~rare], counts[rare].sum())
    p = np.append(probability[~rare], probability[rare].sum())
    error = np.abs(counts - n * p) / np.sqrt(np.maximum(n * p * (1 - p), 1e-9) + 1e-6)
    assert error.max() < sigmas, f"{error.max():.2f} standard errors"


def refusal(function, *arguments, **options) -> str:
    """What is said where a function refuses what it is given; nothing if it does not."""
    try:
        function(*arguments, **options)
    except InvalidInput as error:
        return str(error)
    return ""


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def start(*arguments: str, **options) -> subprocess.Popen:
    """Starts `python run.py ...` as a user would."""
    return subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
