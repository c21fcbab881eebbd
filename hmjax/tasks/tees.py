"""Tees: images of a letter T at random places, all upright or all upside down.

Each place of the image holds one with a probability of its own, so that several may overlap; a
pixel is on if any of them covers it.
"""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import arithmetic
from hmjax.errors import require
from hmjax.settings import Settings
from hmjax.tasks.base import Support
from hmjax.tasks.sampled import Sampled, all_rows, collect, counted, probability_of_rows

_TEE = np.array([[1, 1, 1], [0, 1, 0], [0, 1, 0]], np.float32)


@dataclass(frozen=True)
class Tees(Sampled, Settings):
    """Square images of Ts of 3 x 3 pixels; labels are +1 upright, -1 upside down.

    Images that both could give, like an empty one, are ambiguous.
    """

    side: int = 5
    """Pixels in a row and in a column, 4 or 5."""
    p_place: float = 0.2
    """Probability that a place holds one, between 0 and 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(4 <= self.side <= 5, "side", self.side, "must be 4 or 5 pixels")
        possible = 0 < self.p_place < 1
        require(possible, "p-place", self.p_place, "must be a probability between 0 and 1")

    def numbers(self) -> dict[str, float]:
        return {"p_place": self.p_place}

    @property
    def places(self) -> int:
        """How many places there are for a T."""
        return (self.side - 2) ** 2

    @property
    def p_on(self) -> float:
        """The probability that a pixel is on, averaged over pixels."""
        covered = 1 - (1 - self.p_place) ** self.causes.reshape(2, self.places, -1).sum(axis=1)
        return float(covered.mean())

    @property
    def image_shape(self) -> tuple[int, int]:
        return self.side, self.side

    @property
    def class_labels(self) -> tuple[int, ...]:
        return -1, 1

    @property
    def class_names(self) -> tuple[str, ...]:
        return "upside down", "upright"

    @property
    def class_kind(self) -> str:
        return "orientation"

    @property
    def draws(self) -> int:
        return self.places + 1

    def made_of(
        self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Images `[n, side**2]` of a number a place, and one for their orientation.

        See `Task.made_of`.
        """
        holds, upright = self._drawn(uniform, numbers)
        causes = self.causes.reshape(2, self.places, -1, *(1,) * (holds.ndim - 2))
        nothing = jnp.zeros(causes.shape[2:], jnp.float32)
        either = [arithmetic.product(nothing, holds, jnp.asarray(each)) > 0 for each in causes]
        images = jnp.where(upright[:, None], either[1], either[0]).astype(jnp.float32)
        return images, jnp.where(upright, 1, -1).astype(jnp.int32)

    def _drawn(
        self, uniform: jax.Array, numbers: Mapping[str, Any] | None
    ) -> tuple[jax.Array, jax.Array]:
        """Which places hold one, and whether they are upright."""
        p_place = jnp.float32((self.numbers() | dict(numbers or {}))["p_place"])
        holds = (uniform[:, : self.places] < p_place).astype(jnp.float32)
        return holds, uniform[:, self.places] < 0.5

    @property
    def images(self) -> int:
        return 2 * 2**self.places

    def number_of(self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None) -> jax.Array:
        holds, upright = self._drawn(uniform, numbers)
        return upright.astype(jnp.int32) * 2**self.places + counted(holds)

    @property
    def causes(self) -> np.ndarray:
        """A T at every place, those upside down first (see `Task.causes`)."""
        images = []
        for shape in (_TEE[::-1], _TEE):
            for row, column in np.ndindex(self.side - 2, self.side - 2):
                image = np.zeros((self.side, self.side), np.float32)
                image[row : row + 3, column : column + 3] = shape
                images.append(image.reshape(-1))
        return np.stack(images)

    def support(self) -> Support:
        """Every image with its probability; 804 images at the default settings."""
        return _support(self)

    def shows(self, probability: jax.Array) -> jax.Array:
        """The probability of an image of Ts upside down, of upright ones, of either, or of none.

        See `Task.shows`.
        """
        support = _support(self)
        images, certain = jnp.asarray(support.images), support.label
        log_on, log_off = (
            jnp.where(p > 0, jnp.log(jnp.maximum(p, 1e-30)), -1e3)
            for p in (probability, 1 - probability)
        )
        each = jnp.exp(
            jnp.matmul(log_on, images.T, precision="highest")
            + jnp.matmul(log_off, 1 - images.T, precision="highest")
        )
        kinds = [jnp.asarray(certain == label, jnp.float32) for label in (-1, 1, 0)]
        shown = [each @ kind for kind in kinds]
        return jnp.stack([*shown, jnp.maximum(1 - sum(shown), 0)], axis=-1)


@functools.cache
def _support(task: Tees) -> Support:
    holds = all_rows(task.places)
    p_holds = probability_of_rows(holds, task.p_place)
    images = [holds @ causes > 0 for causes in task.causes.reshape(2, task.places, -1)]
    return collect(
        images=np.concatenate(images),
        joint=np.tile(p_holds / 2, 2),
        which=np.repeat([0, 1], len(holds)),
        labels=task.class_labels,
    )
