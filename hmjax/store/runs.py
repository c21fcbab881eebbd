"""The run folder: made, filled, interrupted, resumed and read.

config.json       the experiment; made with the folder, in one step
environment.json  versions, device, commit
checkpoint.npz    the run so far; replaced as it goes
metrics.npz       the measures at each evaluation, along `step`
snapshots.npz     the machine at each evaluation
params.npz        the machine at the end
results.json      the measures at the end; written last, so that a folder with it is finished
figures/          pictures, drawn by `analysis`
"""

import functools
import os
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from hmjax.errors import InvalidInput
from hmjax.experiment import Experiment
from hmjax.machine import Params
from hmjax.measures import Measures, evaluate
from hmjax.runtime.ambient import own_settings
from hmjax.runtime.cipher import key_of
from hmjax.settings import from_json
from hmjax.store import files, folders, locks
from hmjax.study.summary import about
from hmjax.tasks import shown_names
from hmjax.training import single
from hmjax.training.single import Progress

PROMISED = (
    "task",
    "classes",
    "sizes",
    "seed",
    "steps",
    "train_seconds",
    "total_seconds",
    "steps_per_second",
    "entropy_bits",
    "is_nll_bits",
    "exact_nll_bits",
    "kl_bits",
    "elbo_bits",
    "direction_recovery",
    "direction_recovery_exact",
    "direction_recovery_posterior",
    "direction_recovery_best_possible",
    "selectivity",
    "selectivity_exact",
    "p_right_given_top",
    "p_left_given_top",
    "shown_given_top",
    "shown_given_top_exact",
    "fantasies",
    "fantasies_exact",
)
"""What every `results.json` holds, besides its seal (see `hmjax.store.folders.seal`)."""

_SEALED = ("metrics.npz", "snapshots.npz", "params.npz")


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


def create(
    experiment: Experiment, folder: str | os.PathLike[str], *, overwrite: bool = False
) -> None:
    """Makes the folder of a new run, with its `config.json` and `environment.json`.

    Raises:
      InvalidInput: if the folder is there already (and not a run's, or `overwrite` is off), is
        being written by another process, or cannot be written.
    """
    folders.create(experiment, Path(folder), overwrite=overwrite)


def read_experiment(folder: str | os.PathLike[str]) -> Experiment:
    """The experiment of a run folder.

    Raises:
      InvalidInput: if there is none or it cannot be read.
    """
    return _experiment(Path(folder), folders.read_config(Path(folder)))


def _experiment(folder: Path, config: Mapping[str, Any]) -> Experiment:
    if config["kind"] == "Study":
        raise InvalidInput(
            f"{folder} is the folder of a population, and not of a run: "
            f"'replay {folder} --seed K' makes that of one of its machines"
        )
    return from_json(Experiment, folder / "config.json", config)


def carry_out(
    folder: str | os.PathLike[str],
    on_progress: Callable[[Experiment, Progress], None] = lambda *_: None,
    say: Callable[[str], None] = warnings.warn,
) -> dict[str, Any]:
    """Trains the run in a folder from wherever it stands to its end, and writes what it made.

    Args:
      folder: made by `create`, and perhaps carried on since; one that is finished is left as it is.
      on_progress: called with the experiment and the progress first and after each evaluation.
      say: called with a line where the bits may not be those of a run left alone.

    Returns:
      The content of `results.json`.

    Raises:
      InvalidInput: if another process is writing the folder, or `config.json`, `environment.json`
        or `checkpoint.npz` cannot be used.
      Diverged: if parameters stop being finite; the last good state is in `checkpoint.npz`.
      KeyboardInterrupt: on Ctrl-C; the run so far is in `checkpoint.npz`.
    """
    with locks.taken(Path(folder)):
        return _carry_out(Path(folder), on_progress, say)


def _carry_out(
    folder: Path,
    on_progress: Callable[[Experiment, Progress], None],
    say: Callable[[str], None],
) -> dict[str, Any]:
    began = time.perf_counter()
    config = folders.read_config(folder)
    experiment = _experiment(folder, config)
    files.sweep(folder)
    if folders.is_finished(folder):
        results = _results(folder)
        folders.check_seal(folder, config, results, _SEALED)
        return results
    path = folder / "checkpoint.npz"
    progress, earlier_seconds = None, 0.0
    if path.exists():
        progress, earlier_seconds = _read_checkpoint(path, config, experiment)
        folders.compare_environment(folder, config, say)

    def seconds() -> float:
        return earlier_seconds + time.perf_counter() - began

    if progress is None:
        progress = single.start(experiment)
    progress = folders.carry_on(
        progress,
        single.advance(experiment, progress),
        functools.partial(on_progress, experiment),
        lambda latest: write_checkpoint(path, config, latest, seconds()),
    )

    for name, tree in zip(
        _SEALED, (progress.curves, progress.snapshots, progress.params), strict=True
    ):
        files.write_arrays(folder / name, tree)
    results = summarise(experiment, progress)
    results["total_seconds"] = seconds()
    results |= folders.seal(folder, config, _SEALED)
    files.write_json(folder / "results.json", results)
    return results


