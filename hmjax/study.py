"""A study: many seeds at each of several settings, trained as populations, kept in a folder.

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

import dataclasses
import functools
import itertools
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
import tyro

from hmjax import (
    files,
    folders,
    hosts,
    measures,
    population,
    runs,
    statistics,
    training,
)
from hmjax.errors import InvalidInput, require
from hmjax.experiment import MAX_SEED, Experiment, split
from hmjax.machine import Params
from hmjax.population import Progress

BROKEN = 0.1
"""A machine has broken the symmetry when a top unit's exact |selectivity| is at least this."""

MAX_MACHINES = 2**20
"""More machines than this, of all settings together, are refused."""

_BEST: dict[str, Callable[[np.ndarray], Any]] = {
    "strongest_selectivity": np.nanargmax,
    "exact_nll_bits": np.nanargmin,
    "kl_bits": np.nanargmin,
    "elbo_bits": np.nanargmax,
    "direction_recovery_exact": np.nanargmax,
    "direction_recovery_posterior": np.nanargmax,
    "is_nll_bits": np.nanargmin,
    "direction_recovery": np.nanargmax,
}
"""What is told of a setting's machines, measure by measure, and which of them is best."""

_MEMORY = 2**30  # bytes that the machines of a part may take, of all devices together


@dataclass(frozen=True)
class Sweep:
    """Numbers to be swept, each over its values; a compiled program serves all of them."""

    learning_rate: tuple[float, ...] = ()
    """Values of rule.learning-rate."""
    recognition_rate: tuple[float, ...] = ()
    """Values of rule.recognition-rate."""
    p_on: tuple[float, ...] = ()
    """Values of p-on."""
    weight_scale: tuple[float, ...] = ()
    """Values of machine.weight-scale."""


@dataclass(frozen=True)
class Study:
    """Many seeds at each of several settings; every combination of what is swept is one."""

    experiment: Annotated[Experiment, tyro.conf.arg(name="")]
    """What all settings share."""
    seeds: int = 64
    """Machines to train at each setting, at least 1."""
    first_seed: int = 0
    """Seed of the first machine, 0 to 2^32 - 1; the others follow."""
    top: tuple[int, ...] = ()
    """Numbers of top units to be swept, each compiled once."""
    hidden: tuple[int, ...] = ()
    """Sizes of a single hidden layer to be swept, each compiled once."""
    sweep: Sweep = field(default_factory=Sweep)
    """Numbers to be swept."""
    seeds_at_once: int = 0
    """Machines that are trained side by side, at least 1; 0 for as many as 1 GiB holds."""

    def __post_init__(self) -> None:
        most = MAX_SEED + 1 - self.first_seed
        require(
            0 <= self.first_seed <= MAX_SEED, "first-seed", self.first_seed, "must be 0 to 2^32 - 1"
        )
        seeds = self.seeds
        require(1 <= seeds <= most, "seeds", seeds, f"must be 1 to {most}")
        at_once = self.seeds_at_once
        require(at_once >= 0, "seeds-at-once", at_once, "must be at least 1, or 0 for automatic")
        for name, values in self.swept().items():
            distinct = len(set(values)) == len(values)
            require(distinct, name, values, "must be different values")
        count = len(settings_of(self))  # refuses what an experiment does not have or allow
        most = MAX_MACHINES // count
        require(seeds <= most, "seeds", seeds, f"must be 1 to {most} at each of {count} settings")

    def swept(self) -> dict[str, tuple]:
        """The values of all that is swept, by option."""
        options = {"top": self.top, "hidden": self.hidden} | {
            f"sweep.{each.name.replace('_', '-')}": getattr(self.sweep, each.name)
            for each in dataclasses.fields(self.sweep)
        }
        return {name: values for name, values in options.items() if values}


class Setting(NamedTuple):
    """One combination of what a study sweeps.

    Attributes:
      values: by option, in the order of `Study.swept`.
      experiment: with those values.
    """

    values: dict[str, Any]
    experiment: Experiment

    @property
    def name(self) -> str:
        """What sets it apart, for people; empty if nothing is swept."""
        return named(self.values)


