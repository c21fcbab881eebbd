"""What the folders of runs and populations share: made in one step, carried on, checkpointed."""

import hashlib
import json
import os
import platform
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hmjax import files
from hmjax.errors import InvalidInput, require
from hmjax.locks import taken
from hmjax.runtime.ambient import bits_depend_on
from hmjax.settings import SCHEMA, schema_of, to_json

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
    with taken(folder):
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            is_run = (folder / "config.json").is_file()
            require(
                is_run, "out", str(folder), "is there already and is no run folder; name another"
            )
            require(
                overwrite,
                "out",
                str(folder),
                f"is there already; --overwrite replaces it, 'resume {folder}' goes on with it",
            )
        try:
            _replace(folder, {"config.json": config, "environment.json": made})
        except OSError as error:
            raise InvalidInput(f"out is {str(folder)!r}: cannot be written: {error}") from None


def _replace(folder: Path, contents: Mapping[str, Any]) -> None:
    """Puts a new folder with JSON files in the place of what may be there, by renaming."""
    for left_over in folder.parent.glob(f".{folder.name}.*-made"):
        shutil.rmtree(left_over)
    new, old = (folder.with_name(f".{folder.name}.{secrets.token_hex(4)}-made") for _ in range(2))
    try:
        new.mkdir()
        for name, content in contents.items():
            files.write_json(new / name, content)
        if folder.exists():
            folder.rename(old)
        try:
            new.rename(folder)
        except BaseException:
            if old.exists():
                old.rename(folder)
            raise
    finally:
        for path in (new, old):
            shutil.rmtree(path, ignore_errors=True)


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


def check_seal(folder: Path, config: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Refuses a folder whose files do not belong together.

    Folders that were made before results were sealed are taken as they are.

    Raises:
      InvalidInput: naming the file that does not belong.
    """
    if schema_of(config, folder) == 1:
        return
    path = folder / "results.json"
    if results.get("config") != fingerprint(config) or not isinstance(results.get("files"), dict):
        raise InvalidInput(f"{path} does not belong to the config.json beside it")
    for name, digest in results["files"].items():
        if files.digest(folder / name) != digest:
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
    noted, now = files.read_json(path), bits_depend_on()
    if not isinstance(noted, dict) or noted.get("config", fingerprint(config)) != fingerprint(
        config
    ):
        raise InvalidInput(f"{path} does not belong to the config.json beside it")
    before = [noted, *noted.get("resumed", [])][-1]
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
        files.write_json(path, noted | {"resumed": [*noted.get("resumed", []), now]})


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
