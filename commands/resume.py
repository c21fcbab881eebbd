"""Goes on with what was interrupted."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from commands.arguments import parse
from commands.options import Hosts, Movie
from commands.shared import are_drawn, finish
from hmjax import Experiment, InvalidInput
from hmjax.runtime import hosts
from hmjax.store import folders, work


@dataclass(frozen=True)
class Resume:
    """Goes on with an interrupted run or population, to the same bits as if it had not been."""

    folder: Annotated[Path, tyro.conf.arg(name="DIR"), tyro.conf.Positional]
    """Its folder."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    movie: Annotated[Movie, tyro.conf.arg(name="")] = field(default_factory=Movie)
    hosts: Hosts = field(default_factory=Hosts)


def main(arguments: Sequence[str]) -> None:
    options = parse(Resume, arguments, "run.py resume")
    folder = options.folder
    options.hosts.connect()
    one = isinstance(work.read_settings(folder), Experiment)
    if one and hosts.count() > 1:
        raise InvalidInput(f"DIR is {str(folder)!r}: is no population's; one host resumes a run")

    def nothing_is_left() -> bool:
        return folders.is_finished(folder) and (not options.figures or are_drawn(folder))

    with work.taken(folder):
        if hosts.agree(nothing_is_left):
            print(f"{folder} is finished; 'figures {folder}' draws its pictures again")
        else:
            finish(folder, figures=options.figures, fps=options.movie.fps)
