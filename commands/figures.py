"""Draws pictures again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from commands.arguments import parse
from commands.options import Movie
from commands.shared import draw
from hmjax.store import work


@dataclass(frozen=True)
class Figures:
    """Draws the pictures of a finished run or population again, without training."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """Its folder."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = field(default_factory=Movie)


def main(arguments: Sequence[str]) -> None:
    options = parse(Figures, arguments, "run.py figures")
    work.read_settings(options.folder)  # so that what is no folder is not locked
    with work.taken(options.folder):
        draw(options.folder, fps=options.movie.fps)
