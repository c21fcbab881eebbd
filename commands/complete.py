"""Completes images of which a part is known."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from commands.arguments import parse, require_new_with_picture
from hmjax import InvalidInput, complete
from hmjax.errors import require
from hmjax.experiment import MAX_SEED
from hmjax.runtime.cipher import key_of
from hmjax.store import files, runs
from hmjax.tasks.making import binary
from hmjax.tasks.reading import read


@dataclass(frozen=True)
class Complete:
    """Draws the pixels of images that are not known, given those that are, by a trained machine.

    A pixel that is not a number (nan, or an empty cell of a .csv) is not known.
    """

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """The folder of the run."""
    images: Path
    """File of images: .npy, .npz with images, or .csv."""
    hide: Literal["top", "bottom", "left", "right"] | None = None
    """Half of every image that is not known either."""
    threshold: float | None = None
    """Grey level from which on a pixel is on."""
    draws: int = 4
    """Completions of each image, at least 1."""
    runs: int = 16
    """Annealed runs of each, of which one is chosen by its weight, at least 1."""
    temperatures: int = 100
    """Temperatures of each run, at least 1."""
    seed: int = 1
    """Seed of what is drawn, 0 to 2^32 - 1."""
    out: Path | None = None
    """File to be written, with a picture beside it; DIR/completions.npz if not given."""
    overwrite: bool = False
    """Replace it if it is there."""

    def __post_init__(self) -> None:
        for name in ("draws", "runs", "temperatures"):
            require(getattr(self, name) >= 1, name, getattr(self, name), "must be at least 1")
        require(0 <= self.seed <= MAX_SEED, "seed", self.seed, "must be 0 to 2^32 - 1")


def main(arguments: Sequence[str]) -> None:
    options = parse(Complete, arguments, "run.py complete")
    out = options.out or options.folder / "completions.npz"
    run = runs.read(options.folder)
    require_new_with_picture(out, ".npz", overwrite=options.overwrite)
    images, known = _read(options, run.experiment.task.image_shape)

    key = jax.random.split(key_of(options.seed), options.draws)
    drawn = [
        complete(
            *(each, run.params, jnp.asarray(images), jnp.asarray(known)),
            runs=options.runs,
            temperatures=options.temperatures,
        )
        for each in key
    ]
    shape = len(images), options.draws, *run.experiment.task.image_shape
    completions = np.stack(drawn, axis=1).reshape(shape).astype(np.uint8)
    arrays = {"completions": completions, "known": known.reshape(-1, *shape[2:])}
    files.write_arrays(out, arrays)

    from analysis import completions as pictures  # Matplotlib takes a while to import
    from analysis import style

    style.save(pictures.draw(**arrays), out.with_suffix(".png"))
    print(f"{len(images)} images, {options.draws} completions each: {shlex.quote(str(out))}")
    print(f"the first of them: {shlex.quote(str(out.with_suffix('.png')))}")


def _read(options: Complete, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Images `[n, n_0]` of zeros and ones, and which of their pixels are known."""
    content, path = np.array(read(options.images).images), options.images
    known, (rows, columns) = np.ones(content.shape, bool), shape
    if content.dtype.kind == "f":
        if np.isinf(content).any():
            raise InvalidInput(f"{path}: pixels must be finite, or nan where they are not known")
        known = ~np.isnan(content)
        content[~known] = 0
    if content.ndim not in (2, 3) or content.shape[1:] not in (shape, (rows * columns,)):
        has = list(content.shape)
        raise InvalidInput(f"{path}: images are of shape {has}, must be [n, {rows}, {columns}]")
    try:
        images = binary(content, options.threshold)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None
    grid = known.reshape(-1, *shape)
    halves = {
        "top": np.s_[:, : rows // 2],
        "bottom": np.s_[:, -(rows // 2) :],
        "left": np.s_[:, :, : columns // 2],
        "right": np.s_[:, :, -(columns // 2) :],
    }
    if options.hide is not None:
        of = rows if options.hide in ("top", "bottom") else columns
        require(of > 1, "hide", options.hide, "must leave pixels to be known")
        grid[halves[options.hide]] = False
    return images.reshape(len(images), -1), grid.reshape(len(grid), -1)
