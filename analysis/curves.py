"""Curves of the measures against training steps."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from analysis import style
from analysis.material import Material
from hmjax.store.runs import Run


def training_curves(run: Run, _: Material) -> Figure:
    """NLL and direction recovery against steps, with their floor, chance and best possible."""
    results, steps = run.results, run.curves["step"]
    kind = run.experiment.task.class_kind
    figure = Figure(figsize=(11, 4.4), layout="constrained")
    nll, recovery = figure.subplots(1, 2)

    nll_curve(nll, run)
    first, last = (run.curves[run.experiment.nll][i] for i in (0, -1))
    nll.set_title(
        f"Likelihood: NLL from {first:.1f} to {last:.2f} bits, floor {results['entropy_bits']:.2f}"
    )
    nll.legend(loc="upper right")

    best = results["direction_recovery_best_possible"]
    for y, label in ((0.5, "chance"), (best, "best possible")):
        recovery.axhline(y, color=style.GREY, linestyle=":")
        recovery.text(steps[-1], y + 0.008, f"{label} {y:.3f}", ha="right", color="#555555")
    for name, label, colour, line in (
        ("direction_recovery_posterior", "generative posterior, exact", style.GREEN, "-"),
        ("direction_recovery_exact", "recognition net, exact", style.VERMILLION, "-"),
        ("direction_recovery", "recognition net, sampled", style.VERMILLION, ":"),
    ):
        recovery.plot(steps, run.curves[name], line, color=colour, label=label)
    reached = results["direction_recovery_exact"]
    recovery.set_title(
        f"{kind.capitalize()} recovery by the top units"
        + (f": {reached:.3f} of {best:.3f}" if reached is not None else ", exact not defined here")
    )
    recovery.set_ylabel("share of images named correctly")
    recovery.set_ylim(0.45, 1.03)
    lines = recovery.get_legend_handles_labels()
    figure.legend(*lines, loc="outside lower right", ncols=len(lines[0]))
    style.steps_axis(recovery, steps)
    return figure


def nll_curve(axes: Axes, run: Run) -> None:
    """NLL in bits against steps, on a logarithmic scale, with the entropy of the data as floor.

    The first line drawn is the importance-sampled, the second the exact NLL.
    """
    steps, entropy = run.curves["step"], run.results["entropy_bits"]
    for name, label, colour, line in (
        ("is_nll_bits", "importance-sampled", style.ORANGE, "--"),
        ("exact_nll_bits", "exact", style.BLUE, "-"),
    ):
        axes.plot(steps, run.curves[name], line, color=colour, label=label)
    axes.axhline(entropy, color=style.GREY, linestyle=":")
    axes.set_yscale("log")
    highest = max(run.curves["is_nll_bits"].max(), entropy * 1.5)
    axes.set_ylim(entropy * 0.9, highest * 1.1)
    axes.text(
        steps[-1], entropy * 0.985, f"entropy of the data {entropy:.2f}", ha="right", va="top",
        color="#555555",
    )  # fmt: skip
    ticks = [t for t in (2, 3, 4, 5, 6, 8, 10, 15, 20, 30, 50, 100) if entropy * 0.9 < t < highest]
    axes.yaxis.set_major_locator(FixedLocator(ticks))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    axes.set_ylabel("NLL (bits an image, log scale)")
    style.steps_axis(axes, steps)