def named(values: Mapping[str, Any]) -> str:
    """Values by option, for people."""
    return ", ".join(f"{option.removeprefix('sweep.')} {value}" for option, value in values.items())


class Part(NamedTuple):
    """Members of a study that are trained side by side, of one compiled program.

    Attributes:
      members: the experiments, one a machine.
      setting: int64 `[s]`, the index of each one's setting.
    """

    members: list[Experiment]
    setting: np.ndarray


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


def settings_of(study: Study) -> list[Setting]:
    """Every combination of what a study sweeps, those of the same layer sizes side by side.

    Raises:
      InvalidInput: if the experiment has no such number, or a value is out of range.
    """
    swept = study.swept()
    return [
        Setting(values, _with_values(study.experiment, values))
        for combination in itertools.product(*swept.values())
        for values in [dict(zip(swept, combination, strict=True))]
    ]


def parts_of(study: Study) -> list[Part]:
    """The members of a study in groups that share a compiled program and fit in memory at once."""
    settings = settings_of(study)
    seeds = range(study.first_seed, study.first_seed + study.seeds)
    parts = []
    for _, alike in itertools.groupby(enumerate(settings), lambda pair: pair[1].experiment.sizes):
        both = [
            (dataclasses.replace(setting.experiment, seed=seed), index)
            for index, setting in alike
            for seed in seeds
        ]
        at_once = study.seeds_at_once or automatic_at_once(both[0][0])
        for i in range(0, len(both), at_once):
            members, setting = zip(*both[i : i + at_once], strict=True)
            parts.append(Part(list(members), np.array(setting)))
    return parts


def bytes_a_member(experiment: Experiment) -> int:
    """An estimate of the memory that one more member of a population takes.

    Its state is there when a block begins, when it ends and as a checkpoint, and on other devices
    than a CPU the draws of a chunk of steps are there for all members at once; its measures are
    there at every evaluation, twice while they grow.
    """
    progress = _template([experiment])
    size = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(progress.state))
    evaluations = experiment.steps // experiment.evaluation.every + 2
    seen = sum(abs(leaf.size) * leaf.dtype.itemsize for leaf in jax.tree.leaves(progress.curves))
    drawn = 0
    if jax.devices()[0].platform != "cpu":
        drawn = training.draws_of_chunk(experiment)
    return 3 * size + 2 * evaluations * seen + drawn


def _has_selectivity(experiment: Experiment) -> bool:
    return len(experiment.task.class_labels) == 2


