"""Says what a step costs in moved data."""

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import tyro

import configs
from commands.arguments import parse, parse_named, require_new_with_picture
from commands.options import OwnImages
from hmjax import Experiment, InvalidInput
from hmjax.cost.kernels import Order, Style
from hmjax.cost.report import as_tables, profile_of
from hmjax.errors import MAX_COUNT, require
from hmjax.store import files


@dataclass(frozen=True)
class Loops:
    """What is traced, and how."""

    bytes: Literal[1, 4] = 1
    """Bytes a scalar; published figures have 1."""
    order: Order = "dot"
    """The inner loop over weights: dot, over a unit's inputs, or axpy, over an input's units."""
    fused: bool = False
    """Learn the weights of a unit as soon as its error is known."""
    trace: int = 3
    """Steps to trace one after another, 1 to 20; the last is the steady one."""
    at: int | None = None
    """The first of them, counted from 0; the first after the hold if not given."""

    def __post_init__(self) -> None:
        require(1 <= self.trace <= 20, "trace", self.trace, "must be 1 to 20")
        at = self.at
        require(at is None or 0 <= at <= MAX_COUNT, "at", at, f"must be 0 to {MAX_COUNT}")


@dataclass(frozen=True)
class Profile:
    """Traces steps as scalar programs and prices what they read: docs/data_movement.md.

    --all instead of a name profiles every experiment, and prints one table, the cheapest first.
    """

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    own: Annotated[OwnImages, tyro.conf.arg(name="")] = field(default_factory=OwnImages)
    loops: Annotated[Loops, tyro.conf.arg(name="")] = field(default_factory=Loops)
    out: Path | None = None
    """JSON file to be written, with a picture beside it; none if not given."""
    overwrite: bool = False
    """Replace it if it is there."""


@dataclass(frozen=True)
class Every:
    """Profiles every experiment."""

    all: bool = False
    """Every one of them, in one table."""
    loops: Annotated[Loops, tyro.conf.arg(name="")] = field(default_factory=Loops)


def main(arguments: Sequence[str]) -> None:
    if "--all" in arguments:
        every(parse(Every, arguments, "run.py profile").loops)
        return
    _, options = parse_named(Profile, Profile, arguments, "profile")
    out = options.out
    if out is not None:
        require_new_with_picture(out, ".json", overwrite=options.overwrite)
    report = of(options.experiment, options.loops)
    print(as_tables(report))
    if out is None:
        return
    files.write_json(out, report)
    print(f"profile: {shlex.quote(str(out))}")
    if report["steps"]:
        from analysis import costs, style  # Matplotlib takes a while to import

        style.save(costs.draw_profile(report), out.with_suffix(".png"))
        print(f"picture: {shlex.quote(str(out.with_suffix('.png')))}")


def of(experiment: Experiment, loops: Loops) -> dict:
    """The profile of an experiment."""
    at = experiment.rule.hold if loops.at is None else loops.at
    style = Style(loops.order, loops.fused)
    return profile_of(experiment, style, steps=loops.trace, at=at, bytes_a_scalar=loops.bytes)


def every(loops: Loops) -> None:
    """Prints one table of all experiments, the cheapest first."""
    rows = []
    for name in configs.names():
        try:
            report = of(configs.load(name), loops)
        except InvalidInput as error:
            print(f"note: {name} is left out: {error}", file=sys.stderr)
            continue
        last = report["steady"] if report["steps"] else report["extrapolated"]
        if last["cost"] is None:
            print(f"note: {name} is left out: it reads {last['reads']:,} scalars", file=sys.stderr)
            continue
        rows.append((last["cost"] / report["batch"], name, report, last))
    print("| experiment | rule | layers | batch | reads | cost of a later step | cost an image |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for per_image, name, report, last in sorted(rows, key=lambda row: row[0]):
        about = "" if report["steps"] else "about "
        sizes = "-".join(map(str, report["sizes"]))
        print(
            f"| {name} | {report['rule']} | {sizes} | {report['batch']} | {last['reads']:,} "
            f"| {about}{round(last['cost']):,} | {about}{round(per_image):,} |"
        )
