"""What every task gives: samples to train on, and its whole support to be exact about.

A task's images belong to classes: left and right for the shifter, horizontal and vertical for the
bars. Classes carry integer labels in ascending order. An image that two classes can produce is
ambiguous.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

MOST_IMAGES = 2**20
"""A task of more images than this does not enumerate them."""


class Support(NamedTuple):
    """Every image of a task, once.

    Attributes:
      images: float32 `[n, n_0]`, zeros and ones.
      probabilities: float64 `[n]`, summing to 1.
      label: int64 `[n]`, the label of the one class that produces the image; 0 if several do.
      class_given_image: float64 `[n, classes]`, P(class | image).
    """

    images: np.ndarray
    probabilities: np.ndarray
    label: np.ndarray
    class_given_image: np.ndarray

    @property
    def entropy_bits(self) -> float:
        """The entropy of the images, in bits."""
        return float(-np.sum(self.probabilities * np.log2(self.probabilities)))


class Unseen(NamedTuple):
    """Images that a machine is held against.

    Attributes:
      images: float32 `[n, n_0]`, zeros and ones.
      labels: int32 `[n]`.
      weights: float32 `[n]`, how much each counts, summing to 1; all alike if `None`.
    """

    images: jax.Array
    labels: jax.Array
    weights: jax.Array | None = None


class Task(Protocol):
    """The contract of a task: a frozen, hashable dataclass of settings."""

    @property
    def p_on(self) -> float:
        """The probability that a pixel is on, averaged over pixels."""

    def numbers(self) -> dict[str, float]:
        """The settings, by field, that `sample` uses as numbers only, and may be given others of.

        They change neither which images there are nor their shape.
        """

    @property
    def image_shape(self) -> tuple[int, int]:
        """Rows and columns of an image; `n_0` is their product."""

    @property
    def class_labels(self) -> tuple[int, ...]:
        """The classes' labels, ascending."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes' names, in the order of `class_labels`."""

    @property
    def class_kind(self) -> str:
        """What the classes are: "direction", "orientation", ..."""

    @property
    def draws(self) -> int:
        """How many uniform numbers an image is made of."""

    def made_of(
        self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Makes images `[n, n_0]` in float32 and their labels `[n]` of uniform numbers.

        Args:
          uniform: `[n, draws]`, above 0 and below 1. It and the numbers may carry a trailing axis,
            which images and labels then have too.
          numbers: in place of some of `numbers()`; may be traced.
        """

    @property
    def images(self) -> int:
        """How many images there are at most: those that `number_of` tells apart."""

    def number_of(self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None) -> jax.Array:
        """The numbers of the images that `made_of` makes: int32 `[n]`, from 0 up to `images`.

        An image has the same number whenever it is made by the same class.
        """

    def sample(
        self, key: jax.Array, n: int, numbers: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Draws images `[n, n_0]` in float32 and the labels `[n]` they were made with.

        Args:
          key: a `jax.random.key`.
          n: how many.
          numbers: in place of some of `numbers()`; may be traced.
        """

    def unseen(self, key: jax.Array, n: int, numbers: Mapping[str, Any] | None = None) -> Unseen:
        """Images to measure on that were not trained on: new ones, or n at most of those held out.

        Args:
          key: a `jax.random.key`; the same gives the same.
          n: how many.
          numbers: as for `sample`.
        """

    @property
    def has_held_out(self) -> bool:
        """Whether there are images that are held out, beside those that make up the support."""

    @property
    def has_validation(self) -> bool:
        """Whether there are images that decide when training stops."""

    def validated(self, key: jax.Array, numbers: Mapping[str, Any] | None = None) -> Unseen:
        """These images, all of them; their labels are of no meaning."""

    def surprise_bits(self, images: jax.Array, log_prob: jax.Array) -> jax.Array:
        """What the NLL of a machine is the mean of, over images: in bits `[n]`.

        Args:
          images: `[n, n_0]`.
          log_prob: log p(v) of them, in nats `[n]`.
        """

    def outline(self, tasks: Sequence[Any]) -> "Task":
        """What a compiled program knows of tasks that it serves, which differ in arrays alone."""

    def arrays(self, tasks: Sequence[Any]) -> dict[str, np.ndarray]:
        """What it is given of them, under a leading axis over tasks; nothing if they are alike.

        It stands among the `numbers` of the methods here, with `table`, which of the tasks it is.
        """

    @property
    def visible_logit(self) -> float | np.ndarray:
        """What visible biases start at: the logit of the share of images in which a pixel is on."""

    def log_prob(self, images: jax.Array) -> jax.Array:
        """Log p_data(v) of images `[n, n_0]` of zeros and ones, in nats `[n]`."""

    @property
    def causes(self) -> np.ndarray:
        """What images are made of: float32 `[causes, n_0]`, 1 where a cause turns a pixel on."""

    @property
    def entropy_bits(self) -> float:
        """The entropy of the data in bits: no machine's NLL can be lower."""

    @property
    def best_accuracy(self) -> float:
        """The share of images whose class the best possible observer names correctly."""

    @property
    def class_shares(self) -> tuple[float, ...]:
        """How probable each class is, in the order of `class_labels`.

        The largest is what an observer comes to who always names that class.
        """

    @property
    def best_balanced_accuracy(self) -> float:
        """The best possible mean over classes of the share of each that is named correctly."""

    def support(self) -> Support:
        """Enumerates every image.

        Raises:
          ValueError: if there are more than `MOST_IMAGES`.
        """

    @property
    def can_show(self) -> bool:
        """Whether anything is known of what an image shows; if not, `shows` is NaN."""

    def shows(self, probability: jax.Array) -> jax.Array:
        """The probability that an image of independent pixels shows each class.

        Args:
          probability: `[n, n_0]`, each pixel's probability of being on; for images that are
            already binary, the images themselves.

        Returns:
          `[n, classes + 2]`, rows summing to 1: that class and no other, in the order of
          `class_labels`; then several classes at once; then none.
        """


def shown_names(task: Task) -> tuple[str, ...]:
    """Names for what `Task.shows` tells apart."""
    classes = task.class_names
    return (*classes, "both" if len(classes) == 2 else "several", "neither")