def automatic_at_once(experiment: Experiment) -> int:
    """How many members 1 GiB holds, by `bytes_a_member`."""
    return max(1, _MEMORY // bytes_a_member(experiment))


def create(study: Study, folder: Path, *, overwrite: bool = False) -> None:
    """Makes the folder of a new study, as `runs.create` does that of a run; on host 0.

    Raises:
      InvalidInput: as `runs.create` does, or if hosts were given different studies.
    """
    config = files.settings_to_json(study)
    hosts.require_same(json.dumps(config).encode())

    def make() -> bytes:
        folders.create(config, folder, overwrite=overwrite)
        return b""

    hosts.from_first(make)


def read_study(folder: Path) -> Study:
    """The study of a folder, as host 0 reads it.

    Raises:
      InvalidInput: if there is none or it cannot be read.
    """
    path = folder / "config.json"

    def read() -> bytes:
        require(folder.is_dir(), "DIR", str(folder), "is not a folder; name a population's")
        return json.dumps(files.read_json(path)).encode()

    return files.settings_from_json(Study, path, json.loads(hosts.from_first(read)))


def is_study(folder: Path) -> bool:
    """Whether a folder is that of a study, and not of a run; as this host sees it."""
    try:
        content = files.read_json(folder / "config.json")
    except InvalidInput:
        return False
    return isinstance(content, dict) and content.get("kind") == Study.__name__


def carry_out(
    study: Study, folder: Path, on_progress: Callable[[int], None] = lambda _: None
) -> dict[str, Any]:
    """Trains the study of a folder from wherever it stands to its end, and writes what it made.

    With several hosts, all of them call this, and host 0 alone reads and writes.

    Args:
      study: what to train.
      folder: made by `create` for it, and perhaps carried on since.
      on_progress: called with the steps taken so far by all machines together.

    Returns:
      The content of `results.json`.

    Raises:
      InvalidInput: if a part's file cannot be used.
      KeyboardInterrupt: on Ctrl-C; what was trained so far is kept.
    """
    began = time.perf_counter()
    if hosts.is_first():
        files.sweep(folder)
    parts = parts_of(study)
    paths = [folder / f"part-{number}.npz" for number in range(len(parts))]
    if hosts.agree(functools.partial(folders.is_finished, folder)):
        return _results(study, folder, paths)
    finished, taken = [], 0
    for path, part in zip(paths, parts, strict=True):
        if hosts.agree(path.exists):
            content = hosts.from_first(path.read_bytes)
            progress = _restore(path, content, study, part)
        else:
            progress = population.start(part.members)

        def show(latest: Progress, before: int = taken, count: int = len(part.members)) -> None:
            on_progress(before + count * int(latest.curves["step"][-1]))

        def write(latest: Progress, path: Path = path) -> None:
            if hosts.is_first():
                files.write_arrays(path, _kept(study, latest))

        ahead = population.advance(part.members, progress)
        finished.append(folders.carry_on(progress, ahead, show, write))
        taken += len(part.members) * study.experiment.steps

    results = summarise(study, *(tables := _tables(study, parts, finished)))
    results["train_seconds"] = seconds = sum(float(each.train_seconds) for each in finished)
    results["microseconds_per_seed_and_step"] = seconds / taken * 1e6
    results["seconds_of_this_session"] = time.perf_counter() - began
    if hosts.is_first():
        rows, curves = tables
        files.write_arrays(folder / "params.npz", _by_sizes(parts, finished))
        files.write_arrays(folder / "population.npz", rows)
        files.write_arrays(folder / "metrics.npz", curves)
        files.write_json(folder / "results.json", results)
        _remove(paths)
    return results


def _results(study: Study, folder: Path, parts: Sequence[Path]) -> dict[str, Any]:
    """The results of a finished study, as host 0 reads them; what is left of its parts goes."""

    def read() -> bytes:
        _remove(parts)
        path = folder / "results.json"
        results = files.read_json(path)
        settings = results.get("settings") if isinstance(results, dict) else None
        if not isinstance(settings, list) or len(settings) != len(settings_of(study)):
            raise InvalidInput(f"{path} does not belong to the study of its config.json")
        return json.dumps(results).encode()

    return json.loads(hosts.from_first(read))


def _remove(paths: Sequence[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)


def read(folder: Path) -> Studied:
    """Reads a finished study.

    Raises:
      InvalidInput: if a file is missing, truncated or does not belong to the study.
    """
    study = read_study(folder)
    settings = settings_of(study)
    results = _results(study, folder, [])
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
    return Studied(folder, study, settings, rows, curves, params, results)


def summarise(
    study: Study, rows: Mapping[str, np.ndarray], curves: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """The statistics of a study, as JSON values.

    Args:
      study: what was studied.
      rows: the arrays of `population.npz`.
      curves: the arrays of `metrics.npz`.
    """
    settings = settings_of(study)
    summaries, counts, nll = [], [], []
    for index, setting in enumerate(settings):
        of_setting = rows["setting"] == index
        mine = {name: array[of_setting] for name, array in rows.items()}
        good = ~mine["diverged"]
        seeds, times = mine["seed"][good], mine["broke_at_step"][good]
        broken = mine["broken"][good]
        known = setting.experiment.is_exact and _has_selectivity(setting.experiment)
        hits, trials = int(broken.sum()), len(broken)
        counts.append((hits, trials) if known and trials else None)
        nll.append(mine[setting.experiment.nll][good])
        units = np.bincount(
            mine["selective_units"][good & mine["selectivity_known"]],
            minlength=setting.experiment.sizes[-1] + 1,
        )
        summaries.append(
            {
                "name": setting.name,
                "values": setting.values,
                **runs.about(setting.experiment),
                "seeds": len(good),
                "diverged_seeds": mine["seed"][~good].tolist(),
                "broken": hits if known else None,
                "broken_share": hits / trials if known and trials else None,
                "broken_interval": statistics.wilson(hits, trials) if known else None,
                "broke_at_step": statistics.time_quantiles(times) if known else None,
                "not_yet_broken": statistics.survival(times, curves["step"]).tolist()
                if known
                else None,
                "selective_units": units.tolist() if known else None,
                "nll": setting.experiment.nll,
                **{
                    name: _spread(seeds, mine[name][good], best) if name in mine else None
                    for name, best in _BEST.items()
                },
                "never_broke": seeds[~broken & np.isinf(times)].tolist() if known else None,
            }
        )
    differences = [
        {
            "from": settings[0].name,
            "to": settings[index].name,
            "broken_share": first and count and statistics.share_difference(first, count),
            "median_nll_bits": statistics.bootstrap_median_difference(nll[0], nll[index])
            if summaries[0]["nll"] == summaries[index]["nll"]
            else None,
        }
        for first in counts[:1]
        for index, count in enumerate(counts)
        if index
    ]
    return {
        "steps": study.experiment.steps,
        "first_seed": study.first_seed,
        "seeds": study.seeds,
        "broken_means": f"a top unit of exact |selectivity| {BROKEN} or more at the last step",
        "step": curves["step"].tolist(),
        "settings": summaries,
        "differences": differences,
    }


def member(studied: Study, seed: int, setting: int) -> Experiment:
    """The experiment of one machine of a study.

    Raises:
      InvalidInput: if the study has no such seed or setting.
    """
    settings = settings_of(studied)
    last = studied.first_seed + studied.seeds - 1
    require(0 <= setting < len(settings), "setting", setting, f"must be 0 to {len(settings) - 1}")
    require(
        studied.first_seed <= seed <= last, "seed", seed, f"must be {studied.first_seed} to {last}"
    )
    return dataclasses.replace(settings[setting].experiment, seed=seed)


def _with_values(experiment: Experiment, values: Mapping[str, Any]) -> Experiment:
    """An experiment with the values of what a study sweeps."""
    task, rule, machine = experiment.task, experiment.rule, experiment.machine
    for option, value in values.items():
        name = option.removeprefix("sweep.").replace("-", "_")
        if option == "top":
            machine = dataclasses.replace(machine, top=value)
        elif option == "hidden":
            machine = dataclasses.replace(machine, hidden=(value,))
        elif name == "weight_scale":
            machine = dataclasses.replace(machine, weight_scale=value)
        elif name in task.numbers():
            task = dataclasses.replace(task, **{name: value})
        elif name in rule.numbers():
            rule = dataclasses.replace(rule, **{name: value})
        else:
            raise InvalidInput(f"{option} is {value}: {experiment.name} has no such number")
    return dataclasses.replace(experiment, task=task, rule=rule, machine=machine)


def _kept(study: Study, progress: Progress) -> dict[str, Any]:
    return {"study": np.asarray(str(files.settings_to_json(study))), "progress": progress}


def _restore(path: Path, content: bytes, study: Study, part: Part) -> Progress:
    arrays = files.read_arrays(path, content)
    template = _kept(study, _template(part.members))
    if "study" in arrays and arrays["study"].tolist() != str(template["study"]):
        raise InvalidInput(f"{path} belongs to another study than its config.json")
    return files.restore(path, arrays, template)["progress"]


def _template(members: Sequence[Experiment]) -> Progress:
    """The shapes of a population's progress, -1 standing for however many evaluations."""
    experiment = members[0]
    program, numbers = split(experiment)
    key = jax.eval_shape(jax.random.key, 0)

    def first(key: jax.Array) -> Any:
        state = training.first_state(key, numbers, program=program)
        params, task = state.learner.params, experiment.task
        measured = measures.exact(params, task, measures.weights_of(task))
        if not experiment.is_exact:
            evaluation = experiment.evaluation
            measured |= measures.held_out(key, key, params, 1, task=task, evaluation=evaluation)
        return state, measured

    state, measured = jax.eval_shape(first, key)

    def leading(tree: Any, *axes: int) -> Any:
        return jax.tree.map(lambda x: jax.ShapeDtypeStruct((*axes, *x.shape), x.dtype), tree)

    curves = leading(measured, -1, len(members)) | {"step": leading(state.step, -1)}
    return Progress(leading(state, len(members)), curves, np.zeros(()))


def _tables(
    study: Study, parts: Sequence[Part], finished: Sequence[Progress]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What `population.npz` and `metrics.npz` hold."""
    tops = max(part.members[0].sizes[-1] for part in parts)

    def joined(name: str) -> np.ndarray:
        unknown = [np.full_like(each.curves["exact_nll_bits"], np.nan) for each in finished]
        several = zip(finished, unknown, strict=True)
        return np.concatenate([each.curves.get(name, none) for each, none in several], axis=1)

    curves = {"step": finished[0].curves["step"]}
    named = {name: leaf.ndim for each in finished for name, leaf in each.curves.items()}
    scalars = [name for name, axes in named.items() if axes == 2]
    curves |= {name: joined(name) for name in scalars}
    selectivity = np.concatenate(
        [
            np.pad(
                each.curves["selectivity_exact"],
                ((0, 0), (0, 0), (0, tops - each.curves["selectivity_exact"].shape[2])),
                constant_values=np.nan,
            )
            for each in finished
        ],
        axis=1,
    )
    # A unit that is not there is NaN; a machine of which nothing is known has nothing else.
    present = np.isfinite(selectivity).any(axis=2)
    strongest = np.where(present, np.nan_to_num(np.abs(selectivity)).max(axis=2), np.nan)
    curves["strongest_selectivity"] = strongest
    known = present[-1]
    good = np.concatenate(
        [
            np.asarray(training.is_finite_each(each.state.learner.params))
            & np.isfinite(each.curves[part.members[0].nll][-1])
            for part, each in zip(parts, finished, strict=True)
        ]
    )
    counts: dict[tuple[int, ...], int] = {}
    place = []
    for part in parts:
        sizes = part.members[0].sizes
        already = counts.get(sizes, 0)
        counts[sizes] = already + len(part.members)
        place.append(np.arange(already, counts[sizes]))
    rows = {
        "seed": np.array([each.seed for part in parts for each in part.members], np.uint32),
        "setting": np.concatenate([part.setting for part in parts]),
        "place": np.concatenate(place),
        "diverged": ~good,
        **{name: curves[name][-1] for name in scalars},
        "selectivity_exact": selectivity[-1],
        "strongest_selectivity": strongest[-1],
        "selectivity_known": known,
        "selective_units": np.where(
            known, (np.nan_to_num(np.abs(selectivity[-1])) >= BROKEN).sum(axis=1), -1
        ),
        "broken": strongest[-1] >= BROKEN,
        "broke_at_step": np.where(
            known,
            statistics.first_at_least(np.nan_to_num(strongest), curves["step"], BROKEN),
            np.nan,
        ),
    }
    return rows, curves


def _by_sizes(parts: Sequence[Part], finished: Sequence[Progress]) -> Any:
    """The machines, those of the same layer sizes under one leading axis."""
    machines: dict[str, list[Params]] = {}
    for part, progress in zip(parts, finished, strict=True):
        machines.setdefault(_name(part.members[0].sizes), []).append(progress.state.learner.params)
    joined = {
        name: jax.tree.map(lambda *leaves: np.concatenate(leaves), *several)
        for name, several in machines.items()
    }
    return joined if len(joined) > 1 else next(iter(joined.values()))


def _name(sizes: tuple[int, ...]) -> str:
    return "-".join(map(str, sizes))


def _spread(
    seeds: np.ndarray, values: np.ndarray, best: Callable[[np.ndarray], Any]
) -> dict[str, Any] | None:
    """Quantiles of values by seed, and which seeds are best, worst and in the middle."""
    spread = statistics.quantiles(values)
    if spread is None:
        return None
    worst = np.nanargmin if best is np.nanargmax else np.nanargmax
    middle = np.nanargmin(np.abs(values - spread["median"]))
    named = {"best": best(values), "worst": worst(values), "middle": middle}
    return spread | {
        name: {"seed": int(seeds[i]), "value": float(values[i])} for name, i in named.items()
    }
