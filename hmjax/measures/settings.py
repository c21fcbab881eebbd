"""How machines are measured, and when."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from hmjax.errors import MAX_COUNT, require
from hmjax.settings import Settings


@dataclass(frozen=True)
class Evaluation(Settings):
    """How a machine is measured."""

    OPTIONS: ClassVar[str] = "evaluation."

    every: int = 50_000
    """Steps between evaluations, each with a snapshot of the parameters; at least 1."""
    early: bool = field(default=True, metadata={"since": 3, "before": False})
    """Whether there are evaluations before the first of these too, at 100, 200, 500, 1000, ..."""
    patience: int = field(default=0, metadata={"since": 5})
    """Evaluations in a row, early ones too, without a lower NLL of the validation images, after
    which training stops; the machine with the lowest is kept. 0 for never."""
    held_out: int = 256
    """Held-out images for the sampled measures, at least 2."""
    samples: int = 50
    """Importance samples an image while training, at least 1."""
    final_samples: int = 200
    """Importance samples an image at the end, at least 1."""
    fantasies: int = 2048
    """Fantasies that each sampled share is taken over, at least 1."""
    annealed_runs: int = field(default=16, metadata={"since": 4})
    """Runs an image of annealed importance sampling at the end, where nothing exact is known; at
    least 2."""
    temperatures: int = field(default=200, metadata={"since": 4})
    """Temperatures of such a run; 0 for none, where that would take too long."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for setting, least in (
            ("every", 1),
            ("patience", 0),
            ("held_out", 2),
            ("samples", 1),
            ("final_samples", 1),
            ("fantasies", 1),
            ("annealed_runs", 2),
            ("temperatures", 0),
        ):
            value = getattr(self, setting)
            name = self.OPTIONS + setting.replace("_", "-")
            require(least <= value <= MAX_COUNT, name, value, f"must be {least} to {MAX_COUNT}")

    def early_steps(self, last: int) -> list[int]:
        """The early ones of `steps_of`."""
        early = [n * 10**power for power in range(2, 10) for n in (1, 2, 5)] if self.early else []
        return [step for step in early if step < min(self.every, last)]

    def steps_of(self, last: int) -> Iterator[int]:
        """The steps at which a machine is evaluated that takes so many, 0 and the last included."""
        regular = range(self.every, last, self.every)
        return itertools.chain([0], self.early_steps(last), regular, [last])
