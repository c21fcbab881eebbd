"""What a study came to: a row for each machine, and the statistics of each setting."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from hmjax import measures
from hmjax.machine import Params
from hmjax.measures.table import MEASURES, STRONGEST, STRONGEST_CONTRAST, measures_of
from hmjax.study import intervals, verdicts
from hmjax.study.about import about
from hmjax.study.differences import DIFFERENCES, SettingBySeed, differences
from hmjax.study.sweeps import Part, Study, settings_of
from hmjax.study.verdicts import BROKEN, CONTRAST, SELECTIVITY, VERDICTS
from hmjax.training.progress import Progress

_TOLD = [STRONGEST, STRONGEST_CONTRAST, *(each for each in MEASURES.values() if each.better)]
"""What is told of a setting's machines."""


def _final_of(parts: Sequence[Part]) -> list[str]:
    """The measures that are taken of the machines of a study at its end alone."""
    return [each.name for each in measures_of(parts[0].members[0].task) if each.is_annealed]


class TrainedPart(NamedTuple):
    """What is kept of a part once it is trained.

    Attributes:
      params: the machines, with a leading axis over the members.
      at: int `[s]`, which of the evaluations they are of.
      finite: bool `[s]`, whether all parameters of each are.
      curves: as in `hmjax.training.progress.Progress`, those that `population.npz` is made of.
      final: the annealed measures, `[s]`, where nothing exact is known.
      train_seconds: spent in training.
    """

    params: Params
    at: np.ndarray
    finite: np.ndarray
    curves: measures.Measures
    final: measures.Measures
    train_seconds: float


def finished(progress: Progress, final: measures.Measures) -> TrainedPart:
    """What is kept of a part's last progress, and of what was measured at its end."""
    params = progress.params
    leaves = jax.tree.leaves(params)
    return TrainedPart(
        params,
        progress.at,
        np.all([np.isfinite(leaf.reshape(len(leaf), -1)).all(axis=1) for leaf in leaves], axis=0),
        {
            name: curve
            for name, curve in progress.curves.items()
            if curve.ndim <= 2 or name in (each.measure for each in VERDICTS)
        },
        {name: value for name, value in final.items() if MEASURES[name].is_annealed},
        float(progress.train_seconds),
    )


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
    summaries: list[dict[str, Any]] = []
    by_seed: list[SettingBySeed] = []
    for index, setting in enumerate(settings):
        of_setting = rows["setting"] == index
        mine = {name: array[of_setting] for name, array in rows.items()}
        good = ~mine["diverged"]
        of_good = {name: array[good] for name, array in mine.items()}
        exact = setting.experiment.is_exact
        by = {each: verdicts.summarised(each, of_good, curves["step"]) for each in VERDICTS}
        measure = setting.experiment.final_nll
        nll = np.where(good, mine[measure], np.nan)
        known = {each: good & np.isfinite(mine[each.strongest]) for each in VERDICTS}
        broken = {
            name: np.where(known[each], mine[each.broken], np.nan)
            for name, each in zip(DIFFERENCES, VERDICTS, strict=True)
        }
        by_seed.append(SettingBySeed(setting.name, measure, nll, broken))
        units = np.bincount(
            mine["selective_units"][good & mine["selectivity_known"]],
            minlength=setting.experiment.sizes[-1] + 1,
        )
        summaries.append(
            {
                "name": setting.name,
                "values": setting.values,
                **about(setting.experiment),
                "seeds": len(good),
                "diverged_seeds": mine["seed"][~good].tolist(),
                **(by[SELECTIVITY] or verdicts.UNKNOWN),
                "by_contrast": by[CONTRAST],
                "above_null": verdicts.above_null(of_good, "_exact" if exact else ""),
                "selective_units": units.tolist() if by[SELECTIVITY] else None,
                "nll": setting.experiment.final_nll,
                **{
                    each.name: _spread(of_good["seed"], of_good[each.name], each.better)
                    if each.name in mine
                    else None
                    for each in _TOLD
                },
            }
        )
    return {
        "steps": study.experiment.steps,
        "first_seed": study.first_seed,
        "seeds": study.seeds,
        "broken_means": f"a top unit of exact |selectivity| {BROKEN} or more at the last step, as "
        "published; by_contrast, of exact |direction contrast|",
        "step": curves["step"].tolist(),
        "settings": summaries,
        "differences": differences(by_seed),
    }


