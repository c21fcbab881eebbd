"""What a study is: many seeds at each of several settings, trained as populations."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import jax
import numpy as np

from hmjax.errors import InvalidInput, require
from hmjax.experiment import MAX_SEED, Experiment
from hmjax.settings import Settings
from hmjax.tasks import Images
from hmjax.training.progress import template_of

_NEEDED = {
    "training": "to train on",
    "held_out": "held out (--held-out or --test)",
    "validation": "to validate on",
}

LABEL = "label"
"""The option of what each label of images is a value of."""

MAX_MACHINES = 2**20
"""More machines than this, of all settings together, are refused."""

_MEMORY = 2**30  # bytes that the machines of a part may take, of all devices together


@dataclass(frozen=True)
class Sweep(Settings):
    """Numbers to be swept, each over its values; a compiled program serves all of them."""

    OPTIONS: ClassVar[str] = "sweep."

    learning_rate: tuple[float, ...] = ()
    """Values of rule.learning-rate."""
    recognition_rate: tuple[float, ...] = ()
    """Values of rule.recognition-rate."""
    p_on: tuple[float, ...] = ()
    """Values of p-on."""
    weight_scale: tuple[float, ...] = ()
    """Values of machine.weight-scale."""


@dataclass(frozen=True)
class Study(Settings):
    """Many seeds at each of several settings; every combination of what is swept is one."""

    experiment: Experiment
    """What all settings share."""
    seeds: int = 64
    """Machines to train at each setting, at least 1."""
    first_seed: int = 0
    """Seed of the first machine, 0 to 2^32 - 1; the others follow."""
    top: tuple[int, ...] = ()
    """Numbers of top units to be swept, each compiled once."""
    hidden: tuple[int, ...] = ()
    """Sizes of a single hidden layer to be swept, each compiled once."""
    per_class: bool = field(default=False, metadata={"since": 5})
    """Machines for each label of images of one's own, which then classify those held out."""
    sweep: Sweep = field(default_factory=Sweep)
    """Numbers to be swept."""
    seeds_at_once: int = 0
    """Machines that are trained side by side, at least 1; 0 for as many as 1 GiB holds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        most = MAX_SEED + 1 - self.first_seed
        require(
            0 <= self.first_seed <= MAX_SEED, "first-seed", self.first_seed, "must be 0 to 2^32 - 1"
        )
        seeds = self.seeds
        require(1 <= seeds <= most, "seeds", seeds, f"must be 1 to {most}")
        at_once = self.seeds_at_once
        require(at_once >= 0, "seeds-at-once", at_once, "must be at least 1, or 0 for automatic")
        if self.per_class:
            _check_labels(self.experiment.task, [name for name in self.swept() if name != LABEL])
        for name, values in self.swept().items():
            distinct = len(set(values)) == len(values)
            require(distinct, name, values, "must be different values")
        count = len(settings_of(self))  # refuses what an experiment does not have or allow
        most = MAX_MACHINES // count
        require(seeds <= most, "seeds", seeds, f"must be 1 to {most} at each of {count} settings")

    def swept(self) -> dict[str, tuple]:
        """The values of all that is swept, by option."""
        options: dict[str, tuple] = {"top": self.top, "hidden": self.hidden} | {
            self.sweep.OPTIONS + each.name.replace("_", "-"): getattr(self.sweep, each.name)
            for each in dataclasses.fields(self.sweep)
        }
        if self.per_class:
            options[LABEL] = self.experiment.task.class_names
        return {name: values for name, values in options.items() if values}


def _check_labels(task: Any, swept: Sequence[str]) -> None:
    """Refuses a machine for each label where that cannot be, or something else is swept too."""
    own = isinstance(task, Images) and len(task.class_names) > 1 and task.only is None
    require(own, "per-class", True, "needs images of one's own, of several labels")
    for part, what in _NEEDED.items():
        lacking = ", ".join(task.labels_without(part)[:3])
        is_needed = part != "validation" or task.has_validation
        need = f"needs images {what} of every label: there are none of {lacking}"
        require(not lacking or not is_needed, "per-class", True, need)
    require(not swept, "per-class", True, f"leaves no sweep of {', '.join(swept)}")


class Setting(NamedTuple):
    """One combination of what a study sweeps.

    Attributes:
      values: by option, in the order of `Study.swept`.
      experiment: with those values.
    """

    values: dict[str, Any]
    experiment: Experiment

    @property
    def name(self) -> str:
        """What sets it apart, for people; empty if nothing is swept."""
        return named(self.values)


def named(values: Mapping[str, Any]) -> str:
    """Values by option, for people."""
    shown = {
        option.removeprefix("sweep."): f"{value:.10g}" if isinstance(value, float) else str(value)
        for option, value in values.items()
    }
    return ", ".join(f"{option} {value}" for option, value in shown.items())


class Part(NamedTuple):
    """Members of a study that are trained side by side, of one compiled program.

    Attributes:
      members: the experiments, one a machine.
      setting: int64 `[s]`, the index of each one's setting.
    """

    members: list[Experiment]
    setting: np.ndarray


def settings_of(study: Study) -> list[Setting]:
    """Every combination of what a study sweeps, those of the same layer sizes side by side.

    Raises:
      InvalidInput: if the experiment has no such number, or a value is out of range.
    """
    swept = study.swept()
    return [
        Setting(values, _with_values(study.experiment, values))
        for combination in itertools.product(*swept.values())
        for values in [dict(zip(swept, combination, strict=True))]
    ]


def parts_of(study: Study) -> list[Part]:
    """The members of a study in groups that share a compiled program and fit in memory at once."""
    settings = settings_of(study)
    seeds = range(study.first_seed, study.first_seed + study.seeds)
    parts = []
    for _, alike in itertools.groupby(enumerate(settings), lambda pair: pair[1].experiment.sizes):
        both = [
            (dataclasses.replace(setting.experiment, seed=seed), index)
            for index, setting in alike
            for seed in seeds
        ]
        at_once = study.seeds_at_once or automatic_at_once(both[0][0])
        for i in range(0, len(both), at_once):
            members, setting = zip(*both[i : i + at_once], strict=True)
            parts.append(Part(list(members), np.array(setting)))
    return parts


def member(studied: Study, seed: int, setting: int) -> Experiment:
    """The experiment of one machine of a study.

    Raises:
      InvalidInput: if the study has no such seed or setting.
    """
    settings = settings_of(studied)
    last = studied.first_seed + studied.seeds - 1
    require(0 <= setting < len(settings), "setting", setting, f"must be 0 to {len(settings) - 1}")
    require(
        studied.first_seed <= seed <= last, "seed", seed, f"must be {studied.first_seed} to {last}"
    )
    return dataclasses.replace(settings[setting].experiment, seed=seed)


def _with_values(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """An experiment with the values of what a study sweeps."""
    task, rule, machine = experiment.task, experiment.rule, experiment.machine
    for option, value in values.items():
        name = option.removeprefix("sweep.").replace("-", "_")
        if option == "top":
            machine = dataclasses.replace(machine, top=value)
        elif option == "hidden":
            machine = dataclasses.replace(machine, hidden=(value,))
        elif option == LABEL:
            task = dataclasses.replace(task, only=value)
        elif name == "weight_scale":
            machine = dataclasses.replace(machine, weight_scale=value)
        elif name in task.numbers():
            task = dataclasses.replace(task, **{name: value})
        elif name in rule.numbers():
            rule = dataclasses.replace(rule, **{name: value})
        else:
            raise InvalidInput(f"{option} is {value}: {experiment.name} has no such number")
    return dataclasses.replace(experiment, task=task, rule=rule, machine=machine)


def bytes_a_member(experiment: Experiment) -> int:
    """An estimate of the memory that one more member of a population takes.

    Its state is there when a block begins, when it ends and as a checkpoint; its measures are there
    at every evaluation, twice while they grow.
    """
    progress = template_of(experiment, 1)
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(progress.state))
    last, evaluation = experiment.steps, experiment.evaluation
    evaluations = -(-last // evaluation.every) + 1 + len(evaluation.early_steps(last))
    seen = sum(abs(leaf.size) * leaf.dtype.itemsize for leaf in jax.tree.leaves(progress.curves))
    return 3 * size + 2 * evaluations * seen


def automatic_at_once(experiment: Experiment) -> int:
    """How many members 1 GiB holds, by `bytes_a_member`."""
    return max(1, _MEMORY // bytes_a_member(experiment))
