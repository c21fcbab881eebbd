"""The frozen description of a run: everything its numbers depend on."""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np

from hmjax import exact
from hmjax.errors import MAX_COUNT, require
from hmjax.measures import Evaluation
from hmjax.rules import AnyRule, WakeSleep
from hmjax.settings import Settings
from hmjax.tasks import AnyTask, Shifter

MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Machine(Settings):
    """The machine's hidden layers; the visible one is the task's."""

    OPTIONS: ClassVar[str] = "machine."

    hidden: tuple[int, ...] = (16,)
    """Units of each layer between visible and top, lowest first; may be none."""
    top: int = 4
    """Units of the top layer, at least 1."""
    weight_scale: float = 0.1
    """Standard deviation of the initial weights, 0 or more."""
    visible_bias: float | None = None
    """What every visible bias starts at; the logit of the task's p-on if not given."""
    hidden_bias: float = field(default=0.0, metadata={"since": 4})
    """What the biases of the first hidden layer start at, in both nets."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            all(1 <= n <= 4096 for n in self.hidden),
            "machine.hidden",
            self.hidden,
            "every layer must have 1 to 4096 units",
        )
        require(1 <= self.top <= 4096, "machine.top", self.top, "must be 1 to 4096 units")
        require(
            0 <= self.weight_scale < float("inf"),
            "machine.weight-scale",
            self.weight_scale,
            "must be 0 or more, and finite",
        )
        bias = self.visible_bias
        finite = bias is None or math.isfinite(bias)
        require(finite, "machine.visible-bias", bias, "must be finite")
        bias = self.hidden_bias
        require(math.isfinite(bias), "machine.hidden-bias", bias, "must be finite")


@dataclass(frozen=True)
class Experiment(Settings):
    """A named training run.

    Two runs of equal experiments on the same kind of device give the same bits.
    """

    GONE: ClassVar[Mapping[str, int]] = {"restarts": 3}

    name: str
    """What the run is called; its folder is named after it."""
    task: AnyTask = field(default_factory=Shifter)
    """Where the data come from."""
    machine: Machine = field(default_factory=Machine)
    """The layers."""
    rule: AnyRule = field(default_factory=WakeSleep)
    """How a step learns."""
    evaluation: Evaluation = field(default_factory=Evaluation)
    """What is measured, and how often."""
    steps: int = 1_500_000
    """Steps to train, an update of both nets each; at least 1."""
    seed: int = 1
    """Seed of every random draw, 0 to 2^32 - 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(
            re.fullmatch(r"[\w-]+", self.name) is not None,
            "name",
            self.name,
            "must be letters, digits, '-' and '_'",
        )
        require(1 <= self.steps <= MAX_COUNT, "steps", self.steps, f"must be 1 to {MAX_COUNT}")
        require(0 <= self.seed <= MAX_SEED, "seed", self.seed, f"must be 0 to {MAX_SEED}")
        self.rule.check(self.sizes, self.task.images)
        patience = self.evaluation.patience
        require(
            not patience or self.task.has_validation,
            *("evaluation.patience", patience, "must be 0 without images to validate on"),
        )
        hold = self.rule.hold
        require(
            hold < self.steps, "rule.hold", hold, f"must be less than steps, {self.steps}, or 0"
        )

    @property
    def sizes(self) -> tuple[int, ...]:
        """The layer sizes (n_0, ..., n_L), visible first."""
        rows, columns = self.task.image_shape
        return rows * columns, *self.machine.hidden, self.machine.top

    @property
    def is_exact(self) -> bool:
        """Whether its machines are small enough for the exact measures."""
        return exact.is_enumerable(self.sizes, self.task.images)

    @property
    def nll(self) -> str:
        """The best measure there is of a machine's NLL while it trains, by name.

        Of images that are held out, where there are some.
        """
        return self._exact_nll if self.is_exact else "is_nll_bits"

    @property
    def final_nll(self) -> str:
        """The best measure there is of its NLL at the end, by name."""
        if self.is_exact:
            return self._exact_nll
        return "annealed_nll_bits" if self.evaluation.temperatures else "is_nll_bits"

    @property
    def _exact_nll(self) -> str:
        return "exact_held_out_nll_bits" if self.task.has_held_out else "exact_nll_bits"


class Numbers(NamedTuple):
    """What of an experiment a compiled program is given as numbers, in float32.

    Attributes:
      task: those of the task's numbers that vary, by field; of a task with arrays, `table`.
      rule: those of the rule's, by field.
      visible_bias: what every visible bias starts at, or each.
      hidden_bias: what the biases of the first hidden layer start at, in both nets.
      weight_scale: standard deviation of the initial weights.
    """

    task: dict[str, Any]
    rule: dict[str, Any]
    visible_bias: Any
    hidden_bias: Any
    weight_scale: Any


class Program(NamedTuple):
    """What of an experiment its compiled program depends on; to be hashed.

    Attributes:
      task: the task, with defaults in place of numbers that vary; its outline.
      rule: the rule, likewise.
      sizes: the layer sizes.
    """

    task: Any
    rule: AnyRule
    sizes: tuple[int, ...]


def split(
    experiment: Experiment, varying: Collection[str] = (), tasks: Sequence[Any] = ()
) -> tuple[Program, Numbers]:
    """Parts an experiment into its program and its numbers.

    Args:
      experiment: to be parted.
      varying: fields of the task or the rule, of those in their `numbers()`, to be numbers. A
        compiled program is faster with constants in their place, to the same bits.
      tasks: those that the program serves, if not the experiment's alone.
    """
    task, rule = experiment.task, experiment.rule

    def given(numbers: Mapping[str, float]) -> dict[str, Any]:
        return {name: np.float32(value) for name, value in numbers.items() if name in varying}

    of_task, of_rule = given(task.numbers()), given(rule.numbers())
    scale = experiment.machine.weight_scale
    bias: Any = experiment.machine.visible_bias
    if bias is None:
        bias = task.visible_logit
    by_default = _by_default(task, of_task)
    outline = by_default.outline(tasks or (task,))
    if outline is not by_default:
        of_task["table"] = np.int32(tasks.index(task) if tasks else 0)
    return (
        Program(outline, _by_default(rule, of_rule), experiment.sizes),
        Numbers(
            of_task,
            of_rule,
            np.float32(bias),
            np.float32(experiment.machine.hidden_bias),
            np.float32(scale),
        ),
    )


def varying(experiments: Sequence[Experiment]) -> tuple[str, ...]:
    """The fields of `split` in which experiments differ."""
    numbers = [{**each.task.numbers(), **each.rule.numbers()} for each in experiments]
    return tuple(name for name in numbers[0] if len({each[name] for each in numbers}) > 1)


def _by_default(settings: Any, names: Collection[str]) -> Any:
    """Settings with the defaults of some fields, so that those that differ in them are equal."""
    defaults = {each.name: each.default for each in fields(settings) if each.name in names}
    return replace(settings, **defaults)
