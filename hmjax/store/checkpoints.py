"""Checkpoints: what a run, or a part of a study, goes on from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from hmjax.errors import InvalidInput
from hmjax.experiment import Experiment
from hmjax.measures import Measures
from hmjax.measures.table import MEASURES
from hmjax.settings import schema_of
from hmjax.store import files
from hmjax.study.sweeps import Part
from hmjax.training.progress import Progress, Record, alone, population_of_one, template_of

_KIND = {"Experiment": "experiment", "Study": "study"}  # whose config a checkpoint belongs to


def write_checkpoint(
    path: Path, config: Mapping[str, Any], progress: Progress, total_seconds: float
) -> None:
    """Writes what `carry_out` goes on from.

    Args:
      path: `checkpoint.npz` of a run, or a part of a study.
      config: the content of the `config.json` beside it.
      progress: of the run or the part so far.
      total_seconds: what the run has taken.
    """
    kept = alone(progress) if config["kind"] == Experiment.__name__ else progress
    files.write_arrays(path, _checkpoint(config, kept, total_seconds))


def _checkpoint(
    config: Mapping[str, Any], progress: Progress, total_seconds: float
) -> dict[str, Any]:
    checkpoint = {_KIND[config["kind"]]: np.asarray(str(config)), "progress": progress}
    if config["kind"] == Experiment.__name__:
        checkpoint["total_seconds"] = np.float64(total_seconds)
    return checkpoint


def restore(
    path: Path, content: bytes, config: Mapping[str, Any], part: Part, record: Record
) -> tuple[Progress, float]:
    """The progress that a checkpoint holds, and the seconds that its run has taken.

    Args:
      path: the file, for messages.
      content: what is in it.
      config: the content of the `config.json` beside it.
      part: whose progress it is.
      record: what is recorded of it.

    Raises:
      InvalidInput: if it is damaged, or belongs to something else.
    """
    arrays = files.read_arrays(path, content)
    of_run, kind = config["kind"] == Experiment.__name__, _KIND[config["kind"]]
    members = None if of_run else len(part.members)
    like = template_of(part.members[0], members, record, [each.task for each in part.members])
    template = _checkpoint(config, like, 0.0)
    if kind in arrays and arrays[kind].tolist() != str(template[kind]):
        raise InvalidInput(f"{path} belongs to another {kind} than its config.json")
    arrays = with_newer(arrays, like.curves, schema_of(config, path), "progress/curves/")
    checkpoint = files.restore(path, arrays, template)
    progress = checkpoint["progress"]
    if len({len(leaf) for leaf in jax.tree.leaves((progress.curves, progress.snapshots))}) != 1:
        raise InvalidInput(f"{path}: its curves and snapshots differ in length")
    seconds = float(checkpoint.get("total_seconds", 0.0))
    return (population_of_one(progress) if of_run else progress), seconds


def with_newer(
    arrays: Mapping[str, np.ndarray], like: Measures, schema: int, within: str = ""
) -> dict[str, np.ndarray]:
    """Arrays of curves, with NaN in place of measures that their schema did not know.

    Args:
      arrays: by name; what else is among them stays as it is.
      like: the shapes of the curves.
      schema: of the folder that they are from.
      within: what stands before the names of curves.
    """
    evaluations = len(arrays.get(f"{within}step", ()))
    newer = {
        f"{within}{name}": np.full((evaluations, *leaf.shape[1:]), np.nan, leaf.dtype)
        for name, leaf in like.items()
        if name in MEASURES and MEASURES[name].since > schema
    }
    return newer | dict(arrays)
