"""The tables that finished runs and studies print."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hmjax import Experiment
from hmjax.measures.table import MEASURES, STRONGEST
from hmjax.measures.units import NATS_PER_BIT
from hmjax.study.sweeps import LABEL, Part, Study, bytes_a_member

PUBLISHED: dict[str, dict[str, str]] = {
    "shifter": {"is_nll_bits": "9.36", "direction_recovery": "0.633", "train_seconds": "209"},
    "bars": {"kl_bits": "0.451 (the 1995 paper: 0.10)", "train_seconds": "222"},
}
"""What was published of the experiments' own settings (see README), as printed."""

_BASELINES = {
    "mixture_bits": "beside it: a mixture of products (bits)",
    "independent_pixels_bits": "independent pixels (bits)",
    "gzip_bits": "gzip (bits)",
}
"""What is shown of `hmjax.measures.baselines`."""

_SHOWN = (
    *("exact_held_out_nll_bits", "exact_nll_bits", "annealed_nll_bits", "is_nll_bits"),
    *("direction_recovery_exact", "direction_recovery"),
)


def render(experiment: Experiment, results: dict[str, Any]) -> str:
    """The table: measure, this run, the published figure, the floor or the best possible."""
    kind = experiment.task.class_kind
    entropy = _number(results["entropy_bits"])
    best = f"{results['direction_recovery_best_possible']:.3f}"
    published = PUBLISHED.get(experiment.name, {})
    bounds = {"is_nll_bits": entropy, "exact_nll_bits": entropy, "kl_bits": "0"}
    bounds["annealed_nll_bits"] = entropy
    bounds["elbo_bits"] = f"-{entropy}"
    if experiment.task.has_held_out:  # of which what is trained on says nothing
        of_unseen = (name for name, each in MEASURES.items() if not each.is_always_there)
        bounds |= dict.fromkeys(["is_nll_bits", "annealed_nll_bits", *of_unseen], "")
    rows = [
        (each.label.replace("recovery", f"{kind} recovery"), each.name, bounds.get(each.name, best))
        for each in MEASURES.values()
        if each.better and results.get(each.name) is not None
    ]
    results = results | {"nll_nats": _nats(results[experiment.final_nll])}
    if "baselines" in results:
        label = MEASURES[experiment.final_nll].label.replace("bits", "nats")
        rows += [(label, "nll_nats", "")]
        rows += [(label, name, "") for name, label in _BASELINES.items()]
        results |= results["baselines"]
    rows += [
        ("training (seconds)", "train_seconds", ""),
        ("steps a second", "steps_per_second", ""),
    ]
    lines = [("measure", "this run", "published", "floor / best")]
    for label, name, bound in rows:
        lines.append((label, _number(results[name]), published.get(name, ""), bound))
    if "kept_at_step" in results:
        lines.append(("stopped at step", f"{results['steps']:,}", "", ""))
        lines.append(("and kept is the machine of step", f"{results['kept_at_step']:,}", "", ""))
    if not experiment.task.can_show:
        return _aligned(lines, len(rows))
    for k, name in enumerate(results["classes"]):
        given = [row[k] for row in results["shown_given_top_exact"]]
        label = f"P({name} | top unit 1..{len(given) - 1}, none)"
        lines.append((label, " ".join(map(_number, given)), "", ""))
    shown = ", ".join(f"{name} {_number(p)}" for name, p in results["fantasies"].items())
    lines.append(("fantasies", shown, "", ""))
    return _aligned(lines, len(rows))


def _nats(bits: float | None) -> float | None:
    return None if bits is None else bits * NATS_PER_BIT


def _aligned(lines: list[tuple[str, str, str, str]], narrow: int) -> str:
    """Lines as a table, whose columns are as wide as in the first of them."""
    widths = [max(len(line[i]) for line in lines[: narrow + 1]) for i in range(4)]
    widths[0] = max(len(line[0]) for line in lines)
    rule = "  ".join("-" * width for width in widths)
    text = ["  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in [text[0], rule, *text[1:]])


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


def render_study(folder: Path, results: dict[str, Any]) -> str:
    """The tables of a study: each setting's distribution over seeds, and who to look at."""
    if "classification" in results:
        lines = _labels(results)
        seconds = results["train_seconds"]
        return "\n".join([*lines, f"trained in {seconds:.1f} s; all is in {folder}"])
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


def _labels(results: dict[str, Any]) -> list[str]:
    """The machines of each label, and how well they classify."""
    lines = [f"{'label':<12}{'NLL of its own, median over seeds (bits)':>42}"]
    for setting in results["settings"]:
        spread = setting[setting["nll"]]
        median = None if spread is None else spread["median"]
        lines.append(f"{setting['values'][LABEL]:<12}{_number(median):>42}")
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
