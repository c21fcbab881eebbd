"""The frozen description of a run: everything its numbers depend on."""

import re
from dataclasses import dataclass, field
from typing import Annotated

import tyro

from hmjax.errors import require
from hmjax.measures import Evaluation
from hmjax.rules import WakeSleep
from hmjax.tasks import Bars, Shifter

MAX_STEPS = 2**31 - 1
MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Machine:
    """The machine's hidden layers; the visible one is the task's."""

    hidden: tuple[int, ...] = (16,)
    """Units of each layer between visible and top, lowest first; may be none."""
    top: int = 4
    """Units of the top layer, at least 1."""
    weight_scale: float = 0.1
    """Standard deviation of the initial weights, 0 or more."""

    def __post_init__(self) -> None:
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


@dataclass(frozen=True)
class Experiment:
    """A named training run.

    Two runs of equal experiments on the same kind of device give the same bits.
    """

    name: str
    """What the run is called; its folder is named after it."""
    task: Annotated[Shifter | Bars, tyro.conf.arg(name="")] = field(default_factory=Shifter)
    """Where the data come from."""
    machine: Machine = field(default_factory=Machine)
    """The layers."""
    rule: WakeSleep = field(default_factory=WakeSleep)
    """How a step learns."""
    evaluation: Evaluation = field(default_factory=Evaluation)
    """What is measured, and how often."""
    steps: int = 1_500_000
    """Steps to train, one wake and one sleep update each; at least 1."""
    seed: int = 1
    """Seed of every random draw, 0 to 2^32 - 1."""

    def __post_init__(self) -> None:
        require(
            re.fullmatch(r"[\w-]+", self.name) is not None,
            "name",
            self.name,
            "must be letters, digits, '-' and '_'",
        )
        require(1 <= self.steps <= MAX_STEPS, "steps", self.steps, f"must be 1 to {MAX_STEPS}")
        require(0 <= self.seed <= MAX_SEED, "seed", self.seed, f"must be 0 to {MAX_SEED}")

    @property
    def sizes(self) -> tuple[int, ...]:
        """The layer sizes (n_0, ..., n_L), visible first."""
        rows, columns = self.task.image_shape
        return rows * columns, *self.machine.hidden, self.machine.top
