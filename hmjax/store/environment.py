"""Where something was trained: what its bits may depend on, noted beside it."""

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hmjax.errors import InvalidInput
from hmjax.runtime.ambient import bits_depend_on
from hmjax.store import files


def fingerprint(config: Mapping[str, Any]) -> str:
    """What tells one `config.json` from another."""
    return hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()[:32]


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
            f"{folder} goes on where {', '.join(changed)} now: what follows may not be what it "
            "would have been"
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