def read(folder: str | os.PathLike[str]) -> Run:
    """Reads a finished run.

    Raises:
      InvalidInput: if a file is missing, truncated or does not belong to the experiment.
    """
    folder = Path(folder)
    config = folders.read_config(folder)
    experiment = _experiment(folder, config)
    results = _results(folder)
    path = folder / "metrics.npz"
    curves = files.restore(path, files.read_arrays(path), _curves_template(experiment))
    evaluations = len(curves["step"])
    path = folder / "snapshots.npz"
    template = files.params_template(experiment.sizes, evaluations)
    snapshots = files.restore(path, files.read_arrays(path), template)
    path = folder / "params.npz"
    params = files.load_params(path)
    files.restore(path, files.read_arrays(path), files.params_template(experiment.sizes))
    folders.check_seal(folder, config, results, _SEALED)
    return Run(folder, experiment, params, curves, snapshots, results)


def summarise(experiment: Experiment, progress: Progress) -> dict[str, Any]:
    """The measures of the machine as it stands, as JSON values; one without meaning is `None`.

    `train_seconds` leaves out compiling and measuring; `total_seconds`, which `carry_out` fills in,
    holds all but the pictures.
    """
    measures = single.measure(experiment, progress.state, final=True)
    step = int(measures.pop("step"))
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
        **plain,
        "p_right_given_top": right,
        "p_left_given_top": left,
    }


def _results(folder: Path) -> dict[str, Any]:
    path = folder / "results.json"
    results = files.read_json(path)
    lacking = set(PROMISED) - (results.keys() if isinstance(results, dict) else set())
    if lacking:
        raise InvalidInput(f"{path} lacks {', '.join(sorted(lacking))}")
    return results


def _checkpoint(
    config: Mapping[str, Any], progress: Progress, total_seconds: float
) -> dict[str, Any]:
    return {
        "experiment": np.asarray(str(config)),
        "progress": progress,
        "total_seconds": np.float64(total_seconds),
    }


def write_checkpoint(
    path: Path, config: Mapping[str, Any], progress: Progress, total_seconds: float
) -> None:
    """Writes what `carry_out` goes on from.

    Args:
      path: `checkpoint.npz`.
      config: the content of the `config.json` beside it.
      progress: the run so far.
      total_seconds: what it has taken.
    """
    files.write_arrays(path, _checkpoint(config, progress, total_seconds))


@own_settings()
def _read_checkpoint(
    path: Path, config: Mapping[str, Any], experiment: Experiment
) -> tuple[Progress, float]:
    arrays = folders.as_of_now(files.read_arrays(path))
    state = jax.eval_shape(functools.partial(single.init_state, experiment))
    like = Progress(
        state,
        _curves_template(experiment),
        files.params_template(experiment.sizes, -1),
        np.zeros(()),
    )
    template = _checkpoint(config, like, 0.0)
    if "experiment" in arrays and arrays["experiment"].tolist() != str(template["experiment"]):
        raise InvalidInput(f"{path} belongs to another experiment than its config.json")
    checkpoint = files.restore(path, arrays, template)
    progress = checkpoint["progress"]
    if len({len(leaf) for leaf in jax.tree.leaves((progress.curves, progress.snapshots))}) != 1:
        raise InvalidInput(f"{path}: its curves and snapshots differ in length")
    progress = progress._replace(state=jax.tree.map(jax.numpy.asarray, progress.state))
    return progress, float(checkpoint["total_seconds"])


@own_settings()
def _curves_template(experiment: Experiment) -> Measures:
    """The shapes of `Progress.curves`, -1 standing for however many evaluations."""
    state = jax.eval_shape(functools.partial(single.init_state, experiment))
    key = jax.eval_shape(key_of, 0)
    take = functools.partial(evaluate, task=experiment.task, evaluation=experiment.evaluation)
    curves = {"step": state.step} | jax.eval_shape(take, key, key, state.learner.params, 1)
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((-1, *leaf.shape), leaf.dtype), curves)
