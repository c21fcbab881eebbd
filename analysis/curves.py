"""Curves of the measures against training steps."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from analysis import style
from analysis.material import Material
from analysis.names import number
from hmjax.store.runs import Run

TICKED = 30  # times the floor, up to which an axis of NLL has ticks at round numbers


def training_curves(run: Run, _: Material) -> Figure:
    """NLL and direction recovery against steps, with their floor, chance and best possible."""
    results, steps = run.results, run.curves["step"]
    kind = run.experiment.task.class_kind
    if len(results["classes"]) == 1:
        figure = Figure(figsize=(7, 4.4), layout="constrained")
        axes = figure.subplots()
        nll_curve(axes, run)
        last = run.curves[run.experiment.nll][run.at]
        axes.set_title(f"Likelihood: NLL to {number(last)} bits")
        axes.legend(loc="best")
        return figure
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    nll, recovery = figure.subplots(1, 2)

    nll_curve(nll, run)
    first, last = (run.curves[run.experiment.nll][i] for i in (0, run.at))
    floor = "" if results["entropy_bits"] is None else f", floor {results['entropy_bits']:.2f}"
    if run.experiment.task.has_held_out:
        floor = ", of images held out"
    nll.set_title(f"Likelihood: NLL from {number(first, 1)} to {number(last)} bits{floor}")
    nll.legend(loc="best")

    best, chance = results["direction_recovery_best_possible"], 1 / len(results["classes"])
    for y, label in ((chance, "chance"), (best, "best possible")):
        recovery.axhline(y, color=style.GREY, linestyle=":")
        recovery.text(steps[-1], y + 0.008, f"{label} {y:.3f}", ha="right", color="#555555")
    for name, label, colour, line in (
        ("direction_recovery_posterior", "generative posterior, exact", style.GREEN, "-"),
        ("direction_recovery_exact", "recognition net, exact", style.VERMILLION, "-"),
        ("direction_recovery", "recognition net, sampled", style.VERMILLION, ":"),
    ):
        if np.isfinite(run.curves[name]).any():
            recovery.plot(steps, run.curves[name], line, color=colour, label=label)
    reached = results["direction_recovery_exact"]
    if reached is None:
        reached = results["direction_recovery"]
    of_best = "" if reached is None else f": {reached:.3f} of {best:.3f}"
    recovery.set_title(f"{kind.capitalize()} recovery by the top units{of_best}")
    recovery.set_ylabel("share of images named correctly")
    recovery.set_ylim(max(0, chance - 0.05), max(1.03, best + 0.06))
    lines = recovery.get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower right", ncols=len(lines[0]))
    style.steps_axis(recovery, steps)
    return figure


def nll_curve(axes: Axes, run: Run) -> dict[str, Line2D]:
    """NLL in bits against steps, on a logarithmic scale, with the entropy of the data as floor.

    Where images are held out there is no floor, and the NLL of what is trained on beside theirs.

    Returns:
      The lines, by the measure that they draw.
    """
    steps, entropy = run.curves["step"], run.results["entropy_bits"]
    shown = {
        "is_nll_bits": ("importance-sampled", style.ORANGE, "--"),
        "exact_nll_bits": ("exact", style.BLUE, "-"),
    }
    if unseen := run.experiment.task.has_held_out:
        shown = {
            "is_nll_bits": ("held out, importance-sampled", style.VERMILLION, "--"),
            "is_training_nll_bits": ("trained on, importance-sampled", style.BLUE, "--"),
            "exact_held_out_nll_bits": ("held out, exact", style.VERMILLION, "-"),
            "exact_nll_bits": ("trained on, exact", style.BLUE, "-"),
        }
    shown = {name: how for name, how in shown.items() if np.isfinite(run.curves[name]).any()}
    lines = {
        name: axes.plot(steps, run.curves[name], line, color=colour, label=label)[0]
        for name, (label, colour, line) in shown.items()
    }
    for name, drawn in lines.items():
        if np.isfinite(run.curves[name]).sum() == 1:  # it diverged at once, and a line has two ends
            drawn.set_marker("o")
    if "kept_at_step" in run.results:
        axes.axvline(run.results["kept_at_step"], color=style.GREY, lw=1, label="kept")
    curves = np.stack([run.curves[name] for name in shown])
    floor = np.nanmin(curves) if unseen or entropy is None else entropy
    highest = max(np.max(curves, where=np.isfinite(curves), initial=0), floor * 1.5)
    room = (highest / floor) ** 0.08  # below the floor, for its name
    lowest = floor / max(1.1, room)
    axes.set_yscale("log")
    axes.set_ylim(lowest, highest * 1.1)
    if floor == entropy:
        axes.axhline(entropy, color=style.GREY, linestyle=":")
        axes.annotate(
            f"entropy of the data {entropy:.2f}", (steps[-1], entropy), (0, -2),
            textcoords="offset points", ha="right", va="top", color="#555555",
        )  # fmt: skip
    if highest / floor > TICKED:  # some machines diverge
        axes.yaxis.set_major_locator(LogLocator(numticks=8))
    else:
        ticks = (2, 3, 4, 5, 6, 8, 10, 15, 20, 25, 30, 40, 50, 70, 100, 150, 200, 300, 500, 1000)
        axes.yaxis.set_major_locator(FixedLocator([t for t in ticks if lowest < t < highest]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(_bits_tick))
    axes.set_ylabel("NLL (bits an image, log scale)")
    style.steps_axis(axes, steps)
    return lines


def _bits_tick(bits: float, _: object) -> str:
    return f"{bits:g}" if bits < 1e4 else f"$10^{{{np.log10(bits):.0f}}}$"
