"""The tables that studies print, of the seeds of each setting."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analysis.table import tabled
from hmjax.measures.table import MEASURES, STRONGEST, STRONGEST_CONTRAST
from hmjax.study.sweeps import LABEL, Part, Study, bytes_a_member

_QUARTILES = {"a quarter": "p25", "half": "median", "three quarters": "p75"}

_IN_FULL = 3  # settings, that are shown one by one

_BEST = 12  # settings of a sweep that a screen holds

_SHOWN = (
    *("exact_held_out_nll_bits", "exact_nll_bits", "annealed_nll_bits", "is_nll_bits"),
    *("direction_recovery_exact", "direction_recovery"),
    *("balanced_accuracy_exact", "balanced_accuracy"),
)


def plan(study: Study, parts: Sequence[Part]) -> str:
    """What a study is about to train, and the memory it is estimated to take."""
    machines = sum(len(part.members) for part in parts)
    largest = max(parts, key=lambda part: len(part.members) * bytes_a_member(part.members[0]))
    at_once, each = len(largest.members), bytes_a_member(largest.members[0])
    shown = {
        option: " ".join(each if isinstance(each, str) else f"{each:g}" for each in values)
        for option, values in study.swept().items()
    }
    swept = "; ".join(f"{option} {values}" for option, values in shown.items())
    return (
        f"{machines} machines ({study.seeds} seeds{' at each of ' + swept if swept else ''}), "
        f"{study.experiment.steps:,} steps each; at most {at_once} at once, "
        f"an estimated {each / 1000:.0f} kB each, {at_once * each / 1e6:.0f} MB in all"
    )


def render(folder: Path, results: dict[str, Any]) -> str:
    """The tables of a study: each setting's distribution over seeds, and who to look at."""
    if "classification" in results:
        lines = _labels(results)
        seconds = results["train_seconds"]
        return "\n".join([*lines, f"trained in {seconds:.1f} s; all is in {folder}"])
    lines = []
    if len(results["settings"]) > _IN_FULL:
        lines += _ranked(folder, results["settings"])
    else:
        for index, setting in enumerate(results["settings"]):
            lines += _setting(folder, index, setting)
        lines += _differences(results["differences"])
    seconds, cost = results["train_seconds"], results["microseconds_per_seed_and_step"]
    lines.append(f"trained in {seconds:.1f} s, {cost:.3f} us a seed and step; all is in {folder}")
    return "\n".join(lines)


def _differences(differences: Sequence[dict[str, Any]]) -> list[str]:
    """How settings differ from the first."""
    lines = []
    for each in differences:
        for name, label in (
            ("broken_share", "share that broke the symmetry, as published"),
            ("broken_share_by_contrast", "the same by the direction contrast"),
            ("median_nll_bits", "median NLL (bits)"),
        ):
            if (found := each.get(name)) is not None:
                interval = f"95% {found['low']:+.3f} to {found['high']:+.3f}"
                of = f"{each['to']} against {each['from']}"
                lines.append(f"{of}: {label} {found['difference']:+.3f} ({interval})")
    return lines


def _ranked(folder: Path, settings: Sequence[dict[str, Any]]) -> list[str]:
    """The settings of a sweep, the best first, by the median NLL of their machines."""

    def median(setting: dict[str, Any], name: str) -> float | None:
        return None if setting.get(name) is None else setting[name]["median"]

    known = [each for each in settings if median(each, each["nll"]) is not None]
    known.sort(key=lambda each: median(each, each["nll"]) or 0.0)
    width = max(len(each["name"]) for each in settings)
    lines = [
        f"{'':<{width + 42}}broken, by",
        f"{'setting':<{width}}{'NLL (bits)':>12}{'quartiles':>20}{'recovery':>10}"
        f"{'selectivity':>13}{'contrast':>10}",
    ]
    for each in known[:_BEST]:
        spread = each[each["nll"]]
        recovery = median(each, "direction_recovery_exact") or median(each, "direction_recovery")
        contrast = (each.get("by_contrast") or {}).get("broken_share")
        quartiles = f"{spread['p25']:.3f} to {spread['p75']:.3f}"
        lines.append(
            f"{each['name']:<{width}}{spread['median']:>12.3f}{quartiles:>20}"
            f"{tabled(recovery):>10}{tabled(each['broken_share']):>13}{tabled(contrast):>10}"
        )
    left = len(settings) - min(_BEST, len(known))
    if left:
        lines.append(f"and {left} more, in {folder / 'results.json'}")
    if known:
        best = known[0]
        seed, index = best[best["nll"]]["best"]["seed"], settings.index(best)
        command = f"python run.py replay {shlex.quote(str(folder))} --seed {seed}"
        lines.append(f"the best: {command} --setting {index}")
    return lines


