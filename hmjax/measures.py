"""What is measured of a machine: likelihoods, direction recovery, selectivity, receptive fields.

A measure of a sampled estimate stands beside the exact one wherever enumeration is feasible. With
two classes, "right" is the class of the higher label: right for the shifter, vertical for the bars.
"""

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import likelihood, machine
from hmjax.errors import MAX_COUNT, require
from hmjax.machine import Params
from hmjax.runtime.ambient import own_generator
from hmjax.settings import Settings
from hmjax.tasks import Task, entropy_bits

NATS_PER_BIT = float(np.log(2))

MAX_SIGNED_UNITS = 12
"""With more top units than this, direction recovery would try too many sign vectors."""

Measures = dict[str, Any]
"""Arrays by name; a measure that has no meaning for a machine or a task is NaN."""


@dataclass(frozen=True)
class Evaluation(Settings):
    """How a machine is measured."""

    OPTIONS: ClassVar[str] = "evaluation."

    every: int = 50_000
    """Steps between evaluations, each with a snapshot of the parameters; at least 1."""
    held_out: int = 256
    """Held-out images for the sampled measures, at least 2."""
    samples: int = 50
    """Importance samples an image while training, at least 1."""
    final_samples: int = 200
    """Importance samples an image at the end, at least 1."""
    fantasies: int = 2048
    """Fantasies that each sampled share is taken over, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for field, least in (
            ("every", 1),
            ("held_out", 2),
            ("samples", 1),
            ("final_samples", 1),
            ("fantasies", 1),
        ):
            value = getattr(self, field)
            name = self.OPTIONS + field.replace("_", "-")
            require(least <= value <= MAX_COUNT, name, value, f"must be {least} to {MAX_COUNT}")


def evaluate(
    key: jax.Array,
    key_held_out: jax.Array,
    params: Params,
    samples: int | jax.Array,
    *,
    task: Task,
    evaluation: Evaluation,
) -> Measures:
    """Takes every measure of one machine; to be compiled with `task` and `evaluation` static.

    Args:
      key: for the samples of this evaluation.
      key_held_out: for the held-out images; the same key gives the same images.
      params: the machine.
      samples: importance samples an image.
      task: what it was trained on.
      evaluation: how many held-out images and fantasies.

    Returns:
      Float32 arrays by name, scalars unless said otherwise:
        is_nll_bits, exact_nll_bits, kl_bits, elbo_bits: averages over the data, in bits an image.
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
        keys = jax.random.split(key_fantasies, params.prior.bias.size + 2)

    def show(key: jax.Array, params: Params) -> jax.Array:
        fantasies = machine.generate(key, params, evaluation.fantasies)[0]
        return jnp.mean(task.shows(fantasies), axis=0)

    shown = jax.vmap(show)(keys, variants(params))
    return {
        **held_out(key_importance, key_held_out, params, samples, task=task, evaluation=evaluation),
        "fantasies": shown[-1],
        "shown_given_top": shown[:-1],
        "selectivity": selectivity(shown[:-1], task),
        **exact(params, task, weights_of(task)),
    }


def held_out(
    key_importance: jax.Array,
    key_held_out: jax.Array,
    params: Params,
    samples: int | jax.Array,
    *,
    task: Task,
    evaluation: Evaluation,
) -> Measures:
    """The measures of `evaluate` on held-out images, by samples of the recognition net."""
    images, labels = task.sample(key_held_out, evaluation.held_out)
    sampled = likelihood.importance_sampled(key_importance, params, images, samples)
    named = labels[:, None] == jnp.asarray(task.class_labels, jnp.int32)[None]
    return {
        "is_nll_bits": -jnp.mean(sampled.log_prob) / NATS_PER_BIT,
        "direction_recovery": class_recovery(
            sampled.mean_top,
            jnp.full(len(images), 1 / len(images), jnp.float32),
            named.astype(jnp.float32),
        ),
    }


class Weights(NamedTuple):
    """What the images of a task's support count for, in float32.

    Attributes:
      probabilities: `[n]`, summing to 1.
      class_given_image: `[n, classes]`, P(class | image).
      entropy_bits: `[]`, of the data.
    """

    probabilities: Any
    class_given_image: Any
    entropy_bits: Any


def weights_of(task: Task) -> Weights:
    """The weights of a task's images, in the order of its support."""
    support = task.support()
    weights = support.probabilities, support.class_given_image, entropy_bits(support)
    return Weights(*(np.float32(weight) for weight in weights))


