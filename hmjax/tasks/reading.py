"""Files of images: `.npy`, `.npz` with `images` and perhaps `labels`, and `.csv`."""

import csv
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hmjax.errors import InvalidInput
from hmjax.tasks.images import Images

LABEL = "label"
"""The column of a `.csv` that holds labels, if its first line names the columns."""


class Content(NamedTuple):
    """What is in a file.

    Attributes:
      images: as they are.
      labels: likewise, if there are some.
    """

    images: np.ndarray
    labels: np.ndarray | None


def images_of(
    path: Path | str, *, test: Path | str | None = None, only: str | None = None, **options: Any
) -> Images:
    """The task of the images in a file.

    Args:
      path: the file.
      test: one of images to be held out, if not a share of these.
      only: as for `Images`.
      options: as for `table_of`.

    Raises:
      InvalidInput: if a file cannot be read, or something in it does not fit.
    """
    content = read(Path(path))
    if test is not None:
        held_out = read(Path(test))
        options |= {"test": held_out.images, "test_labels": held_out.labels}
    try:
        return Images(content.images, content.labels, only=only, **options)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None


def read(path: Path) -> Content:
    """What is in a file of images.

    Raises:
      InvalidInput: if it is missing, damaged or holds something else.
    """
    readers = {".npy": _npy, ".npz": _npz, ".csv": _csv}
    if path.suffix.lower() not in readers:
        raise InvalidInput(f"{path} is none of {', '.join(readers)}")
    if not path.is_file():
        raise InvalidInput(f"{path} is not a file" if path.exists() else f"{path} does not exist")
    try:
        return readers[path.suffix.lower()](path)
    except InvalidInput:
        raise
    except MemoryError:
        raise InvalidInput(f"{path}, of {path.stat().st_size:,} bytes, is too large") from None
    except Exception as error:  # there is little that a damaged file does not make of it
        reason = " ".join((str(error) or type(error).__name__).split())
        raise InvalidInput(f"{path} cannot be read: {reason}") from None


def _npy(path: Path) -> Content:
    images = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(images, np.ndarray):
        raise InvalidInput(f"{path} is a .npz file by another name")
    return Content(images, None)


def _npz(path: Path) -> Content:
    with np.load(path, allow_pickle=False) as archive:
        if "images" not in archive:
            names = ", ".join(archive) or "none"
            raise InvalidInput(f"{path} holds no array 'images', but {names}")
        labels = archive.get("labels")
        return Content(archive["images"], labels)


def _csv(path: Path) -> Content:
    """A line an image, a column a pixel; a first line that is no numbers names the columns."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        first = next(csv.reader(file), [])
    if not first:
        raise InvalidInput(f"{path} is empty")
    names = [] if all(map(_is_number, first)) else [name.strip().lower() for name in first]
    pixels = [column for column in range(len(first)) if not names or names[column] != LABEL]
    lines: dict[str, Any] = {
        "delimiter": ",",
        "skiprows": int(bool(names)),
        "ndmin": 2,
        "encoding": "utf-8-sig",
        "comments": None,
        "quotechar": '"',
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is no line but the first
        images = np.loadtxt(path, dtype=np.float32, usecols=pixels, converters=_number, **lines)
    if LABEL not in names:
        return Content(images, None)
    labels = np.loadtxt(path, dtype=str, usecols=[names.index(LABEL)], **lines)[:, 0]
    whole = all(map(_is_number, labels))
    return Content(images, labels.astype(float) if whole else labels)


def _number(cell: str) -> float:
    return float(cell or "nan")  # an empty cell is a number that is missing


def _is_number(cell: str) -> bool:
    try:
        _number(cell)
    except ValueError:
        return False
    return True
