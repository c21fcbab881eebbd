"""Everything that is measured of a machine as it is evaluated.

A measure of a sampled estimate stands beside the exact one wherever enumeration is feasible. With
two classes, "right" is the class of the higher label: right for the shifter, vertical for the bars.
"""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import exact, machine
from hmjax.importance import annealed, importance_sampled
from hmjax.machine import Params
from hmjax.measures.fantasies import selectivity, shown_exactly, variants
from hmjax.measures.recovery import class_recovery
from hmjax.measures.settings import Evaluation
from hmjax.measures.table import MEASURES, shape_of
from hmjax.measures.units import NATS_PER_BIT
from hmjax.runtime.ambient import own_generator
from hmjax.tasks import Task

Measures = dict[str, Any]
"""Arrays by name; a measure that has no meaning for a machine or a task is NaN."""


class Data(NamedTuple):
    """How probable the images of a task's support are, in float32.

    Attributes:
      probabilities: `[n]`, summing to 1.
      class_given_image: `[n, classes]`, P(class | image).
      entropy_bits: `[]`, of the data.
    """

    probabilities: Any
    class_given_image: Any
    entropy_bits: Any


def data_of(task: Task) -> Data:
    """That of a task, in the order of its support."""
    support = task.support()
    known = support.probabilities, support.class_given_image, task.entropy_bits
    return Data(*(np.float32(each) for each in known))


def evaluate(
    key: jax.Array,
    key_held_out: jax.Array,
    params: Params,
    samples: int | jax.Array,
    *,
    task: Task,
    evaluation: Evaluation,
    numbers: Mapping[str, Any] | None = None,
    data: Data | None = None,
    sampled: bool = True,
    final: bool = False,
) -> Measures:
    """Takes the measures of one machine; to be compiled with `task` and `evaluation` static.

    Args:
      key: for the samples of this evaluation.
      key_held_out: for the held-out images; the same key gives the same images.
      params: the machine.
      samples: importance samples an image.
      task: what it was trained on.
      evaluation: how many held-out images and fantasies.
      numbers: of the task, in place of its own; may be traced.
      data: of the task with those numbers.
      sampled: take all measures, and not only those by enumeration (where there are none, those on
        held-out images too).
      final: take those that are for the end of training alone too.

    Returns:
      Float32 arrays by name, scalars unless said otherwise:
        is_nll_bits, exact_nll_bits, kl_bits, elbo_bits: averages over the data, in bits an image.
        is_effective_samples: the effective sample size behind the first, averaged over images.
        annealed_nll_bits, annealed_error_bits, annealed_effective_runs: the NLL by annealed
          importance sampling, where there is none by enumeration; its standard error; and how many
          runs an image are worth something (see `by_annealing`).
        direction_recovery_annealed: where there is none by enumeration, by E_p[x_L | v] on the
          held-out images, by the same runs.
        direction_recovery: by sampled E_q[x_L | v] on the held-out images.
        direction_recovery_exact, direction_recovery_posterior: over the support, by exact
          E_q[x_L | v] and by exact E_p[x_L | v].
        fantasies, fantasies_exact: shares `[classes + 2]` of what `Task.shows` tells apart.
        shown_given_top, shown_given_top_exact: the same, `[n_L + 1, classes + 2]`, with the top
          held at each one-hot state and, last, all off.
        selectivity, selectivity_exact: `[n_L]`, P(right | x_L = e_k) - P(right | x_L = 0).
    """
    with own_generator():
        key_importance, key_fantasies = jax.random.split(key)
    measured = enumerated(params, task, data)
    is_exact = exact.is_enumerable(machine.sizes_of(params), task.images)
    if sampled or not is_exact:
        keys = key_importance, key_held_out
        on_held_out = held_out(
            *keys, params, samples, task=task, evaluation=evaluation, numbers=numbers
        )
        if not final:
            del on_held_out["is_effective_samples"]
        measured = on_held_out | measured
    if final:
        measured |= by_annealing(
            *(key_importance, key_held_out), params, task=task, evaluation=evaluation
        )
    if sampled:
        measured |= dreamt(key_fantasies, params, task=task, fantasies=evaluation.fantasies)
    return measured


