"""The table that a finished run prints."""

from typing import Any

import numpy as np

from hmjax import Experiment

PUBLISHED: dict[str, dict[str, str]] = {
    "shifter": {"is_nll_bits": "9.36", "direction_recovery": "0.633", "train_seconds": "209"},
    "bars": {"kl_bits": "0.451 (the 1995 paper: 0.10)", "train_seconds": "222"},
}
"""What was published of the experiments' own settings (see README), as printed."""


def render(experiment: Experiment, results: dict[str, Any]) -> str:
    """The table: measure, this run, the published figure, the floor or the best possible."""
    kind = experiment.task.class_kind
    entropy = f"{results['entropy_bits']:.3f}"
    best = f"{results['direction_recovery_best_possible']:.3f}"
    published = PUBLISHED.get(experiment.name, {})
    rows = [
        ("NLL, importance-sampled (bits)", "is_nll_bits", entropy),
        ("NLL, exact (bits)", "exact_nll_bits", entropy),
        ("KL to the data, exact (bits)", "kl_bits", "0"),
        ("ELBO, exact (bits)", "elbo_bits", f"-{entropy}"),
        (f"{kind} recovery, sampled", "direction_recovery", best),
        (f"{kind} recovery, exact", "direction_recovery_exact", best),
        (f"{kind} recovery, posterior", "direction_recovery_posterior", best),
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


def render_population(results: dict[str, Any]) -> str:
    """The table of a population: how each measure is distributed over its seeds."""
    seeds = np.array(results["seeds"])
    lines = [f"{'measure':<32}{'median':>9}{'quartiles':>20}{'least':>9}{'most':>9}  at seeds"]
    for label, name in (
        ("NLL, exact (bits)", "exact_nll_bits"),
        ("ELBO, exact (bits)", "elbo_bits"),
        ("recovery, exact", "direction_recovery_exact"),
        ("strongest |selectivity|, exact", "selectivity_exact"),
    ):
        values = np.array(results[name], float)
        values = np.abs(values).max(axis=1) if values.ndim == 2 else values
        finite = np.flatnonzero(np.isfinite(values))
        if not len(finite):
            continue
        low, middle, high = np.quantile(values[finite], (0.25, 0.5, 0.75))
        least, most = (finite[pick(values[finite])] for pick in (np.argmin, np.argmax))
        quartiles = f"{low:.3f} to {high:.3f}"
        lines.append(
            f"{label:<32}{middle:>9.3f}{quartiles:>20}{values[least]:>9.3f}{values[most]:>9.3f}"
            f"  {seeds[least]}, {seeds[most]}"
        )
    diverged = seeds[[nll is None for nll in results["exact_nll_bits"]]]
    seconds, cost = results["train_seconds"], results["microseconds_per_seed_and_step"]
    lines.append(f"trained {len(seeds)} seeds in {seconds:.1f} s, {cost:.3f} us a seed and step")
    if len(diverged):
        lines.append(f"without an exact NLL, and left out: seeds {', '.join(map(str, diverged))}")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