def _labels(results: dict[str, Any]) -> list[str]:
    """The machines of each label, and how well they classify."""
    lines = [f"{'label':<12}{'NLL of its own, median over seeds (bits)':>42}"]
    for setting in results["settings"]:
        spread = setting[setting["nll"]]
        median = None if spread is None else spread["median"]
        lines.append(f"{setting['values'][LABEL]:<12}{tabled(median):>42}")
    of = results["classification"]
    low, high = of["interval"]
    lines += [
        "",
        f"error on {of['images']} images held out: {of['error']:.3f}, median of "
        f"{len(of['errors'])} seeds, {min(of['errors']):.3f} to {max(of['errors']):.3f} "
        f"(95% {low:.3f} to {high:.3f} of the one in the middle)",
        f"of all seeds together: {of['error_of_all']:.3f}",
    ]
    if of["others"]:
        beside = ", ".join(f"{name} {error:.3f}" for name, error in of["others"].items())
        lines.append(f"beside it: {beside}")
    return lines


def _setting(folder: Path, index: int, setting: dict[str, Any]) -> list[str]:
    sizes = "-".join(map(str, setting["sizes"]))
    named = f"{setting['name']}: " if setting["name"] else ""
    lines = [f"{named}{sizes}, {setting['seeds']} seeds"]
    if setting["broken_share"] is not None:
        lines += _verdict(setting, "broke the symmetry, by |selectivity| as published")
        if setting.get("by_contrast"):
            lines += _verdict(setting | setting["by_contrast"], "the same by |direction contrast|")
        counts = ", ".join(f"{k}: {n}" for k, n in enumerate(setting["selective_units"]) if n)
        lines.append(f"  machines by how many top units are selective: {counts}")
    if (above := setting.get("above_null")) is not None:
        low, high = above["interval"]
        lines += [
            f"  balanced accuracy above {above['null']:.3f}, as 5% are with labels shuffled: "
            f"{above['above']} of {above['of']}, {above['share']:.3f} (95% {low:.3f} to {high:.3f})"
        ]
    if setting["diverged_seeds"]:
        lines.append(f"  diverged, and left out: seeds {_few(setting['diverged_seeds'])}")
    if setting[setting["nll"]] is None:
        return lines
    header = f"  {'measure':<38}{'median':>9}{'quartiles':>19}{'5% to 95%':>19}"
    lines.append(f"{header}  best (seed), worst (seed)")
    for each in (*(MEASURES[name] for name in _SHOWN), STRONGEST, STRONGEST_CONTRAST):
        if (spread := setting.get(each.name)) is None:
            continue
        quartiles = f"{spread['p25']:.3f} to {spread['p75']:.3f}"
        tails = f"{spread['p5']:.3f} to {spread['p95']:.3f}"
        ends = ", ".join(
            f"{spread[end]['value']:.3f} ({spread[end]['seed']})" for end in ("best", "worst")
        )
        lines.append(
            f"  {each.label:<38}{spread['median']:>9.3f}{quartiles:>19}{tails:>19}  {ends}"
        )
    if setting["never_broke"]:
        lines.append(
            f"  never broke the symmetry, as published: seeds {_few(setting['never_broke'])}"
        )
    extremes: dict[str, int] = {}
    spread = setting[setting["nll"]]
    extremes |= {
        f"{who} NLL": spread[end]["seed"]
        for end, who in (("best", "best"), ("middle", "median"), ("worst", "worst"))
    }
    if setting["never_broke"]:
        extremes["never broke"] = setting["never_broke"][0]
    of_setting = f" --setting {index}" if index else ""
    for who, seed in extremes.items():
        command = f"python run.py replay {shlex.quote(str(folder))} --seed {seed}{of_setting}"
        lines.append(f"  {who + ':':<13}{command}")
    return lines


def _verdict(told: dict[str, Any], label: str) -> list[str]:
    """How many machines broke the symmetry, by one measure, and when."""
    low, high = told["broken_interval"]
    of = told.get("broken_of") or told["seeds"] - len(told["diverged_seeds"])
    lines = [
        f"  {label}: {told['broken']} of {of}, "
        f"{told['broken_share']:.3f} (95% {low:.3f} to {high:.3f})"
    ]
    at = {share: told["broke_at_step"][name] for share, name in _QUARTILES.items()}
    reached = [f"{share} by {step:,.0f}" for share, step in at.items() if step is not None]
    return lines + ([f"    first at step: {', '.join(reached)}"] if reached else [])


def _few(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:8]))
    return shown if len(seeds) <= 8 else f"{shown} and {len(seeds) - 8} more"
