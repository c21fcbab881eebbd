"""How much of the class the top units tell: of the shifter its direction, of the bars theirs.

Classes of unequal share ask for care: of the bars two thirds are vertical, so that naming every
image so is right for two thirds of them. The published measure stands as it is, and beside it the
balanced accuracy, whose chance is one over the number of classes, and what that comes to when the
labels say nothing.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

MAX_SIGNED_UNITS = 12
"""With more top units than this, direction recovery would try too many sign vectors."""

SHUFFLES = 100
"""Of the labels, that `shuffled_accuracy` is taken over."""

_AT_ONCE = 2**20  # numbers in the tables of shuffles that are taken side by side


def class_recovery(
    mean_top: jax.Array, weight: jax.Array, class_given_image: jax.Array
) -> jax.Array:
    """How well the top units tell classes apart, as published.

    With two classes, an image's score is its mean top state, centred per unit, times a vector of
    signs; a positive score names one class. The signs are the best of all, and so is the naming.
    With more, an image is named after the class whose mean top state is nearest to its own.

    Args:
      mean_top: `[n, n_L]`, E[x_L | v] of each image.
      weight: `[n]`, how much each image counts; summing to 1.
      class_given_image: `[n, classes]`, P(class | image): what naming that class scores.

    Returns:
      The share named correctly, `[]`; NaN with one class, and with two and more than
      `MAX_SIGNED_UNITS` top units.
    """
    return _named_correctly(mean_top, weight, weight[:, None] * class_given_image)


def balanced_accuracy(
    mean_top: jax.Array, weight: jax.Array, class_given_image: jax.Array
) -> jax.Array:
    """The mean over classes of the share of each that is named correctly.

    It is `class_recovery` of data in which every class is as probable as any other. Where all have
    equal shares the two are the same.

    Args:
      mean_top: as for `class_recovery`, and the others.
      weight: likewise.
      class_given_image: likewise. A class without images does not count.

    Returns:
      A number from one over the classes, for top units that tell nothing, to 1, `[]`; NaN if there
      are images of one class alone.
    """
    joint = weight[:, None] * class_given_image
    p_class = jnp.sum(joint, axis=0)
    classes = jnp.sum(p_class > 0)
    joint = joint / (jnp.maximum(classes, 1) * _or_one(p_class))[None]
    accuracy = _named_correctly(mean_top, jnp.sum(joint, axis=1), joint)
    return jnp.where(classes < 2, jnp.nan, accuracy)


def shuffled_accuracy(
    mean_top: jax.Array, weight: jax.Array, class_given_image: jax.Array
) -> jax.Array:
    """What `balanced_accuracy` comes to when labels say nothing: the null that it is held against.

    Top states and labels of images are shuffled against each other `SHUFFLES` times, in the same
    ways for every machine; each label keeps its weight. The best of all sign vectors gains
    something on noise, and the more the fewer images there are.

    Args:
      mean_top: as for `class_recovery`, and the others.
      weight: likewise.
      class_given_image: likewise.

    Returns:
      The value that 95% of the shuffles stay below, `[]`.
    """
    (n, units), classes = mean_top.shape, class_given_image.shape[1]
    tried = classes if classes > 2 else 2 ** (units - 1)
    draw = np.random.default_rng(0)
    shuffles = jnp.asarray(np.stack([draw.permutation(n) for _ in range(SHUFFLES)]), jnp.int32)
    found = jax.lax.map(
        lambda order: balanced_accuracy(mean_top[order], weight, class_given_image),
        shuffles,
        batch_size=min(SHUFFLES, max(1, _AT_ONCE // (n * tried))),
    )
    return jnp.quantile(found, jnp.float32(0.95))


def recovered(
    mean_top: jax.Array,
    weight: jax.Array,
    class_given_image: jax.Array,
    end: str = "",
    *,
    null: bool = False,
) -> dict[str, jax.Array]:
    """All of these measures, by name.

    Args:
      mean_top: as for `class_recovery`, and the next two.
      weight: likewise.
      class_given_image: likewise.
      end: of their names, "_exact" and the like.
      null: whether `shuffled_accuracy` is among them.
    """
    of = mean_top, weight, class_given_image
    found = {
        f"direction_recovery{end}": class_recovery(*of),
        f"balanced_accuracy{end}": balanced_accuracy(*of),
    }
    return found | ({f"balanced_accuracy_null{end}": shuffled_accuracy(*of)} if null else {})


def _named_correctly(mean_top: jax.Array, weight: jax.Array, joint: jax.Array) -> jax.Array:
    """What naming images after classes scores at best.

    Args:
      mean_top: `[n, n_L]`.
      weight: `[n]`, P(image).
      joint: `[n, classes]`, P(image, class).
    """
    units, classes = mean_top.shape[1], joint.shape[1]
    if classes > 2:
        return _nearest_class(mean_top, joint)
    if classes < 2 or units > MAX_SIGNED_UNITS:
        return jnp.asarray(jnp.nan, jnp.float32)
    signs = np.array(list(itertools.product((-1, 1), repeat=units - 1)), np.float32)
    signs = np.column_stack([np.ones(len(signs), np.float32), signs])  # up to a global flip
    centred = mean_top - (weight @ mean_top)[None]
    positive = jnp.matmul(centred, signs.T, precision="highest") > 0
    # Naming the second class where the score is positive, and the first where it is not.
    score = jnp.sum(jnp.where(positive, joint[:, 1:], joint[:, :1]), axis=0)
    return jnp.max(jnp.maximum(score, jnp.sum(weight) - score))


def _nearest_class(mean_top: jax.Array, joint: jax.Array) -> jax.Array:
    p_class = jnp.sum(joint, axis=0)
    # A class without images has its mean at the origin, and is never the nearest.
    centre = (joint / _or_one(p_class)[None]).T @ mean_top
    away = jnp.sum((mean_top[:, None] - centre[None]) ** 2, axis=-1)
    away = jnp.where(p_class[None] > 0, away, jnp.inf)
    nearest = jnp.argmin(away, axis=-1)
    return jnp.sum(jnp.take_along_axis(joint, nearest[:, None], axis=1))


def _or_one(share: jax.Array) -> jax.Array:
    """Shares to divide by; 1 in place of none."""
    return jnp.where(share > 0, share, 1)
