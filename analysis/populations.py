"""The pictures of a study: what seeds have in common, and how far they differ."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from analysis import style
from analysis.names import number
from analysis.panels import (
    PANELS,
    best_of,
    draw_panels,
    label_of_nll,
    label_outer,
    panel_title,
    settings_told,
    settings_with_nll,
)
from analysis.sweep import sweep
from analysis.symmetry import selectivity_distribution, symmetry_breaking, time_to_break
from hmjax import machine
from hmjax.runtime.ambient import own_settings
from hmjax.runtime.cipher import key_of
from hmjax.store.studies import FinishedStudy

SHOWN = 24  # fantasies of a machine in the gallery

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
    floors, highest, ends = [], [], []
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
        ends.append(middle[-1])
        name = studied.settings[index].name or "all seeds"
        axes.set_title(panel_title(name, f"median {number(middle[-1])} bits"))
    panels[0].set_ylim(min(floors) - 0.3, max(highest) + 0.3)
    for axes, end in zip(panels, ends, strict=True):
        if end > max(highest) + 0.3:
            axes.text(0.5, 0.5, "beyond this scale", transform=axes.transAxes, ha="center")
    style.steps_axis(panels[0], studied.curves["step"])
    label_outer(panels, panels[0].get_xlabel(), label_of_nll(studied, shown[0]))
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    each = " at each setting" if len(shown) > 1 else ""
    title = f"{studied.results['seeds']} seeds{each}, each a thin line"
    figure.suptitle(f"{title}; {note}" if note else title)
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
