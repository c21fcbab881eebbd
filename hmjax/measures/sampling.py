"""Measures on images that were not trained on, by samples of the hidden and top units."""

import math
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp

from hmjax import exact, machine
from hmjax.importance import Samples, annealed, importance_sampled
from hmjax.machine import Params
from hmjax.measures.recovery import recovered
from hmjax.measures.settings import Evaluation
from hmjax.measures.table import measures_of
from hmjax.measures.units import NATS_PER_BIT
from hmjax.tasks import Task


def held_out(
    key_importance: jax.Array,
    key_held_out: jax.Array,
    params: Params,
    samples: int | jax.Array,
    *,
    task: Task,
    evaluation: Evaluation,
    numbers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The measures of `evaluate` on held-out images, by samples of the recognition net."""
    images, labels, weights = task.unseen(key_held_out, evaluation.held_out, numbers)
    sampled = importance_sampled(key_importance, params, images, samples)
    surprise = -sampled.estimate.log_prob / NATS_PER_BIT
    measured = {
        "is_nll_bits": mean(surprise, weights),
        "is_effective_samples": mean(sampled.estimate.effective, weights),
        "is_error_bits": _error(surprise, weights),
        **_labels_recovered(sampled.mean_top, labels, weights, task, null=True),
    }
    if task.has_held_out:
        images, _ = task.sample(key_held_out, evaluation.held_out, numbers)
        log_prob = importance_sampled(key_importance, params, images, samples).estimate.log_prob
        measured["is_training_nll_bits"] = -jnp.mean(log_prob) / NATS_PER_BIT
    return measured


def by_annealing(
    key: jax.Array,
    key_held_out: jax.Array,
    params: Params,
    *,
    task: Task,
    evaluation: Evaluation,
    numbers: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The measures of `evaluate` by annealed importance sampling; NaN where there are exact ones.

    The NLL is the mean of `Task.surprise_bits` over images that are held out.
    """
    names = [each.name for each in measures_of(task) if each.is_annealed]
    sizes, temperatures = machine.sizes_of(params), evaluation.temperatures
    if exact.is_enumerable(sizes, task.images) or not temperatures:
        return dict.fromkeys(names, jnp.asarray(jnp.nan, jnp.float32))

    def samples(images: jax.Array) -> tuple[Samples, jax.Array]:
        runs = evaluation.annealed_runs
        found = annealed(key, params, images, runs=runs, temperatures=temperatures)
        return found, task.surprise_bits(images, found.estimate.log_prob)

    images, labels, weights = task.unseen(key_held_out, evaluation.held_out, numbers)
    found, surprise = samples(images)
    measured = {
        "annealed_nll_bits": mean(surprise, weights),
        "annealed_error_bits": _error(surprise, weights),
        "annealed_effective_runs": mean(found.estimate.effective, weights),
        **_labels_recovered(found.mean_top, labels, weights, task, "_annealed"),
    }
    if task.has_held_out:
        images, _ = task.sample(key_held_out, evaluation.held_out, numbers)
        measured["annealed_training_nll_bits"] = jnp.mean(samples(images)[1])
    return measured


def mean(values: jax.Array, weights: jax.Array | None) -> jax.Array:
    """The mean of values `[n]` by weights that sum to 1, or by equal ones."""
    return jnp.mean(values) if weights is None else jnp.sum(weights * values)


def _error(values: jax.Array, weights: jax.Array | None) -> jax.Array:
    """The standard error of `mean`, over images."""
    if weights is None:
        return jnp.std(values, ddof=1) / math.sqrt(len(values))
    squares = jnp.sum(weights * (values - mean(values, weights)) ** 2)
    n = jnp.sum(weights > 0)
    return jnp.sqrt(squares / (n - 1))


def _labels_recovered(
    mean_top: jax.Array,
    labels: jax.Array,
    weights: jax.Array | None,
    task: Task,
    end: str = "",
    *,
    null: bool = False,
) -> dict[str, jax.Array]:
    """How well mean top states `[n, n_L]` of images tell their labels `[n]` apart."""
    named = labels[:, None] == jnp.asarray(task.class_labels, jnp.int32)[None]
    if weights is None:
        weights = jnp.full(len(labels), 1 / len(labels), jnp.float32)
    return recovered(mean_top, weights, named.astype(jnp.float32), end, null=null)
