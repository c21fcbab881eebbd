"""Everything that is measured of a machine as it is evaluated.

A measure of a sampled estimate stands beside the exact one wherever enumeration is feasible. With
two classes, "right" is the class of the higher label: right for the shifter, vertical for the bars.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import exact, machine
from hmjax.errors import MAX_COUNT
from hmjax.importance import importance_sampled
from hmjax.machine import Params
from hmjax.measures.fantasies import (
    direction_contrast,
    selectivity,
    shown_exactly,
    variants,
)
from hmjax.measures.recovery import recovered
from hmjax.measures.sampling import by_annealing, held_out, mean
from hmjax.measures.settings import Evaluation
from hmjax.measures.table import MEASURES, measures_of, shape_of
from hmjax.measures.units import NATS_PER_BIT
from hmjax.runtime.ambient import own_generator
from hmjax.runtime.cipher import key_of
from hmjax.tasks import Task

Measures = dict[str, Any]
"""Arrays by name; a measure that has no meaning for a machine or a task is NaN."""


_OF_FANTASIES = "fantasies", "shown_given_top", "selectivity", "direction_contrast"

_EXACT_OF_FANTASIES = tuple(f"{name}_exact" for name in _OF_FANTASIES)


class Data(NamedTuple):
    """The images of a task's support and how probable they are, in float32.

    Attributes:
      images: `[n, n_0]`; those of its support, if `None`.
      probabilities: `[n]`, summing to 1.
      class_given_image: `[n, classes]`, P(class | image).
      entropy_bits: `[]`, of the data.
    """

    probabilities: Any
    class_given_image: Any
    entropy_bits: Any
    images: Any = None


def data_of(task: Task) -> Data:
    """That of a task, in the order of its support."""
    support = task.support()
    known = support.probabilities, support.class_given_image, task.entropy_bits
    return Data(*(np.float32(each) for each in known))


def _own_data(task: Task, numbers: Mapping[str, Any]) -> Data:
    """That of a task with arrays, among those that are given."""
    known = (numbers[name][numbers["table"]] for name in (*Data._fields[:-1], "images"))
    data = Data(*known)
    return data._replace(images=data.images.astype(jnp.float32))


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
        is_effective_samples, is_error_bits: the effective sample size behind the first, averaged
          over images, and its standard error.
        annealed_nll_bits, annealed_error_bits, annealed_effective_runs: the NLL by annealed
          importance sampling, where there is none by enumeration; its standard error; and how many
          runs an image are worth something (see `by_annealing`).
        exact_held_out_nll_bits, is_training_nll_bits, annealed_training_nll_bits: of a task with
          images that are held out, the NLL on the others, where `exact_nll_bits` is that of what is
          trained on, and `is_nll_bits` and `annealed_nll_bits` that of what is not.
        validation_nll_bits: of a task with images that decide when training stops, the NLL of
          these, exact or importance-sampled.
        direction_recovery, balanced_accuracy: by sampled E_q[x_L | v] on the held-out images (see
          `hmjax.measures.recovery`). With `_exact` and `_posterior` at their end, over the support,
          by exact E_q[x_L | v] and by exact E_p[x_L | v]; with `_annealed`, where nothing is
          enumerated, by E_p[x_L | v] on the held-out images, by the annealed runs.
        balanced_accuracy_null, balanced_accuracy_null_exact: what 95% of shuffles of the labels
          stay below, beside the first and beside that with `_exact`.
        fantasies, fantasies_exact: shares `[classes + 2]` of what `Task.shows` tells apart.
        shown_given_top, shown_given_top_exact: the same, `[n_L + 1, classes + 2]`, with the top
          held at each one-hot state and, last, all off.
        selectivity, selectivity_exact: `[n_L]`, P(right | x_L = e_k) - P(right | x_L = 0).
        direction_contrast, direction_contrast_exact: `[n_L]`, half of [P(right) - P(left)] at
          x_L = e_k, minus the same at x_L = 0.
    """
    with own_generator():
        key_importance, key_fantasies = jax.random.split(key)
    measured = enumerated(params, task, data, numbers)
    is_exact = exact.is_enumerable(machine.sizes_of(params), task.images)
    keys = key_importance, key_held_out
    if sampled or not is_exact:
        on_held_out = held_out(
            *keys, params, samples, task=task, evaluation=evaluation, numbers=numbers
        )
        if not final:
            del on_held_out["is_effective_samples"], on_held_out["is_error_bits"]
        measured = on_held_out | measured
    if task.has_validation:
        images, _, weights = task.validated(key_held_out, numbers)
        if is_exact:
            log_prob = exact.exact_log_prob(params, images)
        else:
            found = importance_sampled(key_held_out, params, images, samples)
            log_prob = found.estimate.log_prob
        measured["validation_nll_bits"] = -mean(log_prob, weights) / NATS_PER_BIT
    if final:
        measured |= by_annealing(*keys, params, task=task, evaluation=evaluation, numbers=numbers)
    if sampled:
        measured |= dreamt(key_fantasies, params, task=task, fantasies=evaluation.fantasies)
    return measured


