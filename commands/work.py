"""What commands do: train what is in a folder to its end, say what it came to, draw it.

`analysis` is imported when it is needed: Matplotlib takes as long to import as some runs to train.
"""

import contextlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import tqdm

from commands.options import Movie
from hmjax import Diverged, Experiment
from hmjax.runtime import hosts
from hmjax.store import folders, runs, studies
from hmjax.study import sweeps
from hmjax.study.sweeps import Study
from hmjax.training.single import Progress


def finish(folder: Path, options: Any) -> None:
    """Trains the run in a folder to its end, prints its table, draws its pictures."""
    from analysis import table

    try:
        with (
            saying("what was trained is kept. Go on with", ["resume", str(folder)]),
            progress_bar() as show,
        ):
            results = runs.carry_out(folder, show, note)
    except Diverged as error:
        raise Diverged(
            error.step, f"the last good state is in {folder / 'checkpoint.npz'}"
        ) from None
    print(table.render(runs.read_experiment(folder), results))
    if options.figures:
        draw(folder, options.movie)


def finish_study(what: Study, folder: Path, *, figures: bool) -> None:
    """Trains the study of a folder to its end, prints its tables, draws its pictures."""
    from analysis import table

    results = train_study(what, folder, again=["resume", str(folder)])
    if hosts.is_first():
        print(table.render_study(folder, results))
        if figures:
            draw_study(folder)


def train_study(what: Study, folder: Path, *, again: Sequence[str]) -> dict[str, Any]:
    """Trains the study of a folder to its end, and gives its results.

    Args:
      what: the study.
      folder: its folder.
      again: the arguments of the command that goes on with it after Ctrl-C.
    """
    from analysis import table

    parts = sweeps.parts_of(what)
    total = sum(len(part.members) for part in parts) * what.experiment.steps
    if hosts.is_first():
        print(table.plan(what, parts))
    with (
        saying("what was trained is kept. Go on with", again),
        tqdm.tqdm(total=total, unit=" steps", unit_scale=True, disable=not hosts.is_first()) as bar,
    ):
        return studies.carry_out(what, folder, lambda done: bar.update(done - bar.n), note)


def draw(folder: Path, movie: Movie) -> None:
    """Draws the pictures of a finished run."""
    from analysis import pictures

    with saying("all is trained. Draw its pictures by", ["figures", str(folder)]):
        drawn = pictures.draw_all(runs.read(folder), fps=movie.fps)
    print(f"pictures in {drawn}")


def draw_study(folder: Path) -> None:
    """Draws the pictures of a finished study."""
    from analysis import populations

    with saying("all is trained. Draw its pictures by", ["figures", str(folder)]):
        drawn = populations.draw_all(studies.read(folder))
    print(f"pictures in {drawn}")


def is_study(config: Mapping[str, Any]) -> bool:
    return config["kind"] == Study.__name__


def are_drawn(folder: Path) -> bool:
    """Whether every picture of a finished run or study is there."""
    from analysis import pictures, populations

    if is_study(folders.read_config(folder)):
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


@contextlib.contextmanager
def progress_bar():
    """A bar over the steps of a run, for `runs.carry_out`."""
    with contextlib.ExitStack() as stack:
        bars: list[tqdm.tqdm] = []

        def show(experiment: Experiment, progress: Progress) -> None:
            if not bars:
                bar = tqdm.tqdm(
                    total=experiment.steps, unit=" steps", unit_scale=True, dynamic_ncols=True
                )
                bars.append(stack.enter_context(bar))
            nll = progress.curves[experiment.nll][-1]
            bars[0].set_postfix_str(f"NLL {nll:.3f} bits", refresh=False)
            bars[0].update(int(progress.state.step) - bars[0].n)

        yield show
