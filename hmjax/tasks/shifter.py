"""The shifter: a random row of pixels above the same row moved sideways.

Source: Dayan, Hinton, Neal & Zemel, Neural Computation 7:889-904, 1995.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.errors import require
from hmjax.settings import Settings
from hmjax.tasks.base import Sampled, Support, all_rows, collect


@dataclass(frozen=True)
class Shifter(Sampled, Settings):
    """A row `r` of pixels, each on with `p_on`, above `roll(r, d)`, each written `copies` times.

    The shift d is drawn uniformly from `shifts`. Its label is d itself, so +1 is right, -1 left.
    (With a shift of 0, `Support.class_given_image` tells it from ambiguity, the label does not.)
    """

    width: int = 8
    """Pixels in a row, 2 to 16."""
    p_on: float = 0.3
    """Probability that a pixel is on, between 0 and 1."""
    shifts: tuple[int, ...] = (-1, 1)
    """Pixels to the right by which the row may move; two or more, different modulo the width."""
    copies: int = 2
    """Times that each of the two rows is written, at least 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(2 <= self.width <= 16, "width", self.width, "must be 2 to 16 pixels")
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
        p_on = jnp.float32((self.numbers() | dict(numbers or {}))["p_on"])
        row = (uniform[:, : self.width] < p_on).astype(jnp.float32)
        which = (uniform[:, self.width] * len(self.shifts)).astype(jnp.int32)
        moved = [jnp.roll(row, shift, axis=1) for shift in self.class_labels]
        chosen = jax.lax.select_n(jnp.broadcast_to(which[:, None], row.shape), *moved)
        images = jnp.concatenate([row] * self.copies + [chosen] * self.copies, axis=1)
        return images, jnp.asarray(self.class_labels, jnp.int32)[which]

    def support(self) -> Support:
        """Every image with its probability; 508 images at the default settings."""
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


def _moved(task: Shifter) -> tuple[np.ndarray, np.ndarray]:
    """Every row `[2**width, width]`, and it under every shift `[classes, 2**width, width]`."""
    rows = all_rows(task.width)
    return rows, np.stack([np.roll(rows, shift, axis=1) for shift in task.class_labels])


@functools.cache
def _support(task: Shifter) -> Support:
    rows, moved = _moved(task)
    on = rows.sum(axis=1, dtype=np.float64)
    p_row = task.p_on**on * (1 - task.p_on) ** (task.width - on)
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
    rows, moved = _moved(task)
    # same[i, j, r]: do shifts i and j move row r to the same place?
    same = (moved[:, None] == moved[None]).all(axis=-1)
    pairs: dict[tuple[int, ...], np.ndarray] = {}
    for k, r in np.argwhere(same.sum(axis=0) > 1):
        pairs[(r, *moved[k, r])] = same[k, :, r]
    index = [pair[0] for pair in pairs]
    by_class = np.array(list(pairs.values()), np.float32).reshape(len(pairs), len(moved))
    target = np.array([pair[1:] for pair in pairs], bool).reshape(len(pairs), task.width)
    return rows[index].astype(bool), target, by_class
