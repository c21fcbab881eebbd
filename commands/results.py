"""Writes the page of results."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import configs
from analysis import results, style
from commands.arguments import parse, require_parent
from hmjax.errors import require
from hmjax.store import folders
from hmjax.store.comparisons import folder_of, read_all


@dataclass(frozen=True)
class Results:
    """Writes the page of results from the folders of finished comparisons."""

    runs: Path = Path("runs")
    """Where the folders compare-NAME are."""
    out: Path = Path("RESULTS.md")
    """The page; sections of comparisons that are not in runs stay as they are."""
    pictures: Path = Path("docs/results")
    """Folder for its pictures."""


def main(arguments: Sequence[str]) -> None:
    options = parse(Results, arguments, "run.py results")
    require(options.runs.is_dir(), "runs", str(options.runs), "must be a folder that is there")
    require_parent(options.out)
    sections = {}
    for name in configs.names(configs.COMPARISONS):
        folder = options.runs / f"compare-{name}"
        if not folder.is_dir():  # nor need there be what it takes to load it
            print(f"{name}: not in {folder}, left as it is")
            continue
        comparison = configs.load_comparison(name)
        if not all(
            folders.is_finished(folder_of(comparison, arm, folder)) for arm in comparison.arms
        ):
            print(f"{name}: not finished in {folder}, left as it is")
            continue
        reached = read_all(comparison, folder)
        options.pictures.mkdir(parents=True, exist_ok=True)
        picture = options.pictures / f"{name}.png"
        style.save(results.draw(comparison, reached), picture)
        beside = Path(os.path.relpath(picture, options.out.parent)).as_posix()
        sections[name] = results.section(name, comparison, reached, beside)
    results.write(options.out, sections)
    print(f"{options.out}: {', '.join(sections) or 'nothing new'}")