def exact(params: Params, task: Task, weights: Weights) -> Measures:
    """The measures of `evaluate` by enumeration; NaN where a layer is too large for it.

    Args:
      params: the machine.
      task: gives the images, and says what they show.
      weights: of the task, or of another that differs from it in its numbers only.
    """
    support = task.support()
    sizes = machine.sizes_of(params)
    tops, classes = sizes[-1], len(task.class_labels)
    if not likelihood.is_enumerable(sizes, len(support.images)):
        scalars = ("exact_nll_bits", "kl_bits", "elbo_bits", "direction_recovery_exact")
        lengths = {name: () for name in (*scalars, "direction_recovery_posterior")} | {
            "selectivity_exact": (tops,),
            "shown_given_top_exact": (tops + 1, classes + 2),
            "fantasies_exact": (classes + 2,),
        }
        return {name: jnp.full(shape, jnp.nan, jnp.float32) for name, shape in lengths.items()}

    p_data, class_given_image, entropy = weights
    images = jnp.asarray(support.images)
    # One after the other, so that their tables take the same memory.
    posterior = likelihood.generative_posterior(params, images)
    params, posterior = jax.lax.optimization_barrier((params, posterior))
    bound = likelihood.recognition_bound(params, images)
    params, bound = jax.lax.optimization_barrier((params, bound))
    shown_given_top, shown = shown_exactly(params, task)
    nll_bits = -jnp.sum(p_data * posterior.log_prob) / NATS_PER_BIT
    return {
        "exact_nll_bits": nll_bits,
        "kl_bits": nll_bits - entropy,
        "elbo_bits": jnp.sum(p_data * bound.log_prob) / NATS_PER_BIT,
        "direction_recovery_exact": class_recovery(bound.mean_top, p_data, class_given_image),
        "direction_recovery_posterior": class_recovery(
            posterior.mean_top, p_data, class_given_image
        ),
        "fantasies_exact": shown,
        "shown_given_top_exact": shown_given_top,
        "selectivity_exact": selectivity(shown_given_top, task),
    }


def of_member(
    key: jax.Array,
    key_held_out: jax.Array,
    params: Params,
    weights: Weights,
    *,
    task: Task,
    sampled: Task,
    evaluation: Evaluation,
) -> Measures:
    """The measures of a machine in a population: those of `exact`, or where NaN, of `held_out` too.

    Args:
      key: as for `evaluate`, and so is `key_held_out`.
      key_held_out: for the held-out images.
      params: the machine.
      weights: as for `exact`.
      task: as for `exact`.
      sampled: as the task of `held_out`; its numbers may be traced.
      evaluation: how many samples and held-out images.
    """
    measured = exact(params, task, weights)
    if likelihood.is_enumerable(machine.sizes_of(params), len(task.support().images)):
        return measured
    key_importance, _ = jax.random.split(key)
    return measured | held_out(
        key_importance,
        key_held_out,
        params,
        evaluation.samples,
        task=sampled,
        evaluation=evaluation,
    )


def class_recovery(
    mean_top: jax.Array, weight: jax.Array, class_given_image: jax.Array
) -> jax.Array:
    """How well the top units tell classes apart.

    With two classes, an image's score is its mean top state, centred per unit, times a vector of
    signs; a positive score names one class. The signs are the best of all, and so is the naming.
    With more, an image is named after the class whose mean top state is nearest to its own.

    Args:
      mean_top: `[n, n_L]`, E[x_L | v] of each image.
      weight: `[n]`, how much each image counts; summing to 1.
      class_given_image: `[n, classes]`, P(class | image): what naming that class scores.

    Returns:
      The share named correctly, `[]`; NaN with two classes and more than `MAX_SIGNED_UNITS` top
      units.
    """
    units, classes = mean_top.shape[1], class_given_image.shape[1]
    if classes > 2:
        return _nearest_class(mean_top, weight, class_given_image)
    if units > MAX_SIGNED_UNITS:
        return jnp.asarray(jnp.nan, jnp.float32)
    signs = np.array(list(itertools.product((-1, 1), repeat=units - 1)), np.float32)
    signs = np.column_stack([np.ones(len(signs), np.float32), signs])  # up to a global flip
    centred = mean_top - (weight @ mean_top)[None]
    positive = jnp.matmul(centred, signs.T, precision="highest") > 0
    first, second = (weight * class_given_image[:, k] for k in (0, 1))
    # Naming the second class where the score is positive, and the first where it is not.
    score = jnp.sum(jnp.where(positive, second[:, None], first[:, None]), axis=0)
    return jnp.max(jnp.maximum(score, jnp.sum(weight) - score))


