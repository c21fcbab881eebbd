"""The pictures of a study: what seeds have in common, and how far they differ."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.names import number
from analysis.panels import (
    PANELS,
    best_of,
    by_nll,
    draw_panels,
    draw_share,
    label_of_nll,
    label_outer,
    panel_title,
    settings_told,
    settings_with_nll,
)
from analysis.symmetry import selectivity_distribution, symmetry_breaking, time_to_break
from hmjax import machine
from hmjax.runtime.ambient import own_settings
from hmjax.runtime.cipher import key_of
from hmjax.store.studies import FinishedStudy

SHOWN = 24  # fantasies of a machine in the gallery
ROWS = 40  # settings that a list of them has room for

Picture = Callable[[FinishedStudy], Figure]


def of(studied: FinishedStudy) -> dict[str, Picture]:
    """The pictures that a study has, by name."""
    pictures: dict[str, Picture] = {}
    if settings_told(studied, "broken_share"):
        pictures |= {
            "symmetry_breaking": symmetry_breaking,
            "time_to_break": time_to_break,
            "selectivity_distribution": selectivity_distribution,
        }
    if "classification" in studied.results:
        pictures["confusion"] = confusion
    if settings_with_nll(studied):
        if len(studied.settings) > 1 and not studied.study.per_class:
            pictures["sweep"] = sweep
        pictures |= {"population_curves": population_curves, "gallery": gallery}
    return pictures


def are_drawn(studied: FinishedStudy) -> bool:
    """Whether every picture of a study is there."""
    return all((studied.folder / "figures" / f"{name}.png").is_file() for name in of(studied))


@own_settings()
@style.ours()
def draw_all(studied: FinishedStudy) -> Path:
    """Draws every picture that a study has into its `figures` folder, and returns that."""
    folder = studied.folder / "figures"
    folder.mkdir(exist_ok=True)
    study = studied.study
    last = study.first_seed + study.seeds - 1
    seeds = f"seeds {study.first_seed} to {last}"
    named = f"{study.experiment.name}, {seeds}, {study.experiment.steps:,} steps"
    for name, picture in of(studied).items():
        style.save(picture(studied), folder / f"{name}.png", named)
    return folder


def population_curves(studied: FinishedStudy) -> Figure:
    """The NLL of every seed against steps, with its median, its quartiles and the floor."""
    shown, note = best_of(studied, settings_with_nll(studied), PANELS)
    figure, panels = draw_panels(len(shown))
    floors, highest = [], []
    for index, axes in zip(shown, panels, strict=True):
        mine = (studied.rows["setting"] == index) & ~studied.rows["diverged"]
        nll = studied.curves[studied.settings[index].experiment.nll][:, mine]
        known = np.isfinite(nll).any(axis=1)  # not, where training stopped earlier than elsewhere
        nll, steps = nll[known], studied.curves["step"][known]
        axes.plot(steps, nll, color=style.BLUE, alpha=max(0.1, min(0.5, 8 / len(nll.T))), lw=0.6)
        low, middle, high = np.nanquantile(nll, (0.25, 0.5, 0.75), axis=1)
        axes.plot(steps, middle, color=style.BLACK, lw=2.2, label="median")
        axes.plot(steps, low, color=style.VERMILLION, lw=1.5, ls="--", label="quartiles")
        axes.plot(steps, high, color=style.VERMILLION, lw=1.5, ls="--")
        floor = studied.results["settings"][index]["entropy_bits"]
        if floor is None or studied.study.experiment.task.has_held_out:
            floor = np.nanmin(nll)
        else:
            axes.axhline(floor, color=style.GREY, ls=":", label="entropy of the data")
        # Where some seeds go astray, the axis ends at what they began with.
        highest.append(min(np.nanquantile(nll[1:], 0.995), max(np.nanmax(nll[0]), floor + 1)))
        floors.append(floor)
        name = studied.settings[index].name or "all seeds"
        axes.set_title(panel_title(name, f"median {number(middle[-1])} bits"))
    panels[0].set_ylim(min(floors) - 0.3, max(highest) + 0.3)
    style.steps_axis(panels[0], studied.curves["step"])
    label_outer(panels, panels[0].get_xlabel(), label_of_nll(studied, shown[0]))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    each = " at each setting" if len(shown) > 1 else ""
    title = f"{studied.results['seeds']} seeds{each}, each a thin line"
    figure.suptitle(f"{title}; {note}" if note else title)
    return figure


def sweep(studied: FinishedStudy) -> Figure:
    """What the settings come to: a heat map over two swept options, else a list, best first."""
    options = list(studied.study.swept().items())
    summaries = studied.results["settings"]
    measures = [("nll", "median NLL (bits)")]
    if settings_told(studied, "broken_share"):
        measures.append(("broken_share", "share that broke the symmetry"))
    title = f"What {len(summaries)} settings come to, {studied.results['seeds']} seeds at each"
    if len(options) == 2:
        figure = Figure(figsize=(5.6 * len(measures), 5), layout="constrained")
        for axes, (name, label) in zip(
            figure.subplots(1, len(measures), squeeze=False)[0], measures, strict=True
        ):
            _heat_map(figure, axes, summaries, options, name)
            axes.set_title(label)
        figure.suptitle(title)
        return figure
    told, note = best_of(studied, settings_with_nll(studied), ROWS)
    left_out = len(summaries) - len(settings_with_nll(studied))
    if len(options) > 2:
        told, note = by_nll(studied, told), note or "the best first"
    diverged = f"; {left_out} of which nothing is known left out" if left_out else ""
    shown = [summaries[index] for index in told]
    size = (5 + 3.6 * len(measures), 1.6 + 0.28 * max(5, len(shown)))
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(1, len(measures), squeeze=False, sharey=True)[0]
    for axes, (name, label) in zip(panels, measures, strict=True):
        _list(axes, shown, name)
        axes.set_xlabel(f"{label}, {'95% interval' if name == 'broken_share' else 'quartiles'}")
    handles, labels = panels[0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside lower left")
    figure.suptitle(f"{title}{f'; {note}' if note else ''}{diverged}")
    return figure


def confusion(studied: FinishedStudy) -> Figure:
    """What the machines of each label name the images that are held out."""
    of, names = studied.results["classification"], studied.study.experiment.task.class_names
    table = np.array(of["confusion"])
    figure = Figure(figsize=(2.6 + 0.55 * len(names), 2.2 + 0.5 * len(names)), layout="constrained")
    axes = figure.subplots()
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="cividis", vmin=0, vmax=1)
    if len(names) <= 30:
        for (i, j), count in np.ndenumerate(table):
            if count:
                colour = "black" if share[i, j] > 0.5 else "white"
                axes.text(j, i, str(count), ha="center", va="center", color=colour, fontsize=10)
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 3 else 0)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("named after the machine that explains it best")
    axes.set_ylabel("label")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the images of a label")
    figure.suptitle(
        f"{of['error']:.1%} of {of['images']} images held out are named wrongly\n"
        f"(median of {len(of['errors'])} seeds; here the one in the middle)"
    )
    return figure


def gallery(studied: FinishedStudy) -> Figure:
    """Fantasies of the best, the median and the worst machine of each setting."""
    shown, note = best_of(studied, settings_with_nll(studied), PANELS // 2)
    task = studied.study.experiment.task
    colours = style.shown_colours(len(task.class_names))
    ends = {"best": "best", "middle": "median", "worst": "worst"}
    rows, columns = task.image_shape
    aspect = 3 * (rows + 3) / (8 * (columns + 3))
    names = [studied.settings[index].name.replace(", ", "\n") for index in shown]
    heights = [max(12.4 / 3 * aspect, 0.17 * (1 + name.count("\n"))) for name in names]
    figure = Figure(figsize=(14.5 if any(names) else 13, 1.2 + sum(heights) + 0.45 * len(shown)))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.03)
    grid = figure.subplots(len(shown), 3, squeeze=False, height_ratios=heights)
    for index, name, line in zip(shown, names, grid, strict=True):
        summary = studied.results["settings"][index]
        spread = summary[summary["nll"]]
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
        for axes, (end, label) in zip(line, ends.items(), strict=True):
            style.bare(axes)
            which = spread[end]
            params = studied.machine(index, which["seed"])
            images = machine.generate(key_of(0), params, SHOWN)[0]
            frames = None
            if task.can_show:
                frames = [colours[k] for k in np.argmax(np.asarray(task.shows(images)), axis=-1)]
            pixels = np.asarray(images).reshape(-1, *task.image_shape)
            picture = style.mosaic(pixels, 8, frames=frames)
            axes.imshow(picture, interpolation="nearest")
            title = f"{label}: seed {which['seed']}, {number(which['value'])} bits"
            axes.set_title(title, fontsize=10)
    if task.can_show:
        style.shown_legend(figure, task)
    title = "What the best, the median and the worst machine dream, by NLL"
    figure.suptitle(f"{title}; {note}" if note else title)
    return figure


def _heat_map(figure: Figure, axes: Axes, summaries: list[dict], options: list, name: str) -> None:
    (down, down_values), (across, across_values) = options
    values = np.array([_value(summary, name) for summary in summaries], float)
    grid = values.reshape(len(down_values), len(across_values))
    low, high = (0, 1) if name == "broken_share" else (np.nanmin(grid), np.nanmax(grid))
    image = axes.imshow(grid, cmap="cividis", aspect="auto", vmin=low, vmax=high)
    middle = (low + high) / 2
    for (i, j), value in np.ndenumerate(grid):
        colour = "black" if value > middle else "white"
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
