"""A table of images that someone brings: binary ones, or grey levels to be drawn from.

It is what a folder keeps of them, so that a run can be gone on with when the file that they came
from is gone or changed.
"""

import functools
import hashlib
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

Binarise = Literal["threshold", "sample"]
"""How grey levels become zeros and ones: by a threshold, or drawn anew whenever they are seen."""

MOST_BYTES = 2**31
"""The largest table, a byte a pixel."""

MOST_PIXELS = 2**16
"""Pixels of an image."""

MOST_CLASSES = 1000

LEVELS = 255
"""Grey levels are kept as whole numbers from 0 to this."""


class Parts(NamedTuple):
    """The arrays of a table.

    Attributes:
      images: uint8 `[n, n_0]`: zeros and ones, or grey levels.
      labels: int64 `[n]`, places in `classes`.
      held_out: bool `[n]`, what is not trained on and measured on.
      validation: bool `[n]`, what is not trained on and decides when training stops.
      classes: strings `[classes]`, the names of the labels; one, of no meaning, without labels.
      shape: int64 `[2]`, rows and columns of an image.
      is_grey: bool `[]`.
    """

    images: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    validation: np.ndarray
    classes: np.ndarray
    shape: np.ndarray
    is_grey: np.ndarray

    @property
    def use(self) -> np.ndarray:
        """What each image is for: "training", "held_out" or "validation"."""
        kinds = [self.held_out, self.validation]
        return np.select(kinds, ["held_out", "validation"], "training")


class Table:
    """Images with labels, and which of them are held out; equal to others of the same content."""

    def __init__(self, parts: Parts) -> None:
        self.parts = Parts(*(np.ascontiguousarray(array) for array in parts))
        for array in self.parts:
            array.setflags(write=False)

    @functools.cached_property
    def digest(self) -> str:
        """What tells it apart from others."""
        of = hashlib.sha256()
        for array in self.parts:
            of.update(f"{array.dtype.str} {array.shape} ".encode() + array.tobytes())
        return of.hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Table) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Table({len(self.parts.images)} images, {self.digest[:12]})"

    def to_json(self) -> dict[str, Any]:
        """What `config.json` says of it; the arrays are kept beside it."""
        return {"kind": "Table", "images": len(self.parts.images), "digest": self.digest}

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file keeps of it, by name; zeros and ones by the bit."""
        parts = self.parts
        images = parts.images if parts.is_grey else np.packbits(parts.images, axis=1)
        return parts._replace(images=images)._asdict()

    @staticmethod
    def from_arrays(arrays: Mapping[str, np.ndarray]) -> "Table":
        """The table that `arrays` gave.

        Raises:
          KeyError, TypeError, ValueError: if they are not those of one.
        """
        parts = Parts(**{name: np.asarray(arrays[name]) for name in Parts._fields})
        if not parts.is_grey:
            pixels = int(np.prod(parts.shape))
            parts = parts._replace(images=np.unpackbits(parts.images, axis=1, count=pixels))
        return Table(parts)
