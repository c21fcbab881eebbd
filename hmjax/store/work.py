"""The work of a folder: begun, carried out, interrupted, resumed.

A run is a study of one machine, of which everything is recorded. With several hosts, all of them
call what is here, and host 0 alone reads and writes.
"""

import contextlib
import functools
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from hmjax.errors import InvalidInput
from hmjax.experiment import Experiment
from hmjax.runtime import hosts
from hmjax.settings import to_json
from hmjax.store import files, folders, locks, runs, seal, studies
from hmjax.store.checkpoints import restore, write_checkpoint
from hmjax.store.environment import compare_environment
from hmjax.study import summary
from hmjax.study.sweeps import Part, Study, parts_of
from hmjax.training import loop
from hmjax.training.progress import (
    EVERYTHING,
    NOTHING_ELSE,
    Progress,
)


def create(
    what: Experiment | Study, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Makes the folder of a new run or study, with its `config.json` and `environment.json`.

    Raises:
      InvalidInput: if the folder is there already (and not a run's, or `overwrite` is off), is
        being written by another process or cannot be written, or hosts were given something else.
    """
    hosts.require_same(json.dumps(to_json(what)).encode())
    _on_first(lambda: folders.create(what, Path(folder), overwrite=overwrite))


@contextlib.contextmanager
def taken(folder: Path, *, new: bool = False) -> Iterator[None]:
    """Takes a folder for what is within, as `locks.taken` does; on host 0.

    Raises:
      InvalidInput: on every host, if another process has it.
    """
    with contextlib.ExitStack() as stack:
        _on_first(lambda: stack.enter_context(locks.taken(folder, new=new)))
        yield


def read_settings(folder: str | os.PathLike[str]) -> Experiment | Study:
    """The experiment of a run's folder, or the study of a study's, as host 0 reads it.

    Raises:
      InvalidInput: on every host, if there is none or it cannot be read.
    """
    config, what = _held(Path(folder))
    if not hosts.agree(functools.partial(folders.is_finished, Path(folder))):
        folders.require_no_restarts(Path(folder), config)
    return what


def carry_out(
    folder: str | os.PathLike[str],
    on_progress: Callable[[int, Progress], None] = lambda *_: None,
    say: Callable[[str], None] = warnings.warn,
    *,
    what: Experiment | Study | None = None,
) -> dict[str, Any]:
    """Trains what a folder holds, from wherever it stands to its end, and writes what it made.

    Args:
      folder: made by `create`, and perhaps carried on since; one that is finished is left as it is.
      on_progress: called with the steps that all machines have taken together, and the progress of
        those in training, first and after each evaluation.
      say: called with a line where the bits may not be those of a folder left alone.
      what: what the folder is to hold, if that is known.

    Returns:
      The content of `results.json`.

    Raises:
      InvalidInput: if another process is writing the folder, it holds something else, or a file in
        it cannot be used.
      Diverged: if the parameters of a run stop being finite; the last good state is kept.
      KeyboardInterrupt: on Ctrl-C; what was trained so far is kept.
    """
    with taken(Path(folder)):
        return _carry_out(Path(folder), on_progress, say, what)


def _carry_out(
    folder: Path,
    on_progress: Callable[[int, Progress], None],
    say: Callable[[str], None],
    expected: Experiment | Study | None,
) -> dict[str, Any]:
    began = time.perf_counter()
    config, what = _held(folder)
    if expected is not None and what != expected:
        kind = "run" if isinstance(what, Experiment) else "study"
        raise InvalidInput(f"{folder} holds another {kind} than the one to be trained")
    _on_first(lambda: files.sweep(folder))
    if isinstance(what, Experiment):
        record, parts = EVERYTHING, [Part([what], np.zeros(1, int))]
        paths = [folder / "checkpoint.npz"]
    else:
        record, parts = NOTHING_ELSE, parts_of(what)
        paths = [folder / f"part-{number}.npz" for number in range(len(parts))]
    if hosts.agree(functools.partial(folders.is_finished, folder)):
        return _finished(folder, config, what, paths)
    folders.require_no_restarts(folder, config)

    @functools.cache  # said once
    def compare() -> None:
        _on_first(lambda: compare_environment(folder, config, say))

    kept: list[Any] = []
    steps_taken, earlier = 0, 0.0

    def seconds() -> float:
        return earlier + time.perf_counter() - began

    for path, part in zip(paths, parts, strict=True):
        if hosts.agree(path.exists):
            content = hosts.from_first(path.read_bytes)
            progress, earlier = restore(path, content, config, part, record)
            compare()
        else:
            progress = loop.start(part.members, record)
        count = len(part.members)

        def show(latest: Progress, done: int = steps_taken, count: int = count) -> None:
            on_progress(done + count * latest.step, latest)

        def write(latest: Progress, path: Path = path) -> None:
            if hosts.is_first():
                write_checkpoint(path, config, latest, seconds())

        if isinstance(what, Experiment):
            ahead = loop.while_finite(what, progress, record)
            kept.append(folders.carry_on(progress, ahead, show, write))
        else:
            ahead = loop.advance(part.members, progress, record)
            last = folders.carry_on(progress, ahead, show, write)
            final = {}
            if not part.members[0].is_exact:  # what is exact is measured already
                final = loop.final_measures(part.members, last, record)
            kept.append(summary.finished(last, final))
        steps_taken += count * part.members[0].steps

    if isinstance(what, Experiment):
        return runs.finish(folder, config, what, kept[0], seconds)
    results = studies.finish(folder, config, what, parts, kept, time.perf_counter() - began)
    _on_first(lambda: _remove(paths))
    return results


def _finished(
    folder: Path, config: Mapping[str, Any], what: Experiment | Study, paths: list[Path]
) -> dict[str, Any]:
    """The results of a folder that is finished, on every host."""

    def read() -> bytes:
        room: Any = runs if isinstance(what, Experiment) else studies
        results = room.read_results(folder, what)
        seal.check_seal(folder, config, results, room.SEALED)
        if isinstance(what, Study):
            _remove(paths)
        return json.dumps(results).encode()

    return json.loads(hosts.from_first(read))


def _held(folder: Path) -> tuple[dict[str, Any], Experiment | Study]:
    """The content of a folder's `config.json`, and what it says, as host 0 reads them."""
    read = hosts.from_first(lambda: json.dumps(folders.read_config(folder)).encode())
    config = json.loads(read)
    return config, folders.settings_of(
        folder, config, read=lambda path: hosts.from_first(lambda: files.read_bytes(path))
    )


def _on_first(act: Callable[[], object]) -> None:
    """Does something on host 0; what that refuses, every host does."""

    def acted() -> bytes:
        act()
        return b""

    hosts.from_first(acted)


def _remove(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
