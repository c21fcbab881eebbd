"""Trains many seeds side by side."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import tyro

from commands.arguments import by_rule, parse_named, without
from commands.naming import differing
from commands.options import Hosts, Movie, OwnImages
from commands.shared import finish
from hmjax import Experiment, InvalidInput
from hmjax.errors import require
from hmjax.store import work
from hmjax.study.sweeps import Study


@dataclass(frozen=True)
class Population:
    """Trains many seeds at each of several settings, side by side, and measures them.

    --rule wake-sleep, reweighted, joint-stochastic, score-function or exact-em chooses how; the
    options of that rule are rule.*.
    """

    study: Annotated[Study, tyro.conf.arg(name="")]
    own: Annotated[OwnImages, tyro.conf.arg(name="")] = field(default_factory=OwnImages)
    out: Path | None = None
    """Folder of the population; runs/NAME-seedsK-L, with what is otherwise, if not given."""
    overwrite: bool = False
    """Replace the run or population that is in the folder, if one is."""
    figures: bool = True
    """Draw the pictures into DIR/figures."""
    hosts: Hosts = field(default_factory=Hosts)


def main(arguments: Sequence[str]) -> None:
    if any(each.partition("=")[0] == "--seed" for each in arguments):
        raise InvalidInput("--seed must be left to --first-seed and --seeds")
    with without(Experiment, "seed"):
        named, options = parse_named(
            lambda e: Population(Study(e)), Population, arguments, "population"
        )
    experiment = options.study.experiment
    _require_one_of_each(options.study, by_rule(named, type(experiment.rule)))
    last = options.study.first_seed + options.study.seeds - 1
    swept = "".join(f"-{option.removeprefix('sweep.')}" for option in options.study.swept())
    called = f"{experiment.name}{differing(experiment, named)}{swept}"
    folder = options.out or Path("runs") / f"{called}-seeds{options.study.first_seed}-{last}"
    options.hosts.connect()
    with work.taken(folder, new=True):
        work.create(options.study, folder, overwrite=options.overwrite)
        finish(folder, figures=options.figures, fps=Movie().fps)


def _require_one_of_each(study: Study, named: Experiment) -> None:
    """Refuses a setting that is given although it is swept.

    Raises:
      InvalidInput: if there is one.
    """

    def settings(experiment: Experiment) -> dict[str, Any]:
        machine, rule = experiment.machine, experiment.rule
        return {
            "top": ("machine.top", machine.top),
            "hidden": ("machine.hidden", machine.hidden),
            "sweep.learning-rate": ("rule.learning-rate", rule.learning_rate),
            "sweep.recognition-rate": ("rule.recognition-rate", rule.recognition_rate),
            "sweep.p-on": ("p-on", getattr(experiment.task, "p_on", None)),
            "sweep.weight-scale": ("machine.weight-scale", machine.weight_scale),
        }

    before, after = settings(named), settings(study.experiment)
    for swept in study.swept():
        if swept in after:
            (option, value), (_, unchanged) = after[swept], before[swept]
            require(
                value == unchanged, option, value, f"must be left to --{swept}, which sweeps it"
            )
