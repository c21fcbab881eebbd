"""How much of the class the top units tell: of the shifter its direction, of the bars theirs."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np

MAX_SIGNED_UNITS = 12
"""With more top units than this, direction recovery would try too many sign vectors."""


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
