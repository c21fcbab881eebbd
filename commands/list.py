"""Names the experiments, the comparisons and the races."""

from collections.abc import Sequence
from dataclasses import dataclass

import configs
from commands.arguments import parse

KINDS = {
    "experiments (train, population, profile)": configs.EXPERIMENTS,
    "comparisons (compare)": configs.COMPARISONS,
    "races (cost)": configs.COSTS,
}


@dataclass(frozen=True)
class List:
    """The experiments, the comparisons and the races, one line each."""


def main(arguments: Sequence[str]) -> None:
    parse(List, arguments, "run.py list")
    width = max(len(name) for package in KINDS.values() for name in configs.names(package)) + 2
    for kind, package in KINDS.items():
        print(f"{kind}:")
        for name in configs.names(package):
            print(f"  {name:{width}}{configs.summary(name, package)}")
