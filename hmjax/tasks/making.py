"""Making a table of arrays, and refusing what does not fit."""

import math
from typing import Any

import numpy as np

from hmjax.errors import InvalidInput, require
from hmjax.tasks.table import (
    LEVELS,
    MOST_BYTES,
    MOST_CLASSES,
    MOST_PIXELS,
    Binarise,
    Parts,
    Table,
)


def table_of(
    images: Any,
    labels: Any = None,
    *,
    threshold: float | None = None,
    binarise: Binarise = "threshold",
    held_out: float = 0.0,
    validation: float = 0.0,
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
      validation: the share of what is left that decides when training stops, if that is asked for,
        0 or more, below 1; the last of it.
      test: images to be held out, in place of a share.
      test_labels: theirs.
      split_seed: see `held_out`.

    Raises:
      InvalidInput: if something does not fit; it names what, and what is allowed.
    """
    for name, share in (("held-out", held_out), ("validation", validation)):
        require(0 <= share < 1, name, share, "must be 0 or more, and below 1")
    require(split_seed >= 0, "split-seed", split_seed, "must be 0 or more")
    known = "threshold", "sample"
    require(binarise in known, "binarise", binarise, f"must be one of {', '.join(known)}")
    rows, shape = _rows(images, "images")
    names, codes = _classes(labels, len(rows), "labels")
    own = len(rows)
    if test is None:
        is_test = np.arange(own) >= own - _part_of(own, held_out, "held-out")
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
    left = int((~is_test).sum())
    last = _part_of(left, validation, "validation")
    if held_out or validation:
        order = np.arange(len(rows))
        order[:own] = np.random.default_rng(split_seed).permutation(own)
        rows, codes = rows[order], codes[order]
    is_validation = ~is_test & (np.arange(len(rows)) >= left - last)
    is_grey = binarise == "sample"
    require(
        threshold is None or not is_grey,
        *("threshold", threshold, "must be none where pixels are drawn by binarise sample"),
    )
    levels = _levels(rows) if is_grey else binary(rows, threshold)
    alike = levels.min() == levels.max()
    _check(not alike, "every pixel of every image is the same", "some must be on, and some off")
    return Table(
        Parts(
            levels,
            codes,
            is_test,
            is_validation,
            names,
            np.array(shape, np.int64),
            np.array(is_grey),
        )
    )


def _part_of(images: int, share: float, name: str) -> int:
    """How many of images a share is."""
    part = round(images * share)
    require(part > 0 or not share, name, share, f"is none of {images} images")
    require(part < images, name, share, f"leaves nothing of {images} images to train on")
    return part


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


def binary(rows: np.ndarray, threshold: float | None) -> np.ndarray:
    """Pixels as zeros and ones, uint8, by a threshold or as they are.

    Raises:
      InvalidInput: if they are not.
    """
    _check(rows.dtype.kind in "buif", f"images are of type {rows.dtype}", "must be numbers")
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
