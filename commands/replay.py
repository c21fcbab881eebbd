"""Trains one machine of a population alone."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import jax
import numpy as np
import tyro

from commands.arguments import parse
from commands.options import Movie
from commands.shared import finish
from hmjax.store import files, folders, studies, work
from hmjax.study import sweeps


@dataclass(frozen=True)
class Replay:
    """Trains one machine of a population alone, with snapshots and pictures, to the same bits."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """The population's folder."""
    seed: int
    """Which of its seeds."""
    setting: int = 0
    """Which of its settings, counted from 0, if it swept any."""
    out: Path | None = None
    """Folder of the run; DIR/replay-settingI-seedK if not given."""
    overwrite: bool = False
    """Replace the run that is in the folder, if one is."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = field(default_factory=Movie)


def main(arguments: Sequence[str]) -> None:
    options = parse(Replay, arguments, "run.py replay")
    folder = options.folder
    studied = studies.read(folder)
    folders.require_no_restarts(folder, folders.read_config(folder))
    experiment = sweeps.member(studied.study, options.seed, options.setting)
    out = options.out or folder / f"replay-setting{options.setting}-seed{options.seed}"
    with work.taken(out, new=True):
        work.create(experiment, out, overwrite=options.overwrite)
        finish(out, figures=options.figures, fps=options.movie.fps)
    theirs = jax.tree.leaves(studied.machine(options.setting, options.seed))
    ours = jax.tree.leaves(files.load_params(out / "params.npz"))
    if not all(np.array_equal(a, b) for a, b in zip(theirs, ours, strict=True)):
        print(
            "error: its parameters are not those in the population; was that trained on another "
            f"kind of device or with other versions? See {folder / 'environment.json'}",
            file=sys.stderr,
        )
        raise SystemExit(1)
    print(f"its parameters are bit for bit those of seed {options.seed} in {folder}")
