"""Classifying images by who explains them best: one machine for each label, of each seed.

An image v gets the label y whose log p(v | y) + log p(y) is largest, p(v | y) that of the machine
that was trained on the images of y, and p(y) the share of these. Beside it stands what nearest
neighbours and a logistic regression make of the same pixels, if scikit-learn is installed.

Source: Hinton, Dayan, Frey & Neal, Science 268:1158-1161, 1995.
"""

import importlib.util
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import exact
from hmjax.experiment import Experiment
from hmjax.importance import annealed, importance_sampled
from hmjax.machine import Params
from hmjax.runtime.ambient import own_settings
from hmjax.runtime.cipher import key_of
from hmjax.study import intervals
from hmjax.tasks import Images


@own_settings()
def classification(experiment: Experiment, classes: Sequence[Params]) -> dict[str, Any]:
    """How well machines of each label classify the images that are held out, as JSON values.

    Args:
      experiment: theirs, on images of all labels.
      classes: the machines of each label, with a leading axis over seeds.

    Returns:
      By name: `images`, how many; `errors`, the share that each seed's machines get wrong;
      `error`, the median; `interval`, the 95% Wilson interval of the seed in the middle, and
      `confusion`, `[labels, labels]`, what it names images of each label; `error_of_all`, that of
      p(v | y) averaged over seeds; and `others`, the errors of other classifiers by name.
    """
    task = experiment.task
    assert isinstance(task, Images)
    images, labels, counts = _held_out(task)
    # A machine that is not finite explains nothing.
    log_prob = np.stack([log_probs(experiment, each, images) for each in classes])
    log_prob = np.nan_to_num(log_prob, nan=-np.inf) + np.log(counts / counts.sum())[:, None, None]
    named = log_prob.argmax(axis=0)  # [seeds, images]
    wrong = (named != labels[None]).sum(axis=1)
    middle = int(np.argsort(wrong, kind="stable")[(len(wrong) - 1) // 2])
    confusion = np.zeros((len(classes), len(classes)), int)
    np.add.at(confusion, (labels, named[middle]), 1)
    of_all = np.logaddexp.reduce(log_prob, axis=1).argmax(axis=0)
    return {
        "images": len(labels),
        "errors": (wrong / len(labels)).tolist(),
        "error": float(np.median(wrong) / len(labels)),
        "interval": intervals.wilson(int(wrong[middle]), len(labels)),
        "confusion": confusion.tolist(),
        "error_of_all": float((of_all != labels).mean()),
        "others": _others(task, images, labels),
    }


def log_probs(experiment: Experiment, machines: Params, images: np.ndarray) -> np.ndarray:
    """Log p(v) of images under each of several machines, in nats `[machines, n]`.

    Exact where they can be enumerated, otherwise annealed, or by samples of q where the experiment
    has no temperatures.
    """
    evaluation, pixels = experiment.evaluation, jnp.asarray(images)

    def one(params: Params) -> jax.Array:
        if exact.is_enumerable(experiment.sizes, len(images)):
            return exact.exact_log_prob(params, pixels)
        if not evaluation.temperatures:
            samples = evaluation.final_samples
            return importance_sampled(key_of(0), params, pixels, samples).estimate.log_prob
        runs, temperatures = evaluation.annealed_runs, evaluation.temperatures
        found = annealed(key_of(0), params, pixels, runs=runs, temperatures=temperatures)
        return found.estimate.log_prob

    return np.asarray(jax.jit(lambda machines: jax.lax.map(one, machines))(machines))


def _held_out(task: Images) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The images that are held out, their labels' places, and how many of each are trained on."""
    images, labels, _ = task.unseen(key_of(0), len(task.drawn.held_out))
    counts = np.bincount(task.drawn.labels - 1, minlength=len(task.class_names))
    return np.asarray(images), np.asarray(labels) - 1, counts


def _others(task: Images, images: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The errors of other classifiers on the same pixels."""
    if importlib.util.find_spec("sklearn") is None:
        return {}
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier

    drawn = task.drawn
    if len(drawn.which) < 3:
        return {}
    trained = task.shares(drawn.images)[drawn.which]
    others = {
        "nearest neighbour": KNeighborsClassifier(1),
        "3 nearest neighbours": KNeighborsClassifier(3),
        "logistic regression": LogisticRegression(max_iter=2000),
    }
    return {
        name: float((other.fit(trained, drawn.labels - 1).predict(images) != labels).mean())
        for name, other in others.items()
    }
