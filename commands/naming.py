"""What folders are called that no one names: after the experiment, and what is otherwise in it."""

import hashlib
import re
from collections.abc import Iterator
from typing import Any

from commands.arguments import by_rule
from hmjax import Experiment
from hmjax.rules import RULES
from hmjax.settings import to_json

_LONGEST = 60  # letters of what is otherwise


def differing(experiment: Experiment, named: Experiment) -> str:
    """What an experiment has otherwise than the one of its name, as a part of a folder's name.

    Args:
      experiment: as it is to be trained.
      named: as its config has it.
    """
    parts = []
    if type(experiment.rule) is not type(named.rule):
        parts += [name for name, kind in RULES.items() if kind is type(experiment.rule)]
    parts += _parts(to_json(experiment), to_json(by_rule(named, type(experiment.rule))))
    whole = "".join(f"-{part}" for part in parts)
    if len(whole) <= _LONGEST:
        return whole
    return f"{whole[: _LONGEST - 9]}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


def _parts(new: dict[str, Any], old: dict[str, Any]) -> Iterator[str]:
    """The fields that are otherwise, each with its value."""
    for field, value in new.items():
        if field in ("name", "seed") or value == old[field]:
            continue
        if isinstance(value, dict):
            yield from _parts(value, old[field])
        else:
            shown = re.sub(r"[^\w.+-]+", "_", str(value)).strip("_")
            yield f"{field.replace('_', '-')}{shown}"
