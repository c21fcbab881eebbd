"""The folder of a study: made, carried out, interrupted, resumed and read.

config.json       the study; made with the folder, in one step
environment.json  versions, device, commit
part-K.npz        the members of part K so far; replaced as they go, removed once all is written
params.npz        the machines, with a leading axis; under the name of their layer sizes if settings
                  differ in them
population.npz    one row a machine: its seed, its setting and what it came to
metrics.npz       the exact measures at each evaluation, `[evaluations, rows]`, along `step`
results.json      the statistics; written last, so that a folder with it is finished
figures/          pictures, drawn by `analysis`
"""

import contextlib
import functools
import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from hmjax.errors import InvalidInput
from hmjax.machine import Params
from hmjax.runtime import hosts
from hmjax.settings import from_json, to_json
from hmjax.store import files, folders, locks
from hmjax.study import summary
from hmjax.study.summary import Finished
from hmjax.study.sweeps import Part, Setting, Study, parts_of, progress_template, settings_of
from hmjax.training import population
from hmjax.training.population import Progress

_SEALED = ("params.npz", "population.npz", "metrics.npz")


class Studied(NamedTuple):
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


def create(study: Study, folder: str | os.PathLike[str], *, overwrite: bool = False) -> None:
    """Makes the folder of a new study, as `runs.create` does that of a run; on host 0.

    Raises:
      InvalidInput: as `runs.create` does, or if hosts were given different studies.
    """
    hosts.require_same(json.dumps(to_json(study)).encode())

    def make() -> bytes:
        folders.create(study, Path(folder), overwrite=overwrite)
        return b""

    hosts.from_first(make)


@contextlib.contextmanager
def taken(folder: Path, *, new: bool = False) -> Iterator[None]:
    """Takes a folder for what is within, as `locks.taken` does; on host 0.

    Raises:
      InvalidInput: on every host, if another process has it.
    """
    with contextlib.ExitStack() as stack:

        def take() -> bytes:
            stack.enter_context(locks.taken(folder, new=new))
            return b""

        hosts.from_first(take)
        yield


def config_of(folder: str | os.PathLike[str]) -> dict[str, Any]:
    """The content of the `config.json` of a folder, a run's too, as host 0 reads it.

    Raises:
      InvalidInput: on every host, if there is none or it cannot be read.
    """

    def read() -> bytes:
        return json.dumps(folders.read_config(Path(folder))).encode()

    return json.loads(hosts.from_first(read))


def read_study(folder: str | os.PathLike[str]) -> Study:
    """The study of a folder, as host 0 reads it.

    Raises:
      InvalidInput: if there is none or it cannot be read.
    """
    return _study(Path(folder), config_of(folder))


def carry_out(
    study: Study,
    folder: str | os.PathLike[str],
    on_progress: Callable[[int], None] = lambda _: None,
    say: Callable[[str], None] = warnings.warn,
) -> dict[str, Any]:
    """Trains the study of a folder from wherever it stands to its end, and writes what it made.

    With several hosts, all of them call this, and host 0 alone reads and writes.

    Args:
      study: what to train.
      folder: made by `create` for it, and perhaps carried on since.
      on_progress: called with the steps taken so far by all machines together.
      say: called with a line where the bits may not be those of a study left alone.

    Returns:
      The content of `results.json`.

    Raises:
      InvalidInput: if another process is writing the folder, it is another study's, or a file in it
        cannot be used.
      KeyboardInterrupt: on Ctrl-C; what was trained so far is kept.
    """
    with taken(Path(folder)):
        return _carry_out(study, Path(folder), on_progress, say)


