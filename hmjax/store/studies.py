"""The folder of a study: made, carried out, interrupted, resumed and read.

config.json       the study; made with the folder, in one step
environment.json  versions, device, commit
data.npz          the images, of a task that was brought some
part-K.npz        the members of part K so far; replaced as they go, removed once all is written
params.npz        the machines, with a leading axis; under the name of their layer sizes if settings
                  differ in them
population.npz    one row a machine: its seed, its setting and what it came to
machines.csv      the numbers of that, and what was swept, for other programs
metrics.npz       the exact measures at each evaluation, `[evaluations, rows]`, along `step`
results.json      the statistics; written last, so that a folder with it is finished
figures/          pictures, drawn by `analysis`
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from hmjax.errors import InvalidInput
from hmjax.machine import Params
from hmjax.runtime import hosts
from hmjax.store import files, folders, seal
from hmjax.study import summary
from hmjax.study.classification import classification
from hmjax.study.summary import TrainedPart
from hmjax.study.sweeps import Part, Setting, Study, settings_of

SEALED = ("params.npz", "population.npz", "metrics.npz")


class FinishedStudy(NamedTuple):
    """A finished study, as read from its folder.

    Attributes:
      folder: where it lies.
      study: what was studied.
      settings: its settings.
      rows: the arrays of `population.npz`, by name.
      curves: the arrays of `metrics.npz`, by name.
      params: the machines of each setting, with a leading axis over seeds.
      results: the content of `results.json`.
    """

    folder: Path
    study: Study
    settings: list[Setting]
    rows: dict[str, np.ndarray]
    curves: dict[str, np.ndarray]
    params: list[Params]
    results: dict[str, Any]

    def machine(self, setting: int, seed: int) -> Params:
        """One machine, of a setting by its index and of a seed."""
        place = seed - self.study.first_seed
        return jax.tree.map(lambda leaf: leaf[place], self.params[setting])


def finish(
    folder: Path,
    config: Mapping[str, Any],
    study: Study,
    parts: Sequence[Part],
    finished: Sequence[TrainedPart],
    seconds: float,
) -> dict[str, Any]:
    """Writes what a study came to, `results.json` last; on host 0.

    Args:
      folder: its folder.
      config: the content of its `config.json`.
      study: what was studied.
      parts: its parts.
      finished: what is kept of each.
      seconds: that this session took.

    Returns:
      The content of `results.json`.
    """
    rows, curves = summary.tables(study, parts, finished)
    steps = sum(len(each.at) * int(each.curves["step"][-1]) for each in finished)
    train_seconds = sum(each.train_seconds for each in finished)
    results = summary.summarise(study, rows, curves) | {
        "train_seconds": train_seconds,
        "microseconds_per_seed_and_step": train_seconds / steps * 1e6,
        "seconds_of_this_session": seconds,
    }
    machines = _by_sizes(parts, finished)
    if study.per_class:  # all seeds of a label, and then those of the next
        begins = range(0, len(rows["seed"]), study.seeds)
        each = [jax.tree.map(lambda leaf, i=i: leaf[i : i + study.seeds], machines) for i in begins]
        results["classification"] = classification(study.experiment, each)
    if hosts.is_first():
        files.write_table(folder / "machines.csv", _table(study, rows))
    made = machines, rows, curves
    return seal.finish(folder, config, dict(zip(SEALED, made, strict=True)), results)


def _table(study: Study, rows: Mapping[str, np.ndarray]) -> dict[str, list[Any]]:
    """Columns by name, a row a machine: its seed, what was swept, and every number it came to."""
    values = [settings_of(study)[index].values for index in rows["setting"]]
    swept = {option: [each[option] for each in values] for option in study.swept()}
    numbers = {name: row.tolist() for name, row in rows.items() if row.ndim == 1}
    ours = "setting", "place"
    others = {name: column for name, column in numbers.items() if name not in (*ours, "seed")}
    return {"seed": numbers["seed"], **swept, **others}


def read(folder: str | os.PathLike[str]) -> FinishedStudy:
    """Reads a finished study, on this host alone.

    Raises:
      InvalidInput: if a file is missing, truncated or does not belong to the study.
    """
    folder = Path(folder)
    config = folders.read_config(folder)
    study = folders.settings_of(folder, config, Study)
    settings = settings_of(study)
    results = read_results(folder, study)
    rows = files.read_arrays(folder / "population.npz")
    machines = len(settings) * study.seeds
    if any(len(rows.get(name, ())) != machines for name in ("seed", "setting", "place")):
        raise InvalidInput(f"{folder / 'population.npz'} does not hold {machines} machines")
    curves = files.read_arrays(folder / "metrics.npz")
    path = folder / "params.npz"
    arrays = files.read_arrays(path)
    several = len({setting.experiment.sizes for setting in settings}) > 1
    params: list[Any] = []
    for index, setting in enumerate(settings):
        sizes = setting.experiment.sizes
        template: Any = files.params_template(sizes, -1)
        restored = files.restore(path, arrays, {_name(sizes): template} if several else template)
        params.append(restored[_name(sizes)] if several else restored)
        place = rows["place"][rows["setting"] == index]
        params[-1] = jax.tree.map(lambda leaf, place=place: leaf[place], params[-1])
    seal.check_seal(folder, config, results, SEALED)
    return FinishedStudy(folder, study, settings, rows, curves, params, results)


def read_results(folder: Path, study: Study) -> dict[str, Any]:
    """The content of the `results.json` of a finished study, as this host reads it.

    Raises:
      InvalidInput: if it cannot be read, or is not that of the study.
    """
    path = folder / "results.json"
    results = files.read_json(path)
    settings = results.get("settings") if isinstance(results, dict) else None
    if not isinstance(settings, list) or len(settings) != len(settings_of(study)):
        raise InvalidInput(f"{path} does not belong to the study of its config.json")
    return results


def _by_sizes(parts: Sequence[Part], finished: Sequence[TrainedPart]) -> Any:
    """The machines, those of the same layer sizes under one leading axis."""
    machines: dict[str, list[Params]] = {}
    for part, each in zip(parts, finished, strict=True):
        machines.setdefault(_name(part.members[0].sizes), []).append(each.params)
    joined = {
        name: jax.tree.map(lambda *leaves: np.concatenate(leaves), *several)
        for name, several in machines.items()
    }
    return joined if len(joined) > 1 else next(iter(joined.values()))


def _name(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))
