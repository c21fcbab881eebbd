"""Trains the studies of a comparison."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import configs
from analysis import results, style
from commands.arguments import named_first, parse
from commands.shared import Spent, trained
from commands.terminal import fitted
from hmjax.errors import require
from hmjax.store import work
from hmjax.store.comparisons import check, folder_of, read_all


@dataclass(frozen=True)
class Compare:
    """Trains the studies of a comparison, those that are not finished yet, and tables them."""

    seeds: int | None = None
    """Machines of each study, at least 1; as many as its config says if not given."""
    out: Path | None = None
    """Folder of the studies' folders; runs/compare-NAME if not given."""


def main(arguments: Sequence[str]) -> None:
    name, *rest = named_first(arguments, "compare", "comparison", configs.COMPARISONS)
    comparison = configs.load_comparison(name)
    options = parse(Compare, rest, f"run.py compare {name}")
    if options.seeds is not None:
        require(options.seeds >= 1, "seeds", options.seeds, "must be at least 1")
        comparison = comparison.with_seeds(options.seeds)
    out = options.out or Path("runs") / f"compare-{name}"
    check(comparison, out)
    with work.taken(out, new=True):
        for arm in comparison.arms:
            folder = folder_of(comparison, arm, out)
            if not folder.exists():
                work.create(arm.study, folder)
            print(f"{arm.name}: {folder}")
            trained(arm.study, folder, again=["compare", *arguments], spent=Spent())
        reached = read_all(comparison, out)
        style.save(results.draw(comparison, reached), out / "comparison.png")
    print(fitted(results.section(name, comparison, reached, str(out / "comparison.png"))))
