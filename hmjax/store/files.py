"""Files that are written whole or not at all: arrays by tree path, experiments as JSON."""

import contextlib
import csv
import hashlib
import io
import itertools
import json
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from hmjax.errors import InvalidInput
from hmjax.machine import Layer, Params, Prior
from hmjax.runtime.ambient import own_settings

T = TypeVar("T")

_PARTIAL = ".partial-"  # in the names of temporary files


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields the path of a temporary file that takes the place of `path` once it is on disk.

    A crash at any moment leaves either the old file or the new one, whole.

    Raises:
      OSError: naming `path`, if it cannot be written.
    """
    unique = secrets.token_hex(4)
    temporary = path.with_name(f".{path.stem}{_PARTIAL}{unique}{path.suffix}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


def digest(path: Path) -> str:
    """What tells the content of one file from that of another.

    Raises:
      InvalidInput: if it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None


def sweep(folder: Path) -> None:
    """Removes what writers that were killed left behind in a folder."""
    for path in folder.glob(f".*{_PARTIAL}*"):
        path.unlink()


def write_json(path: Path, content: Any) -> None:
    """Writes JSON for people: indented, keys in the given order."""
    text = json.dumps(content, indent=2, allow_nan=False) + "\n"
    with replacing(path) as temporary:
        temporary.write_text(text)


def write_table(path: Path, columns: Mapping[str, Sequence[Any]]) -> None:
    """Writes columns of equal length as `.csv`, their names on the first line."""
    with replacing(path) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def read_json(path: Path) -> Any:
    """Reads JSON.

    Raises:
      InvalidInput: if the file is missing or is not JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise InvalidInput(f"{path} does not exist") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not a readable JSON file: {error}") from None


def read_bytes(path: Path) -> bytes:
    """What is in a file.

    Raises:
      InvalidInput: if it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}") from None


def write_arrays(path: Path, tree: Any) -> None:
    """Writes a pytree as `.npz`, each array named by its path in the tree."""
    arrays: dict[str, Any] = {name: np.asarray(leaf) for name, leaf in _named(tree)}
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)


def read_arrays(path: Path, content: bytes | None = None) -> dict[str, np.ndarray]:
    """Reads an `.npz` file.

    Args:
      path: the file.
      content: what is in it, if that was read before.

    Raises:
      InvalidInput: if the file is missing, truncated or not such a file.
    """
    try:
        file = path if content is None else io.BytesIO(content)
        with np.load(file, allow_pickle=False) as archive:
            return dict(archive)
    except FileNotFoundError:
        raise InvalidInput(f"{path} does not exist") from None
    except Exception as error:  # there is little that a damaged file does not make of it
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InvalidInput(f"{path} is not a readable .npz file: {reason}") from None


def restore(path: Path, arrays: Mapping[str, np.ndarray], template: T) -> T:
    """Puts arrays into a pytree like `template`, of arrays or of `jax.ShapeDtypeStruct`.

    Args:
      path: the file they come from, for messages.
      arrays: by tree path.
      template: gives names, dtypes and shapes; a length of -1 stands for any.

    Raises:
      InvalidInput: if an array is missing or of another shape or dtype.
    """

    def take(name: str, like: Any) -> np.ndarray:
        if name not in arrays:
            raise InvalidInput(f"{path} holds no array {name!r}")
        array = arrays[name]
        free = tuple(a if b == -1 else b for a, b in zip(array.shape, like.shape, strict=False))
        if array.dtype != like.dtype or array.ndim != len(like.shape) or array.shape != free:
            raise InvalidInput(
                f"{path}: {name!r} is {array.dtype}{list(array.shape)}, "
                f"must be {np.dtype(like.dtype)}{list(like.shape)}"
            )
        return array

    leaves = [take(name, like) for name, like in _named(template)]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def params_template(sizes: tuple[int, ...], *leading: int) -> Params:
    """The shapes of a machine of the given layer sizes, with leading axes in front."""

    def shape(*lengths: int) -> Any:
        return jax.ShapeDtypeStruct((*leading, *lengths), np.float32)

    pairs = list(itertools.pairwise(sizes))
    return Params(
        generative=tuple(Layer(shape(high, low), shape(low)) for low, high in pairs),
        prior=Prior(shape(sizes[-1])),
        recognition=tuple(Layer(shape(low, high), shape(high)) for low, high in pairs),
    )


@own_settings()
def load_params(path: str | os.PathLike[str]) -> Params:
    """Loads a machine from the `params.npz` of a run folder.

    Args:
      path: an `.npz` file of float32 arrays `generative/l/weight` `[n_{l+1}, n_l]`,
        `generative/l/bias` `[n_l]`, `prior/bias` `[n_L]`, `recognition/l/weight` `[n_l, n_{l+1}]`
        and `recognition/l/bias` `[n_{l+1}]`; others in the file are left alone.

    Returns:
      The machine, of whatever depth the file holds.

    Raises:
      InvalidInput: if the file is missing, truncated, or does not hold a machine.
    """
    path = Path(path)
    if path.is_dir():
        raise InvalidInput(f"{path} is a folder: name the params.npz in it")
    arrays = read_arrays(path)
    if any(name.endswith("prior/bias") and leaf.ndim == 2 for name, leaf in arrays.items()):
        raise InvalidInput(
            f"{path} holds the machines of a population, with a leading axis, and not one: "
            f"'replay {path.parent} --seed K' makes a run of one of them, "
            "'hmjax.store.studies.read' reads them all"
        )
    sizes: list[int] = []
    while (bias := arrays.get(f"generative/{len(sizes)}/bias")) is not None and bias.ndim == 1:
        sizes.append(len(bias))
    if not sizes or "prior/bias" not in arrays or arrays["prior/bias"].ndim != 1:
        raise InvalidInput(f"{path} holds no machine: 'generative/0/bias' or 'prior/bias' missing")
    sizes.append(len(arrays["prior/bias"]))
    return jax.tree.map(jax.numpy.asarray, restore(path, arrays, params_template(tuple(sizes))))


def _named(tree: Any) -> list[tuple[str, Any]]:
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator="/"), leaf) for path, leaf in leaves]
