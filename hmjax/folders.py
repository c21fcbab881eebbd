"""What the folders of runs and populations share: made in one step, carried on, checkpointed."""

import importlib.metadata
import os
import platform
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np

from hmjax import files
from hmjax.errors import InvalidInput, require

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
    """Versions, device and commit: what besides the experiment the bits may depend on."""
    packages = ("hmjax", "jax", "jaxlib", "numpy", "optax")
    device = jax.devices()[0]
    return {
        "python": platform.python_version(),
        "versions": {package: _version(package) for package in packages},
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "device": {"platform": device.platform, "kind": device.device_kind},
        "xla_flags": os.environ.get("XLA_FLAGS"),
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


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
