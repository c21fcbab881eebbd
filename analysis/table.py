"""The table that a finished run prints."""

import math
from dataclasses import replace
from typing import Any

import configs
from hmjax import Experiment
from hmjax.measures.table import MEASURES, Measure, ends_of, has_equal_classes
from hmjax.measures.units import NATS_PER_BIT
from hmjax.tasks import Task

PUBLISHED: dict[str, dict[str, str]] = {
    "shifter": {"is_nll_bits": "9.36", "direction_recovery": "0.633", "train_seconds": "209"},
    "bars": {"kl_bits": "0.451 (the 1995 paper: 0.10)", "train_seconds": "222"},
}
"""What the NumPy program of hinton-problems came to, by the experiments' own settings."""

_SOURCE = "hinton-problems"

_BASELINES = {
    "mixture_bits": "beside it: a mixture of products (bits)",
    "independent_pixels_bits": "independent pixels (bits)",
    "gzip_bits": "gzip (bits)",
}
"""What is shown of `hmjax.measures.baselines`."""

_VERDICTS = {
    "strongest selectivity, exact (as published)": "selectivity_exact",
    "strongest direction contrast, exact": "direction_contrast_exact",
}
"""Measures of top units, of which the strongest is shown."""


def render(experiment: Experiment, results: dict[str, Any]) -> str:
    """The table: measure, this run, the published figure, the floor or the best possible."""
    task, kind = experiment.task, experiment.task.class_kind
    entropy = tabled(results["entropy_bits"])
    published = _published(experiment)
    bounds = {"is_nll_bits": entropy, "exact_nll_bits": entropy, "kl_bits": "0"}
    bounds["annealed_nll_bits"] = entropy
    bounds["elbo_bits"] = f"-{entropy}"
    if task.has_held_out:  # of which what is trained on says nothing
        of_unseen = (name for name, each in MEASURES.items() if not each.is_always_there)
        bounds |= dict.fromkeys(["is_nll_bits", "annealed_nll_bits", *of_unseen], "")
    rows = [
        (each.label.replace("recovery", f"{kind} recovery"), each.name, bounds.get(each.name, ""))
        for each in MEASURES.values()
        if _is_shown(each, task) and results.get(each.name) is not None
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
    lines = [("measure", "this run", _SOURCE if published else "", "chance", "floor / best")]
    for label, name, bound in rows:
        chance, best = ("" if math.isnan(end) else tabled(end) for end in ends_of(name, task))
        lines.append((label, tabled(results[name]), published.get(name, ""), chance, bound or best))
    if "kept_at_step" in results:
        lines.append(("stopped at step", f"{results['steps']:,}", "", "", ""))
        lines.append(
            ("and kept is the machine of step", f"{results['kept_at_step']:,}", "", "", "")
        )
    if not experiment.task.can_show:
        return _aligned(lines, len(rows))
    for k, name in enumerate(results["classes"]):
        given = [row[k] for row in results["shown_given_top_exact"]]
        label = f"P({name} | top unit 1..{len(given) - 1}, none)"
        lines.append((label, " ".join(map(tabled, given)), "", "", ""))
    shown = ", ".join(f"{name} {tabled(p)}" for name, p in results["fantasies"].items())
    for label, name in _VERDICTS.items():
        units = results.get(name)
        if units and None not in units:
            lines.append((label, tabled(max(units, key=abs)), "", "", ""))
    lines.append(("fantasies", shown, "", "", ""))
    return _aligned(lines, len(rows))


def _is_shown(measure: Measure, task: Task) -> bool:
    """Whether the table has a row for a measure: it is not that of another, of classes alike."""
    if not measure.name.startswith("balanced_accuracy"):
        return measure.better is not None
    return "null" in measure.name or not has_equal_classes(task)


def _published(experiment: Experiment) -> dict[str, str]:
    """What was published, where the settings are its own."""
    if experiment.name not in PUBLISHED:
        return {}
    own = replace(configs.load(experiment.name), seed=experiment.seed)
    same = replace(experiment, evaluation=own.evaluation) == own
    return PUBLISHED[experiment.name] if same else {}


def _nats(bits: float | None) -> float | None:
    return None if bits is None else bits * NATS_PER_BIT


def _aligned(lines: list[tuple[str, str, str, str, str]], narrow: int) -> str:
    """Lines as a table, whose columns are as wide as in the first of them."""
    widths = [max(len(line[i]) for line in lines[: narrow + 1]) for i in range(5)]
    widths[0] = max(len(line[0]) for line in lines)
    rule = "  ".join("-" * width for width in widths)
    text = ["  ".join(f"{c:<{w}}" for c, w in zip(line, widths, strict=True)) for line in lines]
    return "\n".join(line.rstrip() for line in [text[0], rule, *text[1:]])


def tabled(value: float | None) -> str:
    """A number as tables show it; a dash if there is none."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
