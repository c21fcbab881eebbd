"""The table that a finished run prints."""

from typing import Any

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


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3f}"