def _carry_out(
    study: Study, folder: Path, on_progress: Callable[[int], None], say: Callable[[str], None]
) -> dict[str, Any]:
    began = time.perf_counter()
    config = config_of(folder)
    if _study(folder, config) != study:
        raise InvalidInput(f"{folder} holds another study than the one to be trained")
    if hosts.is_first():
        files.sweep(folder)
    parts = parts_of(study)
    paths = [folder / f"part-{number}.npz" for number in range(len(parts))]
    if hosts.agree(functools.partial(folders.is_finished, folder)):

        def finish() -> bytes:
            results = _results(study, folder)
            folders.check_seal(folder, config, results, _SEALED)
            _remove(paths)
            return json.dumps(results).encode()

        return json.loads(hosts.from_first(finish))

    def compare() -> bytes:
        if any(path.exists() for path in paths):
            folders.compare_environment(folder, config, say)
        return b""

    hosts.from_first(compare)
    finished: list[Finished] = []
    steps_taken = 0
    for path, part in zip(paths, parts, strict=True):
        if hosts.agree(path.exists):
            content = hosts.from_first(path.read_bytes)
            progress = _restore(path, content, config, part)
        else:
            progress = population.start(part.members)

        count = len(part.members)

        def show(latest: Progress, before: int = steps_taken, count: int = count) -> None:
            on_progress(before + count * int(latest.curves["step"][-1]))

        def write(latest: Progress, path: Path = path) -> None:
            if hosts.is_first():
                files.write_arrays(path, _kept(config, latest))

        ahead = population.advance(part.members, progress)
        finished.append(summary.finished(folders.carry_on(progress, ahead, show, write)))
        steps_taken += count * study.experiment.steps

    results = summary.summarise(study, *(tables := summary.tables(study, parts, finished)))
    results["train_seconds"] = seconds = sum(each.train_seconds for each in finished)
    results["microseconds_per_seed_and_step"] = seconds / steps_taken * 1e6
    results["seconds_of_this_session"] = time.perf_counter() - began
    if hosts.is_first():
        rows, curves = tables
        files.write_arrays(folder / "params.npz", _by_sizes(parts, finished))
        files.write_arrays(folder / "population.npz", rows)
        files.write_arrays(folder / "metrics.npz", curves)
        results |= folders.seal(folder, config, _SEALED)
        files.write_json(folder / "results.json", results)
        _remove(paths)
    return results


def read(folder: str | os.PathLike[str]) -> Studied:
    """Reads a finished study, on this host alone.

    Raises:
      InvalidInput: if a file is missing, truncated or does not belong to the study.
    """
    folder = Path(folder)
    config = folders.read_config(folder)
    study = _study(folder, config)
    settings = settings_of(study)
    results = _results(study, folder)
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
    folders.check_seal(folder, config, results, _SEALED)
    return Studied(folder, study, settings, rows, curves, params, results)


def _study(folder: Path, config: Mapping[str, Any]) -> Study:
    if config["kind"] == "Experiment":
        raise InvalidInput(
            f"{folder} is the folder of a run, of one machine, and not of a population: "
            f"'resume {folder}' goes on with it, 'figures {folder}' draws it"
        )
    return from_json(Study, folder / "config.json", config)


def _results(study: Study, folder: Path) -> dict[str, Any]:
    """The results of a finished study, as this host reads them."""
    path = folder / "results.json"
    results = files.read_json(path)
    settings = results.get("settings") if isinstance(results, dict) else None
    if not isinstance(settings, list) or len(settings) != len(settings_of(study)):
        raise InvalidInput(f"{path} does not belong to the study of its config.json")
    return results


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def _kept(config: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
    return {"study": np.asarray(str(config)), "progress": progress}


def _restore(path: Path, content: bytes, config: Mapping[str, Any], part: Part) -> Progress:
    arrays = folders.as_of_now(files.read_arrays(path, content))
    template = _kept(config, progress_template(part.members))
    if "study" in arrays and arrays["study"].tolist() != str(template["study"]):
        raise InvalidInput(f"{path} belongs to another study than its config.json")
    return files.restore(path, arrays, template)["progress"]


def _by_sizes(parts: Sequence[Part], finished: Sequence[Finished]) -> Any:
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
