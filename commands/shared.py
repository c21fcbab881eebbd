"""What commands do: train what is in a folder to its end, say what it came to, draw it.

`analysis` is imported when it is needed: Matplotlib takes as long to import as some runs to train.
"""

import contextlib
import shlex
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import tqdm

from hmjax import Diverged, Experiment
from hmjax.runtime import hosts
from hmjax.store import folders, runs, studies, work
from hmjax.study.sweeps import Study, parts_of
from hmjax.training.progress import Progress


def finish(folder: Path, *, figures: bool, fps: float) -> None:
    """Trains what a folder holds to its end, prints its tables, draws its pictures."""
    from analysis import study_table, table

    what, spent = work.read_settings(folder), Spent()
    results = trained(what, folder, again=["resume", str(folder)], spent=spent)
    if hosts.is_first():
        if isinstance(what, Study):
            print(study_table.render(folder, results))
        else:
            print(table.render(what, results))
            print(f"all is in {folder}")
        if figures:
            began = time.perf_counter()
            draw(folder, fps=fps)
            spent.drawing = time.perf_counter() - began
        print(spent)


@dataclass
class Spent:
    """The seconds that this session spent on each thing."""

    compiling: float = 0.0
    training: float = 0.0
    measuring: float = 0.0
    drawing: float = 0.0

    def __str__(self) -> str:
        parts = (f"{each.name} {getattr(self, each.name):.1f}" for each in fields(self))
        return f"seconds: {', '.join(parts)}"


def trained(
    what: Experiment | Study, folder: Path, *, again: Sequence[str], spent: Spent
) -> dict[str, Any]:
    """Trains what a folder holds to its end, and gives its results.

    Args:
      what: what it holds.
      folder: the folder.
      again: the arguments of the command that goes on with it after Ctrl-C.
      spent: is told what this takes: to compile what begins it, to train, and the rest, which is to
        measure.
    """
    from analysis import study_table

    if isinstance(what, Study):
        parts = parts_of(what)
        total = sum(len(part.members) for part in parts) * what.experiment.steps
        if hosts.is_first():
            print(study_table.plan(what, parts))
    else:
        total = what.steps
    began, before = time.perf_counter(), 0.0
    bar = tqdm.tqdm(
        total=total, desc="compiling", unit=" steps", unit_scale=True, disable=not hosts.is_first()
    )
    with saying("what was trained is kept. Go on with", again), bar:

        def show(done: int, latest: Progress) -> None:
            nonlocal before
            if not spent.compiling:
                spent.compiling = time.perf_counter() - began
                bar.unpause()
                bar.set_description("training", refresh=False)
            elif latest.train_seconds >= before:  # and not of the next part, which begins at 0
                spent.training += float(latest.train_seconds) - before
            before = float(latest.train_seconds)
            if isinstance(what, Experiment):
                nll = latest.curves[what.nll][-1, 0]
                bar.set_postfix_str(f"NLL {nll:.3f} bits", refresh=False)
            bar.update(done - bar.n)

        try:
            results = work.carry_out(folder, show, note, what=what)
            elapsed = time.perf_counter() - began
            spent.measuring = elapsed - spent.compiling - spent.training
            return results
        except Diverged as error:
            where = f"the last good state is in {folder / 'checkpoint.npz'}"
            raise Diverged(error.step, where) from None


def draw(folder: Path, *, fps: float) -> None:
    """Draws the pictures of a finished run or study."""
    from analysis import pictures, populations

    with saying("all is trained. Draw its pictures by", ["figures", str(folder)]):
        if isinstance(folders.settings_here(folder), Study):
            drawn = populations.draw_all(studies.read(folder))
        else:
            drawn = pictures.draw_all(runs.read(folder), fps=fps)
    print(f"pictures in {drawn}")


def are_drawn(folder: Path) -> bool:
    """Whether every picture of a finished run or study is there."""
    from analysis import pictures, populations

    if isinstance(folders.settings_here(folder), Study):
        return populations.are_drawn(studies.read(folder))
    return pictures.are_drawn(runs.read(folder))


def note(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)


@contextlib.contextmanager
def saying(what: str, arguments: Sequence[str]) -> Iterator[None]:
    """Says, where Ctrl-C or a full disk end it, what is there and which command goes on with it."""
    by = shlex.join(["python", "run.py", *arguments])
    try:
        yield
    except KeyboardInterrupt:
        print(f"\ninterrupted; {what}: {by}", file=sys.stderr)
        raise
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OSError(f"{error}; {what}: {by}") from None
