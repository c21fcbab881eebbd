"""A table of images that someone brings: binary ones, or grey levels to be drawn from.

It is what a folder keeps of them, so that a run can be gone on with when the file that they came
from is gone or changed.
"""

import functools
import hashlib
import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from hmjax.errors import InvalidInput, require

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
      held_out: bool `[n]`, what is not trained on.
      classes: strings `[classes]`, the names of the labels; one, of no meaning, without labels.
      shape: int64 `[2]`, rows and columns of an image.
      is_grey: bool `[]`.
    """

    images: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    classes: np.ndarray
    shape: np.ndarray
    is_grey: np.ndarray


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


def table_of(
    images: Any,
    labels: Any = None,
    *,
    threshold: float | None = None,
    binarise: Binarise = "threshold",
    held_out: float = 0.0,
    test: Any = None,
    test_labels: Any = None,
    split_seed: int = 0,
) -> Table:
    """A table of images.

    Args:
      images: `[n, rows, columns]` or `[n, n_0]`: zeros and ones, or numbers.
      labels: `[n]`, of any kind that can be told apart; none if not given.
      threshold: of numbers, those from which on a pixel is on.
      binarise: "sample" draws a pixel anew whenever it is seen, on with the share that its number
        is of the largest of all.
      held_out: the share of images that is not trained on, 0 or more, below 1. They are the last of
        `numpy.random.default_rng(split_seed).permutation(n)`.
      test: images to be held out, in place of a share.
      test_labels: theirs.
      split_seed: see `held_out`.

    Raises:
      InvalidInput: if something does not fit; it names what, and what is allowed.
    """
    require(0 <= held_out < 1, "held-out", held_out, "must be 0 or more, and below 1")
    rows, shape = _rows(images, "images")
    names, codes = _classes(labels, len(rows), "labels")
    own = len(rows)
    if test is None:
        order = np.arange(own)
        if held_out:
            order = np.random.default_rng(split_seed).permutation(own)
        last = round(own * held_out)
        require(last > 0 or not held_out, "held-out", held_out, f"is none of {own} images")
        require(last < own, "held-out", held_out, f"leaves nothing of {own} images to train on")
        is_test = np.arange(own) >= own - last
        rows, codes = rows[order], codes[order]
    else:
        require(not held_out, "held-out", held_out, "must be 0 where test images are given")
        more, more_shape = _rows(test, "test images")
        has = f"test images have {more_shape[0]} x {more_shape[1]} pixels"
        _check(more_shape == shape, has, f"must have {shape[0]} x {shape[1]}, as the images have")
        both = (labels is None) == (test_labels is None)
        _check(both, "labels are in one of images and test images", "must be in both or in none")
        if labels is None:
            codes = np.zeros(own + len(more), np.int64)
        else:
            _classes(test_labels, len(more), "test labels")
            joined = np.concatenate([np.asarray(labels), np.asarray(test_labels)])
            names, codes = _classes(joined, len(joined), "labels")
        rows, is_test = np.concatenate([rows, more]), np.arange(own + len(more)) >= own
    is_grey = binarise == "sample"
    require(
        threshold is None or not is_grey,
        *("threshold", threshold, "must be none where pixels are drawn by binarise sample"),
    )
    levels = _levels(rows) if is_grey else _binary(rows, threshold)
    return Table(Parts(levels, codes, is_test, names, np.array(shape, np.int64), np.array(is_grey)))


def _check(fits: bool | np.bool_, what: str, allowed: str) -> None:
    if not fits:
        raise InvalidInput(f"{what}: {allowed}")


def _array(values: Any, name: str) -> np.ndarray:
    try:
        return np.asarray(values)
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InvalidInput(f"{name} are no array: {reason}") from None


def _rows(images: Any, name: str) -> tuple[np.ndarray, tuple[int, int]]:
    """Images as rows of pixels, and the shape of one."""
    array = _array(images, name)
    is_number = array.dtype.kind in "buif"
    _check(is_number, f"{name} are of type {array.dtype}", "must be numbers or truth values")
    fits = array.ndim in (2, 3)
    allowed = "must be [n, rows, columns] or [n, pixels]"
    _check(fits, f"{name} are of shape {list(array.shape)}", allowed)
    allowed = "must be one or more, of one pixel or more"
    _check(array.size > 0, f"{name} are of shape {list(array.shape)}", allowed)
    pixels = math.prod(array.shape[1:])
    _check(pixels <= MOST_PIXELS, f"{name} have {pixels:,} pixels", f"{MOST_PIXELS:,} at most")
    allowed = f"{MOST_BYTES:,} at most, a byte a pixel"
    _check(array.size <= MOST_BYTES, f"{name} take {array.size:,} bytes", allowed)
    if array.dtype.kind == "f":
        finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
        which = f"{name}: number {int(np.argmin(finite))}, counted from 0, is not finite"
        _check(finite.all(), which, "every pixel must be")
    side = math.isqrt(pixels)
    flat = (side, side) if side * side == pixels else (1, pixels)
    shape = (array.shape[1], array.shape[2]) if array.ndim == 3 else flat
    return array.reshape(len(array), pixels), shape


def _binary(rows: np.ndarray, threshold: float | None) -> np.ndarray:
    """Zeros and ones, by a threshold or as they are."""
    if threshold is not None:
        require(math.isfinite(threshold), "threshold", threshold, "must be finite")
        return (rows >= threshold).astype(np.uint8)
    are = ((rows == 0) | (rows == 1)).all()
    span = f"images have values from {rows.min():g} to {rows.max():g}"
    _check(are, span, "must be 0 and 1 alone, or be made so by threshold or binarise sample")
    return rows.astype(np.uint8)


def _levels(rows: np.ndarray) -> np.ndarray:
    """Grey levels, as shares of the largest number."""
    least, most = float(rows.min()), float(rows.max())
    span = f"images have values from {least:g} to {most:g}"
    _check(least >= 0 and most > 0, span, "must be 0 or more, and some above, to be drawn from")
    return np.round(rows.astype(np.float64) / most * LEVELS).astype(np.uint8)


def _classes(labels: Any, images: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The names of labels, and each label's place among them."""
    if labels is None:
        return np.array(["all"]), np.zeros(images, np.int64)
    array = _array(labels, name)
    shape = f"{name} are of shape {list(array.shape)}"
    _check(array.shape == (images,), shape, f"must be [{images}], one an image")
    kind = array.dtype.kind
    _check(kind in "biufUS", f"{name} are of type {array.dtype}", "must be numbers or strings")
    if kind == "f":
        _check(np.isfinite(array).all(), f"{name} are not all finite", "every one must be")
    values, codes = np.unique(array, return_inverse=True)
    _check(len(values) <= MOST_CLASSES, f"{name} are {len(values)}", f"{MOST_CLASSES} at most")
    whole = kind == "f" and bool((values == np.round(values)).all())
    names = np.array([f"{int(v)}" if whole else str(v) for v in values])
    return names, codes.reshape(-1).astype(np.int64)