def state_recovery(tops: jax.Array, weight: jax.Array, class_given_image: jax.Array) -> jax.Array:
    """How much the top states tell of the class, in whatever code they say it.

    Where `class_recovery` reads a class off the sum of the top units, each with its sign, this
    knows P(class | top state): an image is named after the class that its top states speak for on
    average.

    Args:
      tops: `[n, states]`, the probability of each top state given each image.
      weight: `[n]`, how much each image counts; summing to 1.
      class_given_image: `[n, classes]`, P(class | image): what naming that class scores.

    Returns:
      The share named correctly, `[]`.
    """
    joint = weight[:, None] * class_given_image
    of_state = jnp.matmul(tops.T, joint, precision="highest")
    # A state that is never on speaks for no class.
    of_state /= jnp.maximum(jnp.sum(of_state, axis=1, keepdims=True), jnp.finfo(jnp.float32).tiny)
    named = jnp.argmax(jnp.matmul(tops, of_state, precision="highest"), axis=1)
    return jnp.sum(jnp.take_along_axis(joint, named[:, None], axis=1))


def state_information(tops: jax.Array, weight: jax.Array) -> jax.Array:
    """How much the top states tell of the image, whatever it is: I(x_L; v) in bits.

    Args:
      tops: `[n, states]`, the probability of each top state given each image.
      weight: `[n]`, the probability of each image.
    """

    def entropy(p: jax.Array) -> jax.Array:
        return jnp.sum(jax.scipy.special.entr(p), axis=-1) / NATS_PER_BIT

    return entropy(weight @ tops) - weight @ entropy(tops)


def _nearest_class(
    mean_top: jax.Array, weight: jax.Array, class_given_image: jax.Array
) -> jax.Array:
    joint = weight[:, None] * class_given_image
    p_class = jnp.sum(joint, axis=0)
    # A class without images has its mean at the origin, and is never the nearest.
    centre = (joint / jnp.where(p_class > 0, p_class, 1)[None]).T @ mean_top
    away = jnp.sum((mean_top[:, None] - centre[None]) ** 2, axis=-1)
    away = jnp.where(p_class[None] > 0, away, jnp.inf)
    nearest = jnp.argmin(away, axis=-1)
    return jnp.sum(jnp.take_along_axis(joint, nearest[:, None], axis=1))


def selectivity(shown_given_top: jax.Array, task: Task) -> jax.Array:
    """P(right | x_L = e_k) - P(right | x_L = 0), `[n_L]`, from the rows of `one_hot_and_off`."""
    if len(task.class_labels) != 2:
        return jnp.full(len(shown_given_top) - 1, jnp.nan, jnp.float32)
    return shown_given_top[:-1, 1] - shown_given_top[-1, 1]


def one_hot_and_off(params: Params) -> jax.Array:
    """The top states with one unit on, and last the one with all off: `[n_L + 1, n_L]`."""
    units = params.prior.bias.shape[0]
    return jnp.concatenate([jnp.eye(units), jnp.zeros((1, units))]).astype(jnp.float32)


def variants(params: Params) -> Params:
    """Machines whose top is held at each of `one_hot_and_off`, and last the machine itself.

    Returns:
      `Params` with a leading axis of `n_L + 2`.
    """
    held = [machine.hold_top(params, top) for top in one_hot_and_off(params)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *held, params)


def shown_exactly(params: Params, task: Task) -> tuple[jax.Array, jax.Array]:
    """The exact probabilities of what fantasies show, by enumeration.

    Args:
      params: the machine.
      task: says what can be shown, by `Task.shows`.

    Returns:
      P(shown | x_L) for the rows of `one_hot_and_off`, `[n_L + 1, classes + 2]`, and P(shown) over
      all fantasies, `[classes + 2]`.
    """
    sizes = machine.sizes_of(params)
    shown = task.shows(
        jax.nn.sigmoid(machine.logits(params.generative[0], likelihood.all_states(sizes[1])))
    )
    for layer in params.generative[1:]:
        above = likelihood.all_states(layer.weight.shape[0])
        shown = likelihood.expectation(shown, machine.logits(layer, above))
    # The rows of `all_states` count in binary, the first unit highest: e_k is row 2^(n_L - 1 - k).
    rows = [2**k for k in reversed(range(sizes[-1]))] + [0]
    return shown[np.array(rows)], likelihood.expectation(shown, params.prior.bias[None])[0]


def generative_fields(params: Params) -> jax.Array:
    """What each hidden unit draws: p(v | h_j = 1, others 0) - p(v | h = 0), `[n_1, n_0]`."""
    weight, bias = params.generative[0]
    return jax.nn.sigmoid(bias[None] + weight) - jax.nn.sigmoid(bias)[None]


def recognition_fields(params: Params) -> jax.Array:
    """What each hidden unit looks for: its recognition weights, `[n_1, n_0]`."""
    return params.recognition[0].weight.T
