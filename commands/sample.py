"""Draws fantasies of a trained machine into a file."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from commands.arguments import parse, require_new_file
from hmjax import generate
from hmjax.errors import require
from hmjax.experiment import MAX_SEED
from hmjax.runtime.cipher import key_of
from hmjax.store import files, runs

MOST = 10**6


@dataclass(frozen=True)
class Sample:
    """Draws fantasies of a trained machine into a file that --images takes."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """The folder of the run."""
    count: int = 100
    """How many, 1 to 1,000,000."""
    seed: int = 1
    """Seed of what is drawn, 0 to 2^32 - 1."""
    out: Path | None = None
    """File to be written, .npz; DIR/samples.npz if not given."""
    overwrite: bool = False
    """Replace it if it is there."""

    def __post_init__(self) -> None:
        require(1 <= self.count <= MOST, "count", self.count, f"must be 1 to {MOST}")
        require(0 <= self.seed <= MAX_SEED, "seed", self.seed, "must be 0 to 2^32 - 1")


def main(arguments: Sequence[str]) -> None:
    options = parse(Sample, arguments, "run.py sample")
    run = runs.read(options.folder)
    out = options.out or options.folder / "samples.npz"
    require_new_file(out, ".npz", overwrite=options.overwrite)
    images = generate(key_of(options.seed), run.params, options.count)[0]
    shape = options.count, *run.experiment.task.image_shape
    files.write_arrays(out, {"images": np.asarray(images, np.uint8).reshape(shape)})
    print(f"{options.count} fantasies: {shlex.quote(str(out))}")
