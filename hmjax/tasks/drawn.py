"""What of a table is trained on and what is held out, as arrays for compiled programs."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.tasks.base import Support
from hmjax.tasks.sampled import of_different
from hmjax.tasks.table import Table


@dataclass(frozen=True)
class Outline:
    """What a compiled program knows of one table, or of several that it serves.

    Attributes:
      shape: rows and columns of an image.
      classes: the names of the labels.
      training: how many different images there are to train on, at most.
      held_out: how many images are held out, at most.
      has_held_out: whether these are not the images that are trained on.
      validation: how many images decide when training stops, at most.
      is_grey: whether pixels are drawn.
    """

    shape: tuple[int, int]
    classes: tuple[str, ...]
    training: int
    held_out: int
    has_held_out: bool
    validation: int
    is_grey: bool


class Drawn(NamedTuple):
    """What is trained on, and what is held out.

    Attributes:
      images: uint8 `[m, n_0]`, the different images that are trained on.
      which: int32 `[n]`, for each image that is trained on, its place among these.
      labels: int32 `[n]`, theirs, from 1 on.
      held_out: uint8 `[k, n_0]`; those that are trained on, if none are held out.
      held_out_labels: int32 `[k]`.
      validation: uint8 `[l, n_0]`, what decides when training stops.
    """

    images: np.ndarray
    which: np.ndarray
    labels: np.ndarray
    held_out: np.ndarray
    held_out_labels: np.ndarray
    validation: np.ndarray


def _stacked(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Arrays under a leading axis, the shorter padded with zeros."""
    most = max(map(len, arrays))
    padded = [np.pad(a, [(0, most - len(a)), *[(0, 0)] * (a.ndim - 1)]) for a in arrays]
    return np.stack(padded)


@functools.lru_cache(maxsize=64)
def drawn_of(table: Table, only: str | None) -> Drawn:
    """What of a table is trained on and what is held out; of one label alone, if that is given."""
    parts, use = table.parts, table.parts.use
    wanted = only is None or parts.classes[parts.labels] == only
    kinds = "training", "held_out", "validation"
    trained, tested, validation = (wanted & (use == kind) for kind in kinds)
    if not tested.any():
        tested = trained
    different, which = np.unique(parts.images[trained], axis=0, return_inverse=True)
    return Drawn(
        different,
        which.reshape(-1).astype(np.int32),
        parts.labels[trained].astype(np.int32) + 1,
        parts.images[tested],
        parts.labels[tested].astype(np.int32) + 1,
        parts.images[validation],
    )


@functools.lru_cache(maxsize=64)
def outline_of(table: Table, only: str | None) -> Outline:
    """What a program knows of it: of one label, with room for any other."""
    parts, drawn = table.parts, drawn_of(table, only)
    classes = tuple(map(str, parts.classes))
    labels = [only] if only is None else classes
    wanted = only is None or parts.classes[parts.labels] == only
    return Outline(
        shape=(int(parts.shape[0]), int(parts.shape[1])),
        classes=classes,
        training=max(len(drawn_of(table, label).images) for label in labels),
        held_out=len(drawn.held_out),
        has_held_out=bool((parts.held_out & wanted).any()),
        validation=len(drawn.validation),
        is_grey=bool(parts.is_grey),
    )


@functools.lru_cache(maxsize=64)
def support_of(table: Table, only: str | None) -> Support:
    """The different images that are trained on, with how often each comes."""
    drawn = drawn_of(table, only)
    labels = tuple(range(1, len(table.parts.classes) + 1))
    joint = np.full(len(drawn.which), 1 / len(drawn.which))
    return of_different(drawn.images, drawn.which, joint, drawn.labels - 1, labels)


@functools.lru_cache(maxsize=4)
def arrays_of(tables: tuple[tuple[Table, str | None], ...]) -> dict[str, np.ndarray]:
    """What a program is given of tables (see `hmjax.tasks.Task.arrays`)."""
    drawn = [drawn_of(*table) for table in tables]
    support = [support_of(*table) for table in tables]
    return {
        "images": _stacked([each.images for each in drawn]),
        "which": _stacked([each.which for each in drawn]),
        "labels": _stacked([each.labels for each in drawn]),
        "count": np.array([len(each.which) for each in drawn], np.int32),
        "held_out": _stacked([each.held_out for each in drawn]),
        "held_out_labels": _stacked([each.held_out_labels for each in drawn]),
        "held_out_count": np.array([len(each.held_out) for each in drawn], np.int32),
        "validation": _stacked([each.validation for each in drawn]),
        "validation_count": np.array([len(each.validation) for each in drawn], np.int32),
        "probabilities": _stacked([each.probabilities.astype(np.float32) for each in support]),
        "class_given_image": _stacked(
            [each.class_given_image.astype(np.float32) for each in support]
        ),
        "entropy_bits": np.array([each.entropy_bits for each in support], np.float32),
    }


def chosen_of(counts: Any, table: Any, n: int) -> tuple[jax.Array, jax.Array]:
    """Which of the images of a table to take, int32 `[n]`, and their weights.

    All, or n of them from the first to the last, as they may be in some order.
    """
    count, places = jnp.asarray(counts)[table], jnp.arange(n)
    spread = (places * (count / jnp.float32(n))).astype(jnp.int32)
    chosen = jnp.where(count > n, jnp.minimum(spread, count - 1), places)
    weights = (places < count) / jnp.maximum(jnp.minimum(count, n), 1).astype(jnp.float32)
    return chosen, weights


def of_table(given: Mapping[str, Any], name: str, place: jax.Array) -> jax.Array:
    """Of the tables that machines have, what stands at places `[n, ...]`."""
    table = jnp.broadcast_to(jnp.asarray(given["table"]), place.shape)
    return jnp.asarray(given[name]).at[table, place].get(mode="promise_in_bounds")
