"""Pictures of what steps cost in moved data."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, PercentFormatter

from analysis import style

_UNITS = EngFormatter(sep="")


@style.ours()
def draw_profile(report: dict[str, Any]) -> Figure:
    """The profile of a step that was traced (see `hmjax.cost.report.profile_of`)."""
    figure = Figure(figsize=(12, 8), layout="constrained")
    phases, tensors, depths, alive = figure.subplots(2, 2).ravel()
    steady = report["steady"]
    _bars(phases, steady["phases"], "phase")
    _bars(tensors, steady["tensors"], "tensor")
    _depths(depths, steady["depths"])
    _alive(alive, report["alive"])
    sizes = "-".join(map(str, report["sizes"]))
    which = "a later step" if report["steps"] > 1 else "the step"
    figure.suptitle(
        f"{report['experiment']}, {report['rule']}, {sizes}, batch {report['batch']}: "
        f"{which} costs {steady['cost']:,} in {steady['reads']:,} reads"
    )
    return figure


def _bars(axes: Axes, rows: list[dict[str, Any]], kind: str) -> None:
    names = [row["name"] for row in rows][::-1]
    costs = np.array([row["cost"] for row in rows][::-1])
    bars = axes.barh(names, costs, color=style.BLUE)
    axes.bar_label(bars, [f"{cost / costs.sum():.1%}" for cost in costs], padding=3, fontsize=10)
    axes.set_xlim(0, 1.15 * costs.max())
    axes.set_title(f"Cost by {kind}")
    axes.set_xlabel("cost of reads")
    axes.xaxis.set_major_formatter(_UNITS)


def _depths(axes: Axes, depths: dict[str, list[int]]) -> None:
    root, reads = np.array(depths["root"]), np.array(depths["reads"])
    axes.bar(root, reads, width=0.9, color=style.BLUE)
    axes.set_title("How deep what is read lies, and the cost down to there")
    axes.set_xlabel("root of the depth, rounded up: the cost of a read")
    axes.set_ylabel("reads", color=style.BLUE)
    axes.set_yscale("log")
    axes.set_xlim(0, root.max() + 1)
    share = axes.twinx()
    share.plot(root, np.cumsum(depths["cost"]) / sum(depths["cost"]), color=style.VERMILLION)
    share.set_ylabel("share of the cost", color=style.VERMILLION)
    share.set_ylim(0, 1.02)
    share.yaxis.set_major_formatter(PercentFormatter(1))
    share.spines["right"].set_visible(True)


def _alive(axes: Axes, alive: dict[str, list[int]]) -> None:
    axes.plot(alive["instruction"], alive["values"], color=style.BLUE)
    for number, begin in enumerate(alive["steps_begin"], 1):
        axes.axvline(begin, color=style.GREY, linewidth=0.8)
        axes.annotate(
            f" step {number}",
            (begin, 1),
            xycoords=("data", "axes fraction"),
            fontsize=10,
            va="top",
            color=style.GREY,
        )
    values = np.array(alive["values"])
    room = max(1, np.ptp(values))
    axes.set_ylim(max(0, values.min() - 0.1 * room), values.max() + 0.2 * room)
    axes.set_title("Scalars that are alive")
    axes.set_xlabel("instruction")
    axes.set_ylabel("scalars")
    axes.xaxis.set_major_formatter(_UNITS)


@style.ours()
def draw_race(report: dict[str, Any]) -> Figure:
    """The NLL of each arm of a race against what was moved, and what each goal costs."""
    arms = report["arms"]
    colours = dict(zip([arm["name"] for arm in arms], style.many(len(arms)), strict=True))
    figure = Figure(figsize=(13, 5.5), layout="constrained")
    curves, goals = figure.subplots(1, 2, width_ratios=(3, 2))
    for arm in arms:
        cost = np.array(arm["cost"])[1:]
        low, middle, high = np.array(arm["nll"], float)[:, 1:]  # where it is not known, NaN
        curves.plot(cost, middle, color=colours[arm["name"]], label=arm["name"])
        curves.fill_between(cost, low, high, color=colours[arm["name"]], alpha=0.15, linewidth=0)
    curves.axhline(report["floor"], color=style.GREY, linestyle="--", linewidth=1)
    curves.annotate(
        "entropy of the data",
        (0.01, report["floor"]),
        xycoords=("axes fraction", "data"),
        ha="left",
        va="bottom",
        fontsize=10,
        color=style.GREY,
    )
    curves.set_xscale("log")
    curves.set_xlabel("cost of all that was moved")
    curves.set_ylabel("NLL (bits): median and quartiles")
    curves.set_title("How far each comes for its cost")
    names = [goal["goal"] for goal in arms[0]["goals"]]
    for place, arm in enumerate(arms):
        shift = (place - (len(arms) - 1) / 2) * 0.8 / len(arms)
        for row, goal in enumerate(arm["goals"]):
            whole, least = goal["cost_a_solution"], goal["cost_with_restarts"]
            if whole:  # there is no place for nothing on a logarithmic axis
                colour = colours[arm["name"]]
                goals.plot([least, whole], [row + shift] * 2, "-", color=colour, linewidth=1)
                goals.plot(least, row + shift, "o", color=colour, markersize=7)
                goals.plot(whole, row + shift, "|", color=colour, markersize=10)
    goals.set_yticks(range(len(names)), names)
    goals.set_ylim(len(names) - 0.4, -0.6)
    for row in range(1, len(names)):
        goals.axhline(row - 0.5, color="#D0D0D0", linewidth=0.8)
    goals.set_xscale("log")
    goals.set_xlabel(
        "cost a solution: with restarts (dots),\nwith failures charged in full (ends of the lines)"
    )
    goals.set_title("What a machine that reaches a goal costs")
    figure.legend(*curves.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle(f"{report['title']}: {report['seeds']} seeds an arm")
    return figure