def dreamt(key: jax.Array, params: Params, *, task: Task, fantasies: int) -> Measures:
    """The measures of `evaluate` on so many fantasies, with the top free and held."""
    tops, classes = params.prior.bias.size, len(task.class_labels)
    if not task.can_show:
        return _unknown(_OF_FANTASIES, tops, classes)
    with own_generator():
        keys = jax.random.split(key, tops + 2)

    def show(key: jax.Array, params: Params) -> jax.Array:
        return jnp.mean(task.shows(machine.generate(key, params, fantasies)[0]), axis=0)

    shown = jax.vmap(show)(keys, variants(params))
    return {
        "fantasies": shown[-1],
        "shown_given_top": shown[:-1],
        "selectivity": selectivity(shown[:-1], task),
        "direction_contrast": direction_contrast(shown[:-1], task),
    }


def enumerated(
    params: Params,
    task: Task,
    data: Data | None = None,
    numbers: Mapping[str, Any] | None = None,
) -> Measures:
    """The measures of `evaluate` by enumeration; NaN where a layer is too large for it.

    Args:
      params: the machine.
      task: gives the images, and says what they show.
      data: of another task that differs from it in its numbers only; its own if not given.
      numbers: of the task, with its arrays if it has some.
    """
    sizes = machine.sizes_of(params)
    tops, classes = sizes[-1], len(task.class_labels)
    if not exact.is_enumerable(sizes, task.images):
        names = [each.name for each in measures_of(task) if each.is_exact]
        return _unknown(names, tops, classes)

    if numbers and "images" in numbers:
        data = _own_data(task, numbers)
    data = data_of(task) if data is None else data
    p_data, class_given_image, entropy, images = data
    images = jnp.asarray(task.support().images) if images is None else images
    # One after the other, so that their tables take the same memory.
    posterior = exact.generative_posterior(params, images)
    params, posterior = jax.lax.optimization_barrier((params, posterior))
    bound = exact.recognition_bound(params, images)
    params, bound = jax.lax.optimization_barrier((params, bound))
    nll_bits = -jnp.sum(p_data * posterior.log_prob) / NATS_PER_BIT
    measured = {
        "exact_nll_bits": nll_bits,
        "kl_bits": nll_bits - entropy,
        "elbo_bits": jnp.sum(p_data * bound.elbo) / NATS_PER_BIT,
        **recovered(bound.mean_top, p_data, class_given_image, "_exact", null=True),
        **recovered(posterior.mean_top, p_data, class_given_image, "_posterior"),
    }
    if task.has_held_out:
        unseen, _, weights = task.unseen(key_of(0), MAX_COUNT, numbers)
        log_prob = exact.exact_log_prob(params, unseen)
        measured["exact_held_out_nll_bits"] = -mean(log_prob, weights) / NATS_PER_BIT
    if not task.can_show:
        return measured | _unknown(_EXACT_OF_FANTASIES, tops, classes)
    shown_given_top, shown = shown_exactly(params, task)
    return measured | {
        "fantasies_exact": shown,
        "shown_given_top_exact": shown_given_top,
        "selectivity_exact": selectivity(shown_given_top, task),
        "direction_contrast_exact": direction_contrast(shown_given_top, task),
    }


def _unknown(names: Sequence[str], tops: int, classes: int) -> Measures:
    """Measures that are not known of a machine with so many top units."""
    shapes = {name: shape_of(MEASURES[name], tops, classes) for name in names}
    return {name: jnp.full(shape, jnp.nan, jnp.float32) for name, shape in shapes.items()}
