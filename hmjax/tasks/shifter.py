"""The shifter: a random row of pixels above the same row moved sideways.

Source: Dayan, Hinton, Neal & Zemel, Neural Computation 7:889-904, 1995.
"""

import functools
import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.errors import require
from hmjax.settings import Settings
from hmjax.tasks.base import MOST_IMAGES, Support
from hmjax.tasks.sampled import Sampled, all_rows, collect, counted, probability_of_rows


@dataclass(frozen=True)
class Shifter(Sampled, Settings):
    """A row `r` of pixels, each on with `p_on`, above `roll(r, d)`, each written `copies` times.

    The shift d is drawn uniformly from `shifts`. Its label is d itself, so +1 is right, -1 left.
    (With a shift of 0, `Support.class_given_image` tells it from ambiguity, the label does not.)
    """

    width: int = 8
    """Pixels in a row, 2 to 32."""
    p_on: float = 0.3
    """Probability that a pixel is on, between 0 and 1."""
    shifts: tuple[int, ...] = (-1, 1)
    """Pixels to the right by which the row may move; two or more, different modulo the width."""
    copies: int = 2
    """Times that each of the two rows is written, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(2 <= self.width <= 32, "width", self.width, "must be 2 to 32 pixels")
        require(0 < self.p_on < 1, "p-on", self.p_on, "must be a probability between 0 and 1")
        distinct = len({shift % self.width for shift in self.shifts}) == len(self.shifts)
        require(
            len(self.shifts) >= 2 and distinct,
            "shifts",
            self.shifts,
            f"must be two or more shifts that differ modulo the width, {self.width}",
        )
        require(self.copies >= 1, "copies", self.copies, "must be at least 1")

    def numbers(self) -> dict[str, float]:
        return {"p_on": self.p_on}

    @property
    def image_shape(self) -> tuple[int, int]:
        return 2 * self.copies, self.width

    @property
    def class_labels(self) -> tuple[int, ...]:
        return tuple(sorted(self.shifts))

    @property
    def class_names(self) -> tuple[str, ...]:
        named = {-1: "left", 0: "still", 1: "right"}
        side = {True: "right", False: "left"}
        return tuple(named.get(d, f"{side[d > 0]} {abs(d)}") for d in self.class_labels)

    @property
    def class_kind(self) -> str:
        return "direction"

    @property
    def draws(self) -> int:
        return self.width + 1

    def made_of(
        self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Images `[n, 2 * copies * width]` of a number a pixel of the row, and one for the shift.

        See `Task.made_of`.
        """
        row, which = self._drawn(uniform, numbers)
        moved = [jnp.roll(row, shift, axis=1) for shift in self.class_labels]
        chosen = jax.lax.select_n(jnp.broadcast_to(which[:, None], row.shape), *moved)
        images = jnp.concatenate([row] * self.copies + [chosen] * self.copies, axis=1)
        return images, jnp.asarray(self.class_labels, jnp.int32)[which]

    def _drawn(
        self, uniform: jax.Array, numbers: Mapping[str, Any] | None
    ) -> tuple[jax.Array, jax.Array]:
        """The row and the index of the class of each image."""
        p_on = jnp.float32((self.numbers() | dict(numbers or {}))["p_on"])
        row = (uniform[:, : self.width] < p_on).astype(jnp.float32)
        return row, (uniform[:, self.width] * len(self.shifts)).astype(jnp.int32)

    @property
    def images(self) -> int:
        return len(self.shifts) * 2**self.width

    def number_of(self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None) -> jax.Array:
        row, which = self._drawn(uniform, numbers)
        return which * 2**self.width + counted(row)

    def log_prob(self, images: jax.Array) -> jax.Array:
        """See `Task.log_prob`."""
        rows = images.reshape(-1, 2, self.copies, self.width)
        row, moved = rows[:, 0, 0], rows[:, 1, 0]
        alike = jnp.all(rows == rows[:, :, :1], axis=(1, 2, 3))
        shifts = (jnp.all(jnp.roll(row, d, axis=1) == moved, axis=1) for d in self.shifts)
        ways = sum(shift.astype(jnp.float32) for shift in shifts) * alike
        log_row = jnp.where(
            row > 0, jnp.float32(math.log(self.p_on)), jnp.float32(math.log1p(-self.p_on))
        )
        return jnp.sum(log_row, axis=1) + jnp.log(ways / len(self.shifts))

    @property
    def causes(self) -> np.ndarray:
        """Every pixel of the row, moved by every shift (see `Task.causes`)."""
        rows = np.eye(self.width, dtype=np.float32)
        moved = _moved(self, rows)
        return np.concatenate(
            [np.concatenate([rows] * self.copies + [each] * self.copies, axis=1) for each in moved]
        )

    @property
    def entropy_bits(self) -> float:
        """That of the row and of the shift, less what ambiguous images leave open of the shift."""
        p, shifts = self.p_on, len(self.shifts)
        of_row = -self.width * (p * math.log2(p) + (1 - p) * math.log2(1 - p))
        probability, ways = self._ambiguous_images()
        return of_row + math.log2(shifts) - float(probability @ np.log2(ways))

    @property
    def best_accuracy(self) -> float:
        probability, ways = self._ambiguous_images()
        return 1 - float(probability @ (1 - 1 / ways))

    @property
    def class_shares(self) -> tuple[float, ...]:
        return (1 / len(self.shifts),) * len(self.shifts)

    @property
    def best_balanced_accuracy(self) -> float:
        return self.best_accuracy

    def _ambiguous_images(self) -> tuple[np.ndarray, np.ndarray]:
        """How probable each ambiguous image is, and how many shifts give it."""
        rows, _, by_class = _ambiguous(self)
        ways = by_class.sum(axis=1, dtype=np.float64)
        return probability_of_rows(rows, self.p_on) * ways / len(self.shifts), ways

    def support(self) -> Support:
        """Every image with its probability; 508 images at the default settings."""
        if self.images > MOST_IMAGES:
            raise ValueError(f"{self.images:,} images are too many to enumerate")
        return _support(self)

    def shows(self, probability: jax.Array) -> jax.Array:
        """The probability that the last row is the first one moved by each shift.

        See `Task.shows`. Only the first and the last row are looked at.
        """
        first = probability[:, : self.width]
        last = probability[:, -self.width :]
        rows, moved, by_class = _ambiguous(self)
        ambiguous = jnp.prod(
            jnp.where(rows[None], first[:, None], 1 - first[:, None])
            * jnp.where(moved[None], last[:, None], 1 - last[:, None]),
            axis=-1,
        )
        only = []
        for k, shift in enumerate(self.class_labels):
            source = jnp.roll(first, shift, axis=1)
            match = jnp.prod(source * last + (1 - source) * (1 - last), axis=-1)
            only.append(jnp.maximum(match - ambiguous @ by_class[:, k], 0))
        several = jnp.sum(ambiguous, axis=-1)
        none = jnp.maximum(1 - sum(only) - several, 0)
        return jnp.stack([*only, several, none], axis=-1)


