"""Images that someone brings: drawn at random from a table, and held against those held out of it.

A program that is compiled for one table serves others of the same size: it knows an `Outline`, and
is given the arrays. Several tables, or the labels of one, are trained side by side: their arrays
stand under a leading axis, padded to the longest, and a machine knows which are its own.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.errors import require
from hmjax.runtime.cipher import uniforms
from hmjax.settings import Settings
from hmjax.tasks.base import Support, Unseen
from hmjax.tasks.drawn import (
    Drawn,
    Outline,
    arrays_of,
    chosen_of,
    drawn_of,
    of_table,
    outline_of,
    support_of,
)
from hmjax.tasks.making import table_of
from hmjax.tasks.sampled import Sampled
from hmjax.tasks.table import LEVELS, Table

_COUNTS = "training", "held_out", "validation"  # of an outline

_ENDLESS = 2**62  # images, where pixels are drawn anew


@dataclass(frozen=True, init=False)
class Images(Sampled, Settings):
    """Images of your own."""

    data: Table | Outline
    """The images, their labels, and which of them are held out."""
    only: str | None = None
    """Label of the images to train on, and to hold machines against; all of them if not given."""

    def __init__(
        self, data: Any, labels: Any = None, *, only: str | None = None, **options: Any
    ) -> None:
        """Images as a task.

        Args:
          data: `[n, rows, columns]` or `[n, n_0]`, or a table of them.
          labels: `[n]`, of whatever kind; none if not given.
          only: the label of those to train on; all of them if not given.
          options: `threshold`, `binarise`, `held_out`, `validation`, `split_seed`, `test` and
            `test_labels`, as `hmjax.tasks.table_of` takes them.

        Raises:
          InvalidInput: if something does not fit.
        """
        if not isinstance(data, Table | Outline):
            data, labels, options = table_of(data, labels, **options), None, {}
        if labels is not None or options:
            raise TypeError("a table has its labels and its images that are held out already")
        object.__setattr__(self, "data", data)
        object.__setattr__(self, "only", only)
        self.__post_init__()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.only is not None and isinstance(self.data, Table):
            classes = self.class_names
            allowed = f"must be one of {', '.join(classes[:20])}"
            require(self.only in classes, "only", self.only, allowed)
            require(len(self.drawn.which) > 0, "only", self.only, "has no images to train on")

    @property
    def table(self) -> Table:
        """All the images."""
        assert isinstance(self.data, Table), "an outline has no images"
        return self.data

    def labels_without(self, part: str) -> list[str]:
        """The labels that have no images in "training", "held_out" or "validation"."""
        parts = self.table.parts
        there = np.unique(parts.labels[parts.use == part])
        return [str(name) for k, name in enumerate(parts.classes) if k not in there]

    @property
    def drawn(self) -> Drawn:
        """What is trained on, and what is held out."""
        return drawn_of(self.table, self.only)

    @property
    def own_outline(self) -> Outline:
        """What a program that is compiled for it alone knows of it."""
        return self.data if isinstance(self.data, Outline) else outline_of(self.data, self.only)

    def outline(self, tasks: Sequence[Any]) -> "Images":
        each = [task.own_outline for task in tasks]
        most = {name: max(getattr(e, name) for e in each) for name in _COUNTS}
        return Images(replace(each[0], **most))

    def arrays(self, tasks: Sequence[Any]) -> dict[str, np.ndarray]:
        return dict(arrays_of(tuple((task.table, task.only) for task in tasks)))

    def numbers(self) -> dict[str, float]:
        return {}

    @property
    def p_on(self) -> float:
        """The share of pixels that are on."""
        return float(self._means().mean())

    @property
    def visible_logit(self) -> np.ndarray:
        """Of each pixel, with half an image more of each kind, so that none is infinite."""
        n = len(self.drawn.which)
        share = (self._means() * n + 0.5) / (n + 1)
        return np.log(share / (1 - share))

    def _means(self) -> np.ndarray:
        of = np.bincount(self.drawn.which) / len(self.drawn.which)
        return of @ self.shares(self.drawn.images).astype(np.float64)

    def shares(self, images: Any) -> Any:
        """How probable it is that pixels of `drawn` are on, in float32: of binary ones, 0 and 1."""
        return images.astype(np.float32) / (LEVELS if self.own_outline.is_grey else 1)

    @property
    def image_shape(self) -> tuple[int, int]:
        return self.own_outline.shape

    @property
    def class_labels(self) -> tuple[int, ...]:
        return tuple(range(1, len(self.class_names) + 1))

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.own_outline.classes

    @property
    def class_kind(self) -> str:
        return "label"

    @property
    def has_held_out(self) -> bool:
        return self.own_outline.has_held_out

    @property
    def draws(self) -> int:
        rows, columns = self.image_shape
        return 1 + rows * columns * self.own_outline.is_grey

    def made_of(
        self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Images of the table, each as probable as any other; see `Task.made_of`.

        Of the numbers, the first of a row chooses the image, and where there are grey levels the
        others its pixels.
        """
        given = self._given(numbers)
        place = self._place(uniform, given)
        pixels = jnp.moveaxis(of_table(given, "images", of_table(given, "which", place)), -1, 1)
        labels = of_table(given, "labels", place)
        return self._binary(pixels, uniform[:, 1:]), labels

    def _binary(self, pixels: jax.Array, uniform: jax.Array) -> jax.Array:
        shares = self.shares(pixels)
        if not self.own_outline.is_grey:
            return shares
        return (uniform < shares).astype(jnp.float32)

    def _place(self, uniform: jax.Array, given: Mapping[str, Any]) -> jax.Array:
        """Which image that is trained on is chosen, int32 `[n]`."""
        of_own = jnp.asarray(given["count"])[given["table"]]
        count = jnp.broadcast_to(of_own, uniform[:, 0].shape)
        return jnp.minimum((uniform[:, 0] * count).astype(jnp.int32), count - 1)

    def _given(self, numbers: Mapping[str, Any] | None) -> Mapping[str, Any]:
        """The arrays, and which of them are its own."""
        if numbers and "images" in numbers:
            return numbers
        return {"table": np.int32(0)} | self.arrays((self,))

    @property
    def images(self) -> int:
        outline = self.own_outline
        return _ENDLESS if outline.is_grey else outline.training

    def number_of(self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None) -> jax.Array:
        given = self._given(numbers)
        return of_table(given, "which", self._place(uniform, given))

    def unseen(self, key: jax.Array, n: int, numbers: Mapping[str, Any] | None = None) -> Unseen:
        """All images that are held out, or n of them from first to last (see `Task.unseen`)."""
        given = self._given(numbers)
        n = min(n, self.own_outline.held_out)
        images, chosen, weights = self._part("held_out", key, n, given)
        labels = jnp.asarray(given["held_out_labels"])[given["table"], chosen]
        return Unseen(images, labels, weights)

    @property
    def has_validation(self) -> bool:
        return self.own_outline.validation > 0

    def validated(self, key: jax.Array, numbers: Mapping[str, Any] | None = None) -> Unseen:
        """All images that decide when training stops (see `Task.validated`)."""
        of = self.own_outline.validation
        images, _, weights = self._part("validation", key, of, self._given(numbers))
        return Unseen(images, jnp.zeros(len(images), jnp.int32), weights)

    def _part(
        self, name: str, key: jax.Array, n: int, given: Mapping[str, Any]
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Images of a part of the table, their places in it and their weights; see `chosen_of`."""
        chosen, weights = chosen_of(given[f"{name}_count"], given["table"], n)
        pixels = jnp.asarray(given[name])[given["table"], chosen]
        return self._binary(pixels, uniforms(key, pixels.shape)), chosen, weights

    def surprise_bits(self, images: jax.Array, log_prob: jax.Array) -> jax.Array:
        return -log_prob / np.float32(np.log(2))

    @property
    def entropy_bits(self) -> float:
        """Of what is trained on; NaN where pixels are drawn anew."""
        return math.nan if self.own_outline.is_grey else super().entropy_bits

    @property
    def causes(self) -> np.ndarray:
        """None is known."""
        rows, columns = self.image_shape
        return np.zeros((0, rows * columns), np.float32)

    def support(self) -> Support:
        """The different images that are trained on, and how often each comes."""
        return support_of(self.table, self.only)

    @property
    def can_show(self) -> bool:
        return False

    def shows(self, probability: jax.Array) -> jax.Array:
        """Nothing is known of what an image shows."""
        return jnp.full((len(probability), len(self.class_labels) + 2), jnp.nan, jnp.float32)
