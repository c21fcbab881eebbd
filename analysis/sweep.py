"""The picture of a sweep: what its settings come to."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from analysis import style
from analysis.curves import TICKED
from analysis.names import number
from analysis.panels import best_of, by_nll, draw_share, settings_told, settings_with_nll
from hmjax.store.studies import FinishedStudy

ROWS = 40  # settings that a list of them has room for


def sweep(studied: FinishedStudy) -> Figure:
    """What the settings come to: a heat map over two swept options, else a list."""
    measures = {"nll": "median NLL (bits)"}
    if settings_told(studied, "broken_share"):
        measures["broken_share"] = "share that broke the symmetry, as published"
    count, seeds = len(studied.settings), studied.results["seeds"]
    title = f"What {count} settings come to, {seeds} seeds at each"
    options = list(studied.study.swept().items())
    if len(options) == 2:
        return _as_maps(studied, measures, options, title)
    return _as_list(studied, measures, title, is_ranked=len(options) > 2)


def _as_maps(studied: FinishedStudy, measures: dict[str, str], options: list, title: str) -> Figure:
    (_, down), (_, across) = options
    width, height = max(5.6, 1.8 + 0.75 * len(across)), max(5, 1.6 + 0.4 * len(down))
    figure = Figure(figsize=(width * len(measures), height), layout="constrained")
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, (name, label) in zip(panels, measures.items(), strict=True):
        _heat_map(figure, axes, studied.results["settings"], options, name)
        axes.set_title(label)
    figure.suptitle(title)
    return figure


def _as_list(
    studied: FinishedStudy, measures: dict[str, str], title: str, *, is_ranked: bool
) -> Figure:
    known = settings_with_nll(studied)
    told, note = best_of(studied, known, ROWS)
    if is_ranked:
        told, note = by_nll(studied, told), note or "the best first"
    unknown = len(studied.settings) - len(known)
    notes = [title, note, f"without {unknown} of which nothing is known" if unknown else ""]
    shown = [studied.results["settings"][index] for index in told]
    size = (5 + 3.6 * len(measures), 1.6 + 0.28 * max(5, len(shown)))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    for axes, (name, label) in zip(panels, measures.items(), strict=True):
        _list(axes, shown, name)
        axes.set_xlabel(f"{label}, {'95% interval' if name == 'broken_share' else 'quartiles'}")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower left")
    figure.suptitle("; ".join(filter(None, notes)))
    return figure


def _heat_map(figure: Figure, axes: Axes, summaries: list[dict], options: list, name: str) -> None:
    (down, down_values), (across, across_values) = options
    values = np.array([_value(summary, name) for summary in summaries], float)
    grid = values.reshape(len(down_values), len(across_values))
    low, high = (0, 1) if name == "broken_share" else (np.nanmin(grid), np.nanmax(grid))
    norm = LogNorm(low, high) if 0 < TICKED * low < high else Normalize(low, high)
    image = axes.imshow(grid, cmap="cividis", aspect="auto", norm=norm)
    for (i, j), value in np.ndenumerate(grid):
        colour = "black" if norm(value) > 0.5 else "white"
        axes.text(
            j,
            i,
            "-" if math.isnan(value) else number(value),
            ha="center",
            va="center",
            color=colour,
        )
    axes.set_xticks(range(len(across_values)), [f"{value:g}" for value in across_values])
    axes.set_yticks(range(len(down_values)), [f"{value:g}" for value in down_values])
    axes.set_xlabel(across.removeprefix("sweep."))
    axes.set_ylabel(down.removeprefix("sweep."))
    figure.colorbar(image, ax=axes, shrink=0.85)


def _list(axes: Axes, summaries: list[dict], name: str) -> None:
    """Settings from the top down, each a dot with its interval."""
    for row, summary in enumerate(summaries):
        if row % 2:
            axes.axhspan(row - 0.5, row + 0.5, color="#F2F2F2", lw=0)
        value = _value(summary, name)
        if math.isnan(value):
            continue
        spread = summary[summary["nll"]]
        low, high = (
            summary["broken_interval"] if name == "broken_share" else (spread["p25"], spread["p75"])
        )
        draw_share(axes, value, row, [low, high], style.BLUE, "o", is_across=True)
    floors = [summary["entropy_bits"] for summary in summaries]
    if name == "nll" and None not in floors:
        places = range(len(floors))
        axes.plot(floors, places, "|", color=style.BLACK, ms=9, label="entropy of the data")
    if name == "broken_share":
        axes.set_xlim(-0.03, 1.03)
    axes.set_yticks(range(len(summaries)), [summary["name"] for summary in summaries], fontsize=10)
    axes.set_ylim(len(summaries) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)


def _value(summary: dict, name: str) -> float:
    value = summary[summary["nll"]] if name == "nll" else summary[name]
    value = value["median"] if isinstance(value, dict) else value
    return math.nan if value is None else value
