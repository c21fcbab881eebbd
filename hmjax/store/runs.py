"""The run folder: made, filled, interrupted, resumed and read.

config.json       the experiment; made with the folder, in one step
environment.json  versions, device, commit
data.npz          the images, of a task that was brought some
checkpoint.npz    the run so far; replaced as it goes
metrics.npz       the measures at each evaluation, along `step`
snapshots.npz     the machine at each evaluation
params.npz        the machine at the end
results.json      the measures at the end; written last, so that a folder with it is finished
figures/          pictures, drawn by `analysis`
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from hmjax.errors import InvalidInput
from hmjax.experiment import Experiment
from hmjax.machine import Params
from hmjax.measures import Measures
from hmjax.measures.table import MEASURES
from hmjax.settings import schema_of
from hmjax.store import files, folders, seal
from hmjax.store.checkpoints import with_newer
from hmjax.study.about import about
from hmjax.tasks import shown_names
from hmjax.training import loop
from hmjax.training.progress import EVERYTHING, Progress, alone, template_of, without_axis

_SINCE = {
    name: each.since for name, each in MEASURES.items() if each.is_always_there
} | dict.fromkeys(
    ("direction_recovery_chance", "balanced_accuracy_chance", "balanced_accuracy_best_possible"), 6
)
"""The schema that each of these came with; in folders from before, `None` stands in its place."""

PROMISED = (
    *("task", "classes", "sizes", "seed", "steps", "entropy_bits"),
    *("train_seconds", "total_seconds", "steps_per_second"),
    *("direction_recovery_best_possible", "p_right_given_top", "p_left_given_top"),
    *_SINCE,
)
"""What every `results.json` holds, besides its seal (see `hmjax.store.seal.finish`)."""

SEALED = ("metrics.npz", "snapshots.npz", "params.npz")


class Run(NamedTuple):
    """A finished run, as read from its folder.

    Attributes:
      folder: where it lies.
      experiment: what was run.
      params: the machine.
      curves: NumPy arrays by measure, with a leading axis over evaluations; `step` is that axis.
      snapshots: the machine at each evaluation, with the same leading axis.
      results: the content of `results.json`.
    """

    folder: Path
    experiment: Experiment
    params: Params
    curves: Measures
    snapshots: Params
    results: dict[str, Any]

    @property
    def at(self) -> int:
        """Which of the evaluations the machine is of."""
        kept = self.results.get("kept_at_step", self.curves["step"][-1])
        return int(np.searchsorted(self.curves["step"], kept))


def finish(
    folder: Path,
    config: Mapping[str, Any],
    experiment: Experiment,
    last: Progress,
    seconds: Callable[[], float],
) -> dict[str, Any]:
    """Writes what a run came to, `results.json` last; on host 0.

    Args:
      folder: its folder.
      config: the content of its `config.json`.
      experiment: what was run.
      last: its last progress.
      seconds: gives how long it has taken in all.

    Returns:
      The content of `results.json`.
    """
    progress = alone(last)
    results = summarise(experiment, last) | {"total_seconds": seconds()}
    made = progress.curves, progress.snapshots, progress.params
    return seal.finish(folder, config, dict(zip(SEALED, made, strict=True)), results)


def read(folder: str | os.PathLike[str]) -> Run:
    """Reads a finished run.

    Raises:
      InvalidInput: if a file is missing, truncated or does not belong to the experiment.
    """
    folder = Path(folder)
    config = folders.read_config(folder)
    experiment = folders.settings_of(folder, config, Experiment)
    results = read_results(folder, experiment)
    path = folder / "metrics.npz"
    template = template_of(experiment, None, EVERYTHING)
    arrays = files.read_arrays(path)
    arrays = with_newer(arrays, template.curves, schema_of(config, path))
    curves = files.restore(path, arrays, template.curves)
    evaluations = len(curves["step"])
    path = folder / "snapshots.npz"
    snapshots = files.restore(
        path, files.read_arrays(path), files.params_template(experiment.sizes, evaluations)
    )
    path = folder / "params.npz"
    params = files.load_params(path)
    files.restore(path, files.read_arrays(path), files.params_template(experiment.sizes))
    seal.check_seal(folder, config, results, SEALED)
    return Run(folder, experiment, params, curves, snapshots, results)


def summarise(experiment: Experiment, progress: Progress) -> dict[str, Any]:
    """The measures of the machine as it stands, as JSON values; one without meaning is `None`.

    `train_seconds` leaves out compiling and measuring; `total_seconds`, which `finish` fills in,
    holds all but the pictures.
    """
    measures, step = without_axis(loop.final_measures([experiment], progress)), progress.step
    plain = {name: folders.plain(measure) for name, measure in measures.items()}
    shown = shown_names(experiment.task)
    given_top = plain["shown_given_top_exact"]
    left, right = list(zip(*given_top, strict=True))[:2] if len(shown) == 4 else (None, None)
    for name in ("fantasies", "fantasies_exact"):
        plain[name] = dict(zip(shown, plain[name], strict=True))
    train_seconds = float(progress.train_seconds)
    return {
        **about(experiment),
        "seed": experiment.seed,
        "steps": step,
        "train_seconds": train_seconds,
        "total_seconds": None,
        "steps_per_second": step / train_seconds if train_seconds else None,
        **({} if progress.kept is None else {"kept_at_step": int(progress.kept.step[0])}),
        **plain,
        "p_right_given_top": right,
        "p_left_given_top": left,
    }


def read_results(folder: Path, experiment: Experiment) -> dict[str, Any]:
    """The content of the `results.json` of a finished run.

    Raises:
      InvalidInput: if it cannot be read, or is not that of a run.
    """
    path = folder / "results.json"
    results = files.read_json(path)
    if isinstance(results, dict):
        schema = schema_of(folders.read_config(folder), path)
        results = {name: None for name, since in _SINCE.items() if since > schema} | results
    lacking = set(PROMISED) - (results.keys() if isinstance(results, dict) else set())
    if lacking:
        raise InvalidInput(f"{path} lacks {', '.join(sorted(lacking))}")
    return results
