"""What the folders of runs and populations share: made in one step, carried on, checkpointed."""

import hashlib
import json
import os
import platform
import re
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hmjax.errors import InvalidInput, require
from hmjax.runtime.ambient import bits_depend_on
from hmjax.settings import SCHEMA, schema_of, to_json
from hmjax.store import files
from hmjax.store.locks import check_free_within, taken

P = TypeVar("P")

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
    with taken(folder, new=True):
        try:
            _create(folder.resolve(), config, made, str(folder), overwrite)
        except OSError as error:
            raise InvalidInput(f"out is {str(folder)!r}: cannot be written: {error}") from None


def _create(
    place: Path, config: Mapping[str, Any], made: Mapping[str, Any], name: str, overwrite: bool
) -> None:
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
    _replace(place, {"config.json": config, "environment.json": made})


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
    """Puts a new folder with JSON files in the place of what may be there, by renaming."""
    unique = secrets.token_hex(4)
    new, old = (place.with_name(f".{place.name}.{unique}-{which}") for which in ("new", "old"))
    try:
        new.mkdir()
        for name, content in contents.items():
            files.write_json(new / name, content)
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


def fingerprint(config: Mapping[str, Any]) -> str:
    """What tells one `config.json` from another."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:32]


def seal(folder: Path, config: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """What `results.json` says of the config and the files it belongs to, as JSON values."""
    return {
        "config": fingerprint(config),
        "files": {name: files.digest(folder / name) for name in names},
    }


def check_seal(
    folder: Path, config: Mapping[str, Any], results: Mapping[str, Any], names: Iterable[str]
) -> None:
    """Refuses a folder whose files do not belong together.

    Folders that were made before results were sealed are taken as they are.

    Args:
      folder: a finished one.
      config: the content of its `config.json`.
      results: that of its `results.json`.
      names: the files that are sealed.

    Raises:
      InvalidInput: naming the file that does not belong.
    """
    if schema_of(config, folder) == 1:
        return
    path = folder / "results.json"
    digests = results.get("files")
    if results.get("config") != fingerprint(config) or not isinstance(digests, dict):
        raise InvalidInput(f"{path} does not belong to the config.json beside it")
    for name in names:
        if files.digest(folder / name) != digests.get(name):
            raise InvalidInput(f"{folder / name} is not the file that {path} was written with")


def as_of_now(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a checkpoint that an earlier version may have written, as this one names them.

    What restarts go back to was once kept without what its optimiser remembered; it then goes on
    with what the latest machine's does, as it did.
    """
    named, latest = dict(arrays), "progress/state/learner/"
    for best in ("progress/state/best/of_try/", "progress/state/best/of_all/"):
        if f"{best}params/prior/bias" in arrays:
            for name in [name for name in arrays if name.startswith(latest)]:
                rest = name.removeprefix(latest)
                named[f"{best}learner/{rest}"] = named.pop(f"{best}{rest}", arrays[name])
    return named


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


def environment() -> dict[str, Any]:
    """Where something is trained: what its bits may depend on, and what else may be of use.

    Raises:
      InvalidInput: if JAX has no device.
    """
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        **bits_depend_on(),
        "commit": _commit(),
    }


def compare_environment(
    folder: Path, config: Mapping[str, Any], say: Callable[[str], None]
) -> None:
    """Says what the bits may depend on that is not as it was when the folder was last written to.

    What it is now is noted in `environment.json`.

    Raises:
      InvalidInput: if `environment.json` cannot be read or belongs to another config.
    """
    path = folder / "environment.json"
    noted, now, mine = files.read_json(path), bits_depend_on(), fingerprint(config)
    if not isinstance(noted, dict) or noted.get("config", mine) != mine:
        raise InvalidInput(f"{path} does not belong to the config.json beside it")
    resumed = noted.get("resumed", [])
    before = [noted, *resumed][-1] if isinstance(resumed, list) else None
    if not isinstance(before, dict) or not isinstance(before.get("versions", {}), dict):
        raise InvalidInput(f"{path} does not say what it was trained on")
    changed = [
        f"{name} {_shown(was)} is {_shown(here[name])}"
        for then, here in ((before.get("versions", {}), now["versions"]), (before, now))
        for name, was in then.items()
        if name in here and name != "versions" and here[name] != was
    ]
    if changed:
        say(
            f"{folder} goes on where {', '.join(changed)} now: what follows may differ in its last "
            "bits from what it would have been"
        )
        files.write_json(path, noted | {"resumed": [*resumed, now]})


def _shown(value: Any) -> str:
    return " ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def _commit() -> str | None:
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        done = subprocess.run([*command, "--abbrev=40"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def plain(value: Any) -> Any:
    """Arrays as floats and lists, NaN as None."""
    array = np.asarray(value, np.float64)
    return [plain(item) for item in array] if array.ndim else _number(float(array))


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None
