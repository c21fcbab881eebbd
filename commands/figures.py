"""Draws pictures again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from commands.arguments import parse
from commands.options import Movie
from commands.work import draw, draw_study, is_study
from hmjax.store import folders, locks


@dataclass(frozen=True)
class Figures:
    """Draws the pictures of a finished run or population again, without training."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """Its folder."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = field(default_factory=Movie)


def main(arguments: Sequence[str]) -> None:
    options = parse(Figures, arguments, "run.py figures")
    config = folders.read_config(options.folder)
    with locks.taken(options.folder):
        if is_study(config):
            draw_study(options.folder)
        else:
            draw(options.folder, options.movie)