def _moved(task: Shifter, rows: np.ndarray) -> np.ndarray:
    """Rows `[n, width]` under every shift, `[classes, n, width]`."""
    return np.stack([np.roll(rows, shift, axis=1) for shift in task.class_labels])


@functools.cache
def _support(task: Shifter) -> Support:
    rows = all_rows(task.width)
    moved = _moved(task, rows)
    p_row = probability_of_rows(rows, task.p_on)
    classes = len(task.class_labels)
    images = [np.concatenate([rows] * task.copies + [m] * task.copies, axis=1) for m in moved]
    return collect(
        images=np.concatenate(images),
        joint=np.tile(p_row / classes, classes),
        which=np.repeat(np.arange(classes), len(rows)),
        labels=task.class_labels,
    )


@functools.cache
def _ambiguous(task: Shifter) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The pairs (row, moved row) that several shifts produce.

    Returns:
      rows and moved rows, bool `[a, width]` each, and float32 `[a, classes]`, 1 where the class
      produces the pair.
    """
    # Two shifts do the same to a row if it has their difference as a period.
    pairs_of_shifts = itertools.combinations(task.shifts, 2)
    periods = {math.gcd(task.width, abs(a - b)) for a, b in pairs_of_shifts}
    periodic = [np.tile(all_rows(period), task.width // period) for period in periods]
    rows = np.unique(np.concatenate(periodic), axis=0)
    moved = _moved(task, rows)
    # same[i, j, r]: do shifts i and j move row r to the same place?
    same = (moved[:, None] == moved[None]).all(axis=-1)
    pairs: dict[tuple[int, ...], np.ndarray] = {}
    for k, r in np.argwhere(same.sum(axis=0) > 1):
        pairs[(r, *moved[k, r])] = same[k, :, r]
    index = [pair[0] for pair in pairs]
    by_class = np.array(list(pairs.values()), np.float32).reshape(len(pairs), len(moved))
    target = np.array([pair[1:] for pair in pairs], bool).reshape(len(pairs), task.width)
    return rows[index].astype(bool), target, by_class
