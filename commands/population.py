"""Trains many seeds side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from commands.arguments import parse_named
from commands.options import Hosts, Movie, OwnImages
from commands.shared import finish
from hmjax.errors import require
from hmjax.store import work
from hmjax.study.sweeps import Study


@dataclass(frozen=True)
class Population:
    """Trains many seeds at each of several settings, side by side, and measures them.

    --rule wake-sleep, reweighted, joint-stochastic or exact-em chooses how; the options of that
    rule are rule.*.
    """

    study: Annotated[Study, tyro.conf.arg(name="")]
    own: Annotated[OwnImages, tyro.conf.arg(name="")] = field(default_factory=OwnImages)
    out: Path | None = None
    """Folder of the population; runs/NAME-seedsK-L if not given."""
    overwrite: bool = False
    """Replace the run or population that is in the folder, if one is."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    hosts: Hosts = field(default_factory=Hosts)


def main(arguments: Sequence[str]) -> None:
    named, options = parse_named(
        lambda e: Population(Study(e)), Population, arguments, "population"
    )
    experiment = options.study.experiment
    require(experiment.seed == named.seed, "seed", experiment.seed, "must be left to --first-seed")
    last = options.study.first_seed + options.study.seeds - 1
    swept = "".join(f"-{option.removeprefix('sweep.')}" for option in options.study.swept())
    folder = options.out or Path("runs") / (
        f"{experiment.name}{swept}-seeds{options.study.first_seed}-{last}"
    )
    options.hosts.connect()
    with work.taken(folder, new=True):
        work.create(options.study, folder, overwrite=options.overwrite)
        finish(folder, figures=options.figures, fps=Movie().fps)
