"""What the folders of runs and populations share: made in one step, carried on, checkpointed."""

import re
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hmjax.errors import InvalidInput, require
from hmjax.experiment import Experiment
from hmjax.settings import SCHEMA, from_json, schema_of, to_json
from hmjax.store import files
from hmjax.store.environment import environment, fingerprint
from hmjax.store.locks import check_free_within, taken
from hmjax.study.sweeps import Study
from hmjax.tasks import Images, Table

P = TypeVar("P")

_DATA = "data.npz"  # the images of a task that has some

_CHECKPOINT_SECONDS = 1.0  # between checkpoints; what a kill can lose


def create(settings: Any, folder: Path, *, overwrite: bool) -> None:
    """Makes a folder with `config.json` and `environment.json`, in one step.

    Args:
      settings: what is to be trained.
      folder: its folder.
      overwrite: replace what is in the folder.

    Raises:
      InvalidInput: if the folder is there already (and not a run's, or `overwrite` is off), is
        being written by another process, or cannot be written.
    """
    config = {"schema": SCHEMA} | to_json(settings)
    made = environment() | {"config": fingerprint(config)}
    contents: dict[str, Any] = {"config.json": config, "environment.json": made}
    experiment = settings.experiment if isinstance(settings, Study) else settings
    if isinstance(experiment.task, Images):
        contents[_DATA] = experiment.task.table.arrays()
    with taken(folder, new=True):
        try:
            _create(folder.resolve(), contents, str(folder), overwrite)
        except OSError as error:
            raise InvalidInput(f"out is {str(folder)!r}: cannot be written: {error}") from None


def _create(place: Path, contents: Mapping[str, Any], name: str, overwrite: bool) -> None:
    _put_back(place)
    if place.exists() and not (place.is_dir() and not any(place.iterdir())):
        is_run = (place / "config.json").is_file()
        require(is_run, "out", name, "is there already and is no run folder; name another")
        require(
            overwrite,
            "out",
            name,
            f"is there already; --overwrite replaces it, 'resume {name}' goes on with it",
        )
        check_free_within(place)
    away = not Path.cwd().is_relative_to(place)
    require(away, "out", name, "must not be the folder that you are in")
    _replace(place, contents)


def _put_back(place: Path) -> None:
    """Ends what a process that was killed while it replaced a folder had begun."""
    if not place.parent.is_dir():
        return
    left_over = re.compile(re.escape(f".{place.name}.") + r"[0-9a-f]{8}-(new|old)")
    for path in list(place.parent.iterdir()):
        if match := left_over.fullmatch(path.name):
            if match[1] == "old" and not place.exists():
                path.rename(place)
            else:
                shutil.rmtree(path)


def _replace(place: Path, contents: Mapping[str, Any]) -> None:
    """Puts a new folder with files in the place of what may be there, by renaming."""
    unique = secrets.token_hex(4)
    new, old = (place.with_name(f".{place.name}.{unique}-{which}") for which in ("new", "old"))
    try:
        new.mkdir()
        for name, content in contents.items():
            write = files.write_json if name.endswith(".json") else files.write_arrays
            write(new / name, content)
        if place.exists():
            place.rename(old)
        try:
            new.rename(place)
        except BaseException:
            if old.exists():
                old.rename(place)
            raise
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(new, ignore_errors=True)


def read_config(folder: Path) -> dict[str, Any]:
    """The content of a folder's `config.json`.

    Raises:
      InvalidInput: if there is none, it cannot be read, or a later version wrote it.
    """
    require(
        folder.is_dir(), "DIR", str(folder), "is not a folder; name that of a run or population"
    )
    path = folder / "config.json"
    config = files.read_json(path)
    if not isinstance(config, dict) or "kind" not in config:
        raise InvalidInput(f"{path} does not say what was trained")
    schema_of(config, path)
    return config


def settings_of(
    folder: Path,
    config: Mapping[str, Any],
    kind: type | None = None,
    read: Callable[[Path], bytes] = files.read_bytes,
) -> Any:
    """The experiment or study that a folder's `config.json` holds.

    Args:
      folder: of a run or a study.
      config: the content of its `config.json`.
      kind: `Experiment` or `Study`, if it is to be one of them.
      read: what reads the file of its images, if it has one.

    Raises:
      InvalidInput: if it is not, or cannot be read.
    """
    held = Study if config["kind"] == Study.__name__ else Experiment
    if kind not in (None, held):
        raise InvalidInput(f"{folder} {_OTHER[held].format(folder=folder)}")
    return from_json(held, folder / "config.json", _with_table(folder, config, read))


def _with_table(folder: Path, content: Any, read: Callable[[Path], bytes]) -> Any:
    """The content of a `config.json`, with the images of `data.npz` where it names them.

    Raises:
      InvalidInput: if these are others, or cannot be read.
    """
    if not isinstance(content, Mapping):
        return content
    if content.get("kind") != Table.__name__:
        return {name: _with_table(folder, value, read) for name, value in content.items()}
    path = folder / _DATA
    try:
        table = Table.from_arrays(files.read_arrays(path, read(path)))
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInput(f"{path} holds no images: {error}") from None
    if table.digest != content.get("digest"):
        raise InvalidInput(f"{path} does not hold the images that config.json beside it names")
    return table


def settings_here(folder: Path) -> Any:
    """The experiment or study of a folder, as this host reads it.

    Raises:
      InvalidInput: if there is none or it cannot be read.
    """
    return settings_of(folder, read_config(folder))


_OTHER = {
    Study: "is the folder of a population, and not of a run: "
    "'replay {folder} --seed K' makes that of one of its machines",
    Experiment: "is the folder of a run, of one machine, and not of a population: "
    "'resume {folder}' goes on with it, 'figures {folder}' draws it",
}


def require_no_restarts(folder: Path, config: Mapping[str, Any]) -> None:
    """Refuses to train what a folder holds if it was to restart, which versions up to 0.2 could.

    Raises:
      InvalidInput: if it was.
    """
    experiment = config.get("experiment", config)
    restarts = experiment.get("restarts") if isinstance(experiment, dict) else None
    if isinstance(restarts, dict) and restarts.get("until"):
        raise InvalidInput(
            f"{folder} was trained with restarts, which this version of hmjax no longer has; "
            "it can be read and drawn, and gone on with by version 0.2"
        )


def is_finished(folder: Path) -> bool:
    """Whether the run or population in a folder has its results."""
    return (folder / "results.json").is_file()


def carry_on(
    progress: P,
    ahead: Iterator[P],
    on_progress: Callable[[P], None],
    write: Callable[[P], None],
) -> P:
    """Goes through what is ahead, writing it now and then, and last however it ends.

    Returns:
      The last progress.
    """
    saved_at = time.perf_counter()
    try:
        on_progress(progress)
        for latest in ahead:
            progress = latest
            on_progress(progress)
            if time.perf_counter() - saved_at > _CHECKPOINT_SECONDS:
                write(progress)
                saved_at = time.perf_counter()
    finally:
        write(progress)
    return progress


def plain(value: Any) -> Any:
    """Arrays as floats and lists, NaN as None."""
    array = np.asarray(value, np.float64)
    return [plain(item) for item in array] if array.ndim else _number(float(array))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