def held_out(
    key_importance: jax.Array,
    key_held_out: jax.Array,
    params: Params,
    samples: int | jax.Array,
    *,
    task: Task,
    evaluation: Evaluation,
    numbers: Mapping[str, Any] | None = None,
) -> Measures:
    """The measures of `evaluate` on held-out images, by samples of the recognition net."""
    images, labels = task.sample(key_held_out, evaluation.held_out, numbers)
    sampled = importance_sampled(key_importance, params, images, samples)
    return {
        "is_nll_bits": -jnp.mean(sampled.estimate.log_prob) / NATS_PER_BIT,
        "is_effective_samples": jnp.mean(sampled.estimate.effective),
        "direction_recovery": _labels_recovered(sampled.mean_top, labels, task),
    }


def by_annealing(
    key: jax.Array, key_held_out: jax.Array, params: Params, *, task: Task, evaluation: Evaluation
) -> Measures:
    """The measures of `evaluate` by annealed importance sampling; NaN where there are exact ones.

    The NLL is the entropy of the data and, averaged over the held-out images, log p_data(v) -
    log p(v). That varies less than log p(v), which differs from image to image as the data do.
    """
    names = [each.name for each in MEASURES.values() if each.is_annealed]
    if exact.is_enumerable(machine.sizes_of(params), task.images):
        return dict.fromkeys(names, jnp.asarray(jnp.nan, jnp.float32))
    images, labels = task.sample(key_held_out, evaluation.held_out)
    runs, temperatures = evaluation.annealed_runs, evaluation.temperatures
    samples = annealed(key, params, images, runs=runs, temperatures=temperatures)
    estimate = samples.estimate
    above = (task.log_prob(images) - estimate.log_prob) / NATS_PER_BIT
    error = jnp.std(above, ddof=1) / math.sqrt(len(images))
    nll = task.entropy_bits + jnp.mean(above)
    recovery = _labels_recovered(samples.mean_top, labels, task)
    return dict(zip(names, (nll, error, jnp.mean(estimate.effective), recovery), strict=True))


def _labels_recovered(mean_top: jax.Array, labels: jax.Array, task: Task) -> jax.Array:
    """How well mean top states `[n, n_L]` of images tell their labels `[n]` apart."""
    named = labels[:, None] == jnp.asarray(task.class_labels, jnp.int32)[None]
    share = jnp.full(len(labels), 1 / len(labels), jnp.float32)
    return class_recovery(mean_top, share, named.astype(jnp.float32))


def dreamt(key: jax.Array, params: Params, *, task: Task, fantasies: int) -> Measures:
    """The measures of `evaluate` on so many fantasies, with the top free and held."""
    with own_generator():
        keys = jax.random.split(key, params.prior.bias.size + 2)

    def show(key: jax.Array, params: Params) -> jax.Array:
        return jnp.mean(task.shows(machine.generate(key, params, fantasies)[0]), axis=0)

    shown = jax.vmap(show)(keys, variants(params))
    return {
        "fantasies": shown[-1],
        "shown_given_top": shown[:-1],
        "selectivity": selectivity(shown[:-1], task),
    }


def enumerated(params: Params, task: Task, data: Data | None = None) -> Measures:
    """The measures of `evaluate` by enumeration; NaN where a layer is too large for it.

    Args:
      params: the machine.
      task: gives the images, and says what they show.
      data: of another task that differs from it in its numbers only; its own if not given.
    """
    sizes = machine.sizes_of(params)
    tops, classes = sizes[-1], len(task.class_labels)
    if not exact.is_enumerable(sizes, task.images):
        return {
            each.name: jnp.full(shape_of(each, tops, classes), jnp.nan, jnp.float32)
            for each in MEASURES.values()
            if each.is_exact
        }

    p_data, class_given_image, entropy = data_of(task) if data is None else data
    images = jnp.asarray(task.support().images)
    # One after the other, so that their tables take the same memory.
    posterior = exact.generative_posterior(params, images)
    params, posterior = jax.lax.optimization_barrier((params, posterior))
    bound = exact.recognition_bound(params, images)
    params, bound = jax.lax.optimization_barrier((params, bound))
    shown_given_top, shown = shown_exactly(params, task)
    nll_bits = -jnp.sum(p_data * posterior.log_prob) / NATS_PER_BIT
    return {
        "exact_nll_bits": nll_bits,
        "kl_bits": nll_bits - entropy,
        "elbo_bits": jnp.sum(p_data * bound.elbo) / NATS_PER_BIT,
        "direction_recovery_exact": class_recovery(bound.mean_top, p_data, class_given_image),
        "direction_recovery_posterior": class_recovery(
            posterior.mean_top, p_data, class_given_image
        ),
        "fantasies_exact": shown,
        "shown_given_top_exact": shown_given_top,
        "selectivity_exact": selectivity(shown_given_top, task),
    }
