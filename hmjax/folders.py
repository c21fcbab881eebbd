"""What the folders of runs and populations share: made in one step, carried on, checkpointed."""

import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from hmjax import files
from hmjax.errors import InvalidInput, require
from hmjax.runtime.ambient import bits_depend_on

P = TypeVar("P")

_CHECKPOINT_SECONDS = 1.0  # between checkpoints; what a kill can lose


def create(config: dict[str, Any], folder: Path, *, overwrite: bool) -> None:
    """Makes a folder with `config.json` and `environment.json`, in one step.

    Raises:
      InvalidInput: if the folder is there already (and not a run's, or `overwrite` is off), or
        cannot be written.
    """
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        is_run = (folder / "config.json").is_file()
        require(is_run, "out", str(folder), "is there already and is no run folder; name another")
        require(
            overwrite,
            "out",
            str(folder),
            f"is there already; --overwrite replaces it, 'resume {folder}' goes on with it",
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
        try:
            os.chmod(new, 0o755)
            files.write_json(new / "config.json", config)
            files.write_json(new / "environment.json", environment())
            if folder.exists():
                old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
                folder.rename(old)
                new.rename(folder)
                shutil.rmtree(old)
            else:
                new.rename(folder)
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise InvalidInput(f"out is {str(folder)!r}: cannot be written: {error}") from None


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


def compare_environment(folder: Path, say: Callable[[str], None]) -> None:
    """Says what the bits may depend on that is not as it was when the folder was last written to.

    What it is now is noted in `environment.json`.
    """
    path = folder / "environment.json"
    if not path.exists():
        return
    noted, now = files.read_json(path), bits_depend_on()
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
