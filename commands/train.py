"""Trains one machine."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from commands.arguments import parse_named
from commands.naming import differing
from commands.options import Movie, OwnImages
from commands.shared import finish
from hmjax import Experiment
from hmjax.store import work


@dataclass(frozen=True)
class Train:
    """Trains one machine, measures it and draws what it learned.

    --rule wake-sleep, reweighted, joint-stochastic, score-function or exact-em chooses how; the
    options of that rule are rule.*.
    """

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    own: Annotated[OwnImages, tyro.conf.arg(name="")] = field(default_factory=OwnImages)
    out: Path | None = None
    """Folder of the run; runs/NAME-seedK, with what is otherwise than in NAME, if not given."""
    overwrite: bool = False
    """Replace the run that is in the folder, if one is."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = field(default_factory=Movie)


def main(arguments: Sequence[str]) -> None:
    named, options = parse_named(Train, Train, arguments, "train")
    experiment = options.experiment
    called = f"{experiment.name}{differing(experiment, named)}-seed{experiment.seed}"
    folder = options.out or Path("runs") / called
    with work.taken(folder, new=True):
        work.create(experiment, folder, overwrite=options.overwrite)
        finish(folder, figures=options.figures, fps=options.movie.fps)