def tables(
    study: Study, parts: Sequence[Part], finished: Sequence[TrainedPart]
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What `population.npz` and `metrics.npz` hold."""
    tops = max(part.members[0].sizes[-1] for part in parts)

    steps = max((each.curves["step"] for each in finished), key=len)

    def whole(curve: np.ndarray) -> np.ndarray:
        """A curve that goes on, where training stopped earlier than elsewhere, as NaN."""
        ends = [(0, len(steps) - len(curve)), *[(0, 0)] * (curve.ndim - 1)]
        return np.pad(curve, ends, constant_values=np.nan)

    def joined(name: str) -> np.ndarray:
        unknown = [np.full_like(each.curves["exact_nll_bits"], np.nan) for each in finished]
        several = zip(finished, unknown, strict=True)
        return np.concatenate(
            [whole(each.curves.get(name, none)) for each, none in several], axis=1
        )

    def final(name: str) -> np.ndarray:
        unknown = (np.full(len(part.members), np.nan, np.float32) for part in parts)
        several = zip(finished, unknown, strict=True)
        return np.concatenate([each.final.get(name, none) for each, none in several])

    curves = {"step": steps}
    named = {name: leaf.ndim for each in finished for name, leaf in each.curves.items()}
    scalars = [name for name, axes in named.items() if axes == 2]
    curves |= {name: joined(name) for name in scalars}

    def of_units(name: str) -> np.ndarray:
        """A measure of top units, `[evaluations, rows, tops]`; of those that are not there, NaN."""
        several = [whole(each.curves[name]) for each in finished]
        ends = [((0, 0), (0, 0), (0, tops - each.shape[2])) for each in several]
        padded = map(functools.partial(np.pad, constant_values=np.nan), several, ends)
        return np.concatenate(list(padded), axis=1)

    units = {verdict: of_units(verdict.measure) for verdict in VERDICTS}
    curves |= {each.strongest: verdicts.strongest(units[each]) for each in VERDICTS}
    at = np.concatenate([each.at for each in finished])

    def end(curve: np.ndarray) -> np.ndarray:
        """Of each machine, what was measured of it as it is kept."""
        return curve[at, np.arange(len(at))]

    nll = [each.curves[part.members[0].nll] for part, each in zip(parts, finished, strict=True)]
    finite = np.concatenate([each.finite for each in finished])
    good = finite & np.isfinite(end(np.concatenate(list(map(whole, nll)), axis=1)))
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
        "kept_at_step": curves["step"][at],
        **{name: end(curves[name]) for name in scalars},
        **{name: final(name) for name in _final_of(parts)},
    }
    for verdict in VERDICTS:
        rows |= verdicts.judged(verdict, units[verdict], curves[verdict.strongest], at, steps)
    known = np.isfinite(rows[SELECTIVITY.strongest])
    selective = (np.nan_to_num(np.abs(rows[SELECTIVITY.measure])) >= BROKEN).sum(axis=1)
    rows |= {"selectivity_known": known, "selective_units": np.where(known, selective, -1)}
    return rows, curves


def _spread(seeds: np.ndarray, values: np.ndarray, better: str | None) -> dict[str, Any] | None:
    """Quantiles of values by seed, and which seeds are best, worst and in the middle."""
    spread = intervals.quantiles(values)
    if spread is None:
        return None
    ends = np.nanargmin, np.nanargmax
    best, worst = ends if better == "lower" else ends[::-1]
    middle = np.nanargmin(np.abs(values - spread["median"]))
    named = {"best": best(values), "worst": worst(values), "middle": middle}
    return spread | {
        name: {"seed": int(seeds[i]), "value": float(values[i])} for name, i in named.items()
    }
