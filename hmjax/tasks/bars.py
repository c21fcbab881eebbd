"""The bars: images of either vertical or horizontal bars.

Source: Hinton, Dayan, Frey & Neal, Science 268:1158-1161, 1995.
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
from hmjax.tasks.base import Support
from hmjax.tasks.sampled import Sampled, all_rows, collect, counted, probability_of_rows


@dataclass(frozen=True)
class Bars(Sampled, Settings):
    """Square images of parallel bars, each on with `p_on`; labels are +1 vertical, -1 horizontal.

    An empty and a full image could be of either orientation.
    """

    side: int = 4
    """Pixels in a row and in a column, 2 to 16."""
    p_on: float = 0.2
    """Probability that a bar is on, between 0 and 1."""
    p_vertical: float = 2 / 3
    """Probability that an image's bars are vertical, between 0 and 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(2 <= self.side <= 16, "side", self.side, "must be 2 to 16 pixels")
        for field, value in (("p-on", self.p_on), ("p-vertical", self.p_vertical)):
            require(0 < value < 1, field, value, "must be a probability between 0 and 1")

    def numbers(self) -> dict[str, float]:
        return {"p_on": self.p_on, "p_vertical": self.p_vertical}

    @property
    def image_shape(self) -> tuple[int, int]:
        return self.side, self.side

    @property
    def class_labels(self) -> tuple[int, ...]:
        return -1, 1

    @property
    def class_names(self) -> tuple[str, ...]:
        return "horizontal", "vertical"

    @property
    def class_kind(self) -> str:
        return "orientation"

    @property
    def draws(self) -> int:
        return self.side + 1

    def made_of(
        self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Images `[n, side**2]` of a number a bar, and one for their orientation.

        See `Task.made_of`.
        """
        bars, vertical = self._drawn(uniform, numbers)
        across, along = bars[:, None], bars[:, :, None]
        images = jnp.where(vertical[:, None, None], across, along)
        shape = len(uniform), self.side**2, *uniform.shape[2:]
        return images.reshape(shape), jnp.where(vertical, 1, -1).astype(jnp.int32)

    def _drawn(
        self, uniform: jax.Array, numbers: Mapping[str, Any] | None
    ) -> tuple[jax.Array, jax.Array]:
        """The bars of each image, and whether they are vertical."""
        given = self.numbers() | dict(numbers or {})
        p_on, p_vertical = (jnp.float32(given[name]) for name in ("p_on", "p_vertical"))
        bars = (uniform[:, : self.side] < p_on).astype(jnp.float32)
        return bars, uniform[:, self.side] < p_vertical

    @property
    def images(self) -> int:
        return 2 * 2**self.side

    def number_of(self, uniform: jax.Array, numbers: Mapping[str, Any] | None = None) -> jax.Array:
        bars, vertical = self._drawn(uniform, numbers)
        return vertical.astype(jnp.int32) * 2**self.side + counted(bars)

    @property
    def causes(self) -> np.ndarray:
        """Every bar, horizontal ones first (see `Task.causes`)."""
        line, lines = np.ones((1, self.side)), np.eye(self.side)
        return np.concatenate([np.kron(lines, line), np.kron(line, lines)]).astype(np.float32)

    def support(self) -> Support:
        """Every image with its probability; 30 images at the default settings."""
        return _support(self)

    def shows(self, probability: jax.Array) -> jax.Array:
        """The probability of an image of horizontal, vertical, either, or no proper bars.

        See `Task.shows`.
        """
        pixels = probability.reshape(-1, self.side, self.side)
        empty, full = jnp.prod(1 - pixels, axis=(1, 2)), jnp.prod(pixels, axis=(1, 2))
        only = [
            # Every line along the axis is wholly on or wholly off, but not all lines alike.
            jnp.prod(jnp.prod(pixels, axis) + jnp.prod(1 - pixels, axis), axis=1) - empty - full
            for axis in (2, 1)
        ]
        only = [jnp.maximum(p, 0) for p in only]
        none = jnp.maximum(1 - sum(only) - empty - full, 0)
        return jnp.stack([*only, empty + full, none], axis=-1)


@functools.cache
def _support(task: Bars) -> Support:
    bars = all_rows(task.side)
    p_bars = probability_of_rows(bars, task.p_on)
    shape = (len(bars), task.side, task.side)
    horizontal = np.broadcast_to(bars[:, :, None], shape).reshape(len(bars), -1)
    vertical = np.broadcast_to(bars[:, None, :], shape).reshape(len(bars), -1)
    return collect(
        images=np.concatenate([horizontal, vertical]),
        joint=np.concatenate([p_bars * (1 - task.p_vertical), p_bars * task.p_vertical]),
        which=np.repeat([0, 1], len(bars)),
        labels=task.class_labels,
    )
