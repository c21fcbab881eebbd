"""The tables that finished runs and studies print."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hmjax import Experiment
from hmjax.measures.table import MEASURES, STRONGEST
from hmjax.study.sweeps import Part, Study, bytes_a_member

PUBLISHED: dict[str, dict[str, str]] = {
    "shifter": {"is_nll_bits": "9.36", "direction_recovery": "0.633", "train_seconds": "209"},
    "bars": {"kl_bits": "0.451 (the 1995 paper: 0.10)", "train_seconds": "222"},
}
"""What was published of the experiments' own settings (see README), as printed."""

_SHOWN = (
    *("exact_nll_bits", "annealed_nll_bits", "is_nll_bits"),
    *("direction_recovery_exact", "direction_recovery"),
)


def render(experiment: Experiment, results: dict[str, Any]) -> str:
    """The table: measure, this run, the published figure, the floor or the best possible."""
    kind = experiment.task.class_kind
    entropy = f"{results['entropy_bits']:.3f}"
    best = f"{results['direction_recovery_best_possible']:.3f}"
    published = PUBLISHED.get(experiment.name, {})
    bounds = {"is_nll_bits": entropy, "exact_nll_bits": entropy, "kl_bits": "0"}
    bounds["annealed_nll_bits"] = entropy
    bounds["elbo_bits"] = f"-{entropy}"
    rows = [
        (each.label.replace("recovery", f"{kind} recovery"), each.name, bounds.get(each.name, best))
        for each in MEASURES.values()
        if each.better and not (each.is_final and results[each.name] is None)
    ]
    rows += [
        ("training (seconds)", "train_seconds", ""),
        ("steps a second", "steps_per_second", ""),
    ]
    lines = [("measure", "this run", "published", "floor / best")]
    for label, name, bound in rows:
        lines.append((label, _number(results[name]), published.get(name, ""), bound))
    for k, name in enumerate(results["classes"]):
        given = [row[k] for row in results["shown_given_top_exact"]]
        label = f"P({name} | top unit 1..{len(given) - 1}, none)"
        lines.append((label, " ".join(map(_number, given)), "", ""))
    shown = ", ".join(f"{name} {_number(p)}" for name, p in results["fantasies"].items())
    lines.append(("fantasies", shown, "", ""))
    widths = [max(len(line[i]) for line in lines[: len(rows) + 1]) for i in range(4)]
    widths[0] = max(len(line[0]) for line in lines)
    rule = "  ".join("-" * width for width in widths)
    text = ["  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in [text[0], rule, *text[1:]])


def plan(study: Study, parts: Sequence[Part]) -> str:
    """What a study is about to train, and the memory it is estimated to take."""
    machines = sum(len(part.members) for part in parts)
    largest = max(parts, key=lambda part: len(part.members) * bytes_a_member(part.members[0]))
    at_once, each = len(largest.members), bytes_a_member(largest.members[0])
    swept = "; ".join(
        f"{option} {' '.join(f'{value:g}' for value in values)}"
        for option, values in study.swept().items()
    )
    return (
        f"{machines} machines ({study.seeds} seeds{' at each of ' + swept if swept else ''}), "
        f"{study.experiment.steps:,} steps each; at most {at_once} at once, "
        f"an estimated {each / 1000:.0f} kB each, {at_once * each / 1e6:.0f} MB in all"
    )


def render_study(folder: Path, results: dict[str, Any]) -> str:
    """The tables of a study: each setting's distribution over seeds, and who to look at."""
    lines = []
    for index, setting in enumerate(results["settings"]):
        lines += _setting(folder, index, setting)
    for each in results["differences"]:
        for name, label in (
            ("broken_share", "share that broke the symmetry"),
            ("median_nll_bits", "median NLL (bits)"),
        ):
            if (found := each[name]) is not None:
                interval = f"95% {found['low']:+.3f} to {found['high']:+.3f}"
                of = f"{each['to']} against {each['from']}"
                lines.append(f"{of}: {label} {found['difference']:+.3f} ({interval})")
    seconds, cost = results["train_seconds"], results["microseconds_per_seed_and_step"]
    lines.append(f"trained in {seconds:.1f} s, {cost:.3f} us a seed and step; all is in {folder}")
    return "\n".join(lines)


def _setting(folder: Path, index: int, setting: dict[str, Any]) -> list[str]:
    sizes = "-".join(map(str, setting["sizes"]))
    named = f"{setting['name']}: " if setting["name"] else ""
    lines = [f"{named}{sizes}, {setting['seeds']} seeds"]
    if setting["broken_share"] is not None:
        low, high = setting["broken_interval"]
        finite = setting["seeds"] - len(setting["diverged_seeds"])
        lines.append(
            f"  broke the symmetry: {setting['broken']} of {finite}, "
            f"{setting['broken_share']:.3f} (95% {low:.3f} to {high:.3f})"
        )
        at = setting["broke_at_step"]
        reached = {name: "never" if at[name] is None else f"{at[name]:,.0f}" for name in at}
        lines.append(
            f"  first broken at step: median {reached['median']}, "
            f"quartiles {reached['p25']} and {reached['p75']}"
        )
        counts = ", ".join(f"{k}: {n}" for k, n in enumerate(setting["selective_units"]) if n)
        lines.append(f"  machines by how many top units are selective: {counts}")
    if setting["diverged_seeds"]:
        lines.append(f"  diverged, and left out: seeds {_few(setting['diverged_seeds'])}")
    if setting[setting["nll"]] is None:
        return lines
    header = f"  {'measure':<32}{'median':>9}{'quartiles':>19}{'5% to 95%':>19}"
    lines.append(f"{header}  best (seed), worst (seed)")
    for each in (*(MEASURES[name] for name in _SHOWN), STRONGEST):
        if (spread := setting.get(each.name)) is None:
            continue
        quartiles = f"{spread['p25']:.3f} to {spread['p75']:.3f}"
        tails = f"{spread['p5']:.3f} to {spread['p95']:.3f}"
        ends = ", ".join(
            f"{spread[end]['value']:.3f} ({spread[end]['seed']})" for end in ("best", "worst")
        )
        lines.append(
            f"  {each.label:<32}{spread['median']:>9.3f}{quartiles:>19}{tails:>19}  {ends}"
        )
    if setting["never_broke"]:
        lines.append(f"  never broke the symmetry: seeds {_few(setting['never_broke'])}")
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


def _few(seeds: list[int]) -> str:
    shown = ", ".join(map(str, seeds[:8]))
    return shown if len(seeds) <= 8 else f"{shown} and {len(seeds) - 8} more"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
