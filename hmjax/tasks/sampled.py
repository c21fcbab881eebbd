"""What tasks share: an image is made of uniform numbers, and the support can be enumerated."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import arithmetic
from hmjax.runtime.cipher import uniforms
from hmjax.tasks.base import Support, Task, Unseen


class Sampled:
    """What tasks inherit that make an image of uniform numbers, and can enumerate their support."""

    @property
    def entropy_bits(self: Task) -> float:
        """The entropy of the data (see `Task.entropy_bits`)."""
        return self.support().entropy_bits

    def log_prob(self: Task, images: jax.Array) -> jax.Array:
        """Log p_data(v) of images (see `Task.log_prob`), looked up in the support."""
        support = self.support()
        known = jnp.asarray(support.images)
        differ = jnp.matmul(images, 1 - known.T) + jnp.matmul(1 - images, known.T)
        log_prob = jnp.log(jnp.asarray(support.probabilities, jnp.float32))
        return jnp.max(jnp.where(differ == 0, log_prob[None], -jnp.inf), axis=1)

    def unseen(
        self: Task, key: jax.Array, n: int, numbers: Mapping[str, Any] | None = None
    ) -> Unseen:
        """New samples (see `Task.unseen`)."""
        return Unseen(*self.sample(key, n, numbers))

    @property
    def has_held_out(self) -> bool:
        """None is held out (see `Task.has_held_out`)."""
        return False

    @property
    def has_validation(self) -> bool:
        """There are none (see `Task.has_validation`)."""
        return False

    def validated(self: Task, key: jax.Array, numbers: Mapping[str, Any] | None = None) -> Unseen:
        """There are none (see `Task.validated`)."""
        raise NotImplementedError

    def surprise_bits(self: Task, images: jax.Array, log_prob: jax.Array) -> jax.Array:
        """The entropy of the data and log p_data(v) - log p(v) (see `Task.surprise_bits`).

        That varies less than -log p(v), which differs from image to image as the data do.
        """
        return self.entropy_bits + (self.log_prob(images) - log_prob) / np.float32(math.log(2))

    def outline(self: Any, tasks: Sequence[Any]) -> Any:
        """The task (see `Task.outline`)."""
        return self

    def arrays(self, tasks: Sequence[Any]) -> dict[str, np.ndarray]:
        """Nothing (see `Task.arrays`)."""
        return {}

    @property
    def visible_logit(self: Task) -> float | np.ndarray:
        """The same for all pixels (see `Task.visible_logit`)."""
        return math.log(self.p_on / (1 - self.p_on))

    @property
    def can_show(self) -> bool:
        """It is known (see `Task.can_show`)."""
        return True

    @property
    def best_accuracy(self: Task) -> float:
        """The best possible accuracy (see `Task.best_accuracy`)."""
        support = self.support()
        return float(np.sum(support.probabilities * support.class_given_image.max(axis=1)))

    @property
    def class_shares(self: Task) -> tuple[float, ...]:
        """How probable each class is (see `Task.class_shares`)."""
        support = self.support()
        return tuple((support.probabilities @ support.class_given_image).tolist())

    @property
    def best_balanced_accuracy(self: Task) -> float:
        """The best possible, of classes counted alike (see `Task.best_balanced_accuracy`)."""
        support, shares = self.support(), np.asarray(self.class_shares)
        there = shares > 0
        joint = support.probabilities[:, None] * support.class_given_image[:, there]
        return float(np.sum((joint / shares[there]).max(axis=1)) / there.sum())

    def sample(
        self: Task, key: jax.Array, n: int, numbers: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Draws images and labels (see `Task.sample`)."""
        return self.made_of(uniforms(key, (n, self.draws)), numbers)


def counted(bits: jax.Array) -> jax.Array:
    """The numbers, int32 `[n]`, that rows of bits `[n, width]` are in binary, the first highest."""
    powers = jnp.asarray([2**place % 2**31 for place in range(bits.shape[1])][::-1], jnp.int32)
    weighed = bits.astype(jnp.int32) * powers.reshape(-1, *(1,) * (bits.ndim - 2))[None]
    return arithmetic.total(weighed, axis=1)


def collect(
    images: np.ndarray, joint: np.ndarray, which: np.ndarray, labels: tuple[int, ...]
) -> Support:
    """Merges equal images made by different classes into a `Support`.

    Args:
      images: `[m, n_0]`, every image of every class.
      joint: `[m]`, P(image, class).
      which: `[m]`, index of the class.
      labels: the classes' labels.

    Returns:
      The support, images in lexicographic order.
    """
    unique, inverse = np.unique(images.astype(np.uint8), axis=0, return_inverse=True)
    return of_different(unique, inverse.reshape(-1), joint, which, labels)


def of_different(
    unique: np.ndarray,
    place: np.ndarray,
    joint: np.ndarray,
    which: np.ndarray,
    labels: tuple[int, ...],
) -> Support:
    """`collect`, of images that are merged already.

    Args:
      unique: `[k, n_0]`, the different images.
      place: `[m]`, which of them each image is.
      joint: as for `collect`, and the others.
      which: likewise.
      labels: likewise.
    """
    p_joint = np.zeros((len(unique), len(labels)))
    np.add.at(p_joint, (place, which), joint)
    certain = (p_joint > 0).sum(axis=1) == 1
    return Support(
        images=unique.astype(np.float32),
        probabilities=p_joint.sum(axis=1),
        label=np.where(certain, np.asarray(labels)[p_joint.argmax(axis=1)], 0),
        class_given_image=p_joint / p_joint.sum(axis=1, keepdims=True),
    )


def all_rows(width: int) -> np.ndarray:
    """All `2**width` binary rows, `[2**width, width]` in float32, in counting order."""
    return (np.arange(2**width)[:, None] >> np.arange(width)[::-1] & 1).astype(np.float32)


def probability_of_rows(rows: np.ndarray, p_on: float) -> np.ndarray:
    """How probable rows `[n, width]` of units are that are on with `p_on` each: float64 `[n]`."""
    on = rows.sum(axis=1, dtype=np.float64)
    return p_on**on * (1 - p_on) ** (rows.shape[1] - on)
