"""Curves of the measures against training steps."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from analysis import style
from analysis.material import Material
from analysis.names import number
from hmjax.measures.table import ends_of, has_equal_classes
from hmjax.store.runs import Run

TICKED = 30  # times the floor, up to which an axis of NLL has ticks at round numbers


def training_curves(run: Run, _: Material) -> Figure:
    """NLL and balanced accuracy against steps, with their floor, chance and best possible."""
    results = run.results
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

    recovery_curves(recovery, run)
    lines = recovery.get_legend_handles_labels()
    figure.legend(
        *lines, loc="outside lower right", ncols=4 if len(lines[0]) <= 4 else 3, fontsize=10
    )
    return figure


def recovery_curves(axes: Axes, run: Run) -> None:
    """The balanced accuracy against steps, with chance, the best possible and what noise gives.

    Beside it stands the published recovery where classes have unequal shares, and so others of
    both. It stands alone in folders from before there were balanced measures.
    """
    task, steps = run.experiment.task, run.curves["step"]
    shown = {
        "_posterior": ("generative posterior, exact", style.GREEN, "-"),
        "_exact": ("recognition net, exact", style.VERMILLION, "-"),
        "": ("recognition net, sampled", style.VERMILLION, ":"),
    }
    is_balanced = bool(np.isfinite(run.curves["balanced_accuracy"]).any())
    measure = "balanced_accuracy" if is_balanced else "direction_recovery"
    drawn = {f"{measure}{end}": how for end, how in shown.items()}
    if is_balanced:
        null = "balanced_accuracy_null" + "_exact" * run.experiment.is_exact
        drawn[null] = ("labels shuffled, 95th percentile", style.GREY, "--")
        if not has_equal_classes(task):
            published = "direction_recovery" + "_exact" * run.experiment.is_exact
            drawn[published] = ("recognition net, as published", style.BLUE, "-.")
    drawn = {name: how for name, how in drawn.items() if np.isfinite(run.curves[name]).any()}
    for name, (label, colour, line) in drawn.items():
        axes.plot(steps, run.curves[name], line, color=colour, label=label)
    chance, best = ends_of(measure, task)
    for y, label in ((chance, "chance"), (best, "best\npossible")):
        if np.isnan(y):
            continue
        axes.axhline(y, color=style.GREY, linestyle=":")
        axes.annotate(
            f"{label}\n{y:.3f}",
            (1.02, y),
            xycoords=("axes fraction", "data"),
            va="center",
            fontsize=10,
            color="#555555",
        )
    ends = (run.results[f"{measure}{end}"] for end in ("_exact", ""))
    reached = next((end for end in ends if end is not None), None)
    of_best = "" if reached is None else f": {reached:.3f}"
    of_best += "" if reached is None or np.isnan(best) else f" of {best:.3f}"
    what = "balanced accuracy" if is_balanced else "recovery"
    axes.set_title(f"{task.class_kind.capitalize()} by the top units, {what}{of_best}")
    axes.set_ylabel("share named correctly" + ", classes alike" * is_balanced)
    lowest = min([chance, *(np.nanmin(run.curves[name]) for name in drawn)])
    axes.set_ylim(max(0, lowest - 0.05), 1.03)
    style.steps_axis(axes, steps)


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
