"""Names the experiments."""

from collections.abc import Sequence
from dataclasses import dataclass

import configs
from commands.arguments import parse


@dataclass(frozen=True)
class List:
    """The experiments, one line each."""


def main(arguments: Sequence[str]) -> None:
    parse(List, arguments, "run.py list")
    width = max(map(len, configs.names())) + 2
    for name in configs.names():
        print(f"{name:{width}}{configs.summary(name)}")
