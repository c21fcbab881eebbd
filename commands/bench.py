"""Times training and measuring."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tqdm

import configs
from benchmarks import speed
from commands.arguments import parse, require_parent
from hmjax.store import files


@dataclass(frozen=True)
class Bench:
    """Times training and measuring, in alternating rounds, beside NumPy and numba."""

    out: Path | None = None
    """JSON file to write the report to as well; replaced if it is there."""
    quick: bool = False
    """Smaller populations and fewer rounds."""


def main(arguments: Sequence[str]) -> None:
    options = parse(Bench, arguments, "run.py bench")
    if options.out is not None:
        require_parent(options.out)
    with tqdm.tqdm(bar_format="{desc}", leave=False) as bar:
        report = speed.run(
            configs.load("shifter"), quick=options.quick, show=bar.set_description_str
        )
    print(speed.render(report))
    if options.out is not None:
        files.write_json(options.out, report)
