"""The pictures of a study: what seeds have in common, and how far they differ."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from analysis import style
from hmjax import Shifter, machine
from hmjax.runtime.ambient import own_settings
from hmjax.runtime.cipher import key_of
from hmjax.store.studies import Studied
from hmjax.study.intervals import wilson
from hmjax.study.summary import BROKEN
from hmjax.study.sweeps import named
from hmjax.tasks import shown_names

PUBLISHED = {1: (0, 30)}
"""Machines that broke the symmetry, and all there were, by top units; published of the shifter."""

PANELS = 12  # settings that a picture of small panels has room for
SHOWN = 24  # fantasies of a machine in the gallery

Picture = Callable[[Studied], Figure]


def of(studied: Studied) -> dict[str, Picture]:
    """The pictures that a study has, by name."""
    pictures: dict[str, Picture] = {}
    if _told(studied, "broken_share"):
        pictures |= {
            "symmetry_breaking": symmetry_breaking,
            "time_to_break": time_to_break,
            "selectivity_distribution": selectivity_distribution,
        }
    if _with_nll(studied):
        if len(studied.settings) > 1:
            pictures["sweep"] = sweep
        pictures |= {"population_curves": population_curves, "gallery": gallery}
    return pictures


def are_drawn(studied: Studied) -> bool:
    """Whether every picture of a study is there."""
    return all((studied.folder / "figures" / f"{name}.png").is_file() for name in of(studied))


@own_settings()
@style.ours()
def draw_all(studied: Studied) -> Path:
    """Draws every picture that a study has into its `figures` folder, and returns that."""
    folder = studied.folder / "figures"
    folder.mkdir(exist_ok=True)
    for name, picture in of(studied).items():
        style.save(picture(studied), folder / f"{name}.png")
    return folder


def symmetry_breaking(studied: Studied) -> Figure:
    """The share of seeds that broke the symmetry against the number of top units."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    summaries = [studied.results["settings"][i] for i in _told(studied, "broken_share")]
    tops = sorted({summary["sizes"][-1] for summary in summaries})
    for top in tops:
        mine = [summary for summary in summaries if summary["sizes"][-1] == top]
        for i, summary in enumerate(mine):
            x = tops.index(top) + (i - (len(mine) - 1) / 2) * min(0.12, 0.6 / len(mine))
            colour = _colour(i, len(mine))
            label = _but_top(summary) if top == tops[0] else None
            interval = summary["broken_interval"]
            _share(axes, x, summary["broken_share"], interval, colour, "o", label)
            if len(mine) == 1:
                text = f"{summary['broken']} of {_finite(summary)}"
                axes.annotate(text, (x, summary["broken_share"]), (8, 4), **_ABOVE)
    if studied.study.experiment.task == Shifter() and not studied.study.sweep.p_on:
        for top, (hits, trials) in PUBLISHED.items():
            if top in tops:
                x = tops.index(top) - 0.22
                share = hits / trials
                _share(axes, x, share, wilson(hits, trials), style.GREY, "s")
                text = f"published:\n{hits} of {trials}"
                axes.annotate(text, (x, share), (-8, 10), **(_ABOVE | {"ha": "right"}))
    axes.set_xticks(range(len(tops)), [str(top) for top in tops])
    axes.set_xlim(-0.9, len(tops) - 0.3)
    axes.set_ylim(-0.03, 1.08)
    axes.set_xlabel("top units")
    axes.set_ylabel("share of seeds, with 95% Wilson interval")
    if len(summaries) > len(tops):
        _legend(figure, [_but_top(summary) for summary in summaries])
    axes.set_title(
        f"How often the symmetry breaks: a top unit of exact |selectivity| {BROKEN} or more\n"
        f"after {studied.results['steps']:,} steps"
    )
    return figure


def time_to_break(studied: Studied) -> Figure:
    """The share of seeds not yet broken against steps, a survival curve for each setting."""
    figure = Figure(figsize=(9, 5), layout="constrained")
    axes = figure.subplots()
    steps = studied.results["step"]
    summaries = [studied.results["settings"][i] for i in _told(studied, "broken_share")]
    for index, summary in enumerate(summaries):
        axes.step(
            steps,
            summary["not_yet_broken"],
            where="post",
            color=_colour(index, len(summaries)),
            label=summary["name"] or f"{summary['seeds']} seeds",
        )
    style.steps_axis(axes, steps[-1])
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("share of seeds not yet broken")
    axes.set_title(
        f"When the symmetry breaks: the first evaluation with |selectivity| {BROKEN} or more\n"
        f"(every {steps[1] - steps[0]:,} steps; what remains is censored at the end)"
    )
    if len(summaries) > 1:
        _legend(figure, [summary["name"] for summary in summaries])
    return figure


def population_curves(studied: Studied) -> Figure:
    """The NLL of every seed against steps, with its median, its quartiles and the floor."""
    shown = _with_nll(studied)[:PANELS]
    figure, panels = _panels(len(shown))
    steps = studied.curves["step"]
    for index, axes in zip(shown, panels, strict=True):
        mine = (studied.rows["setting"] == index) & ~studied.rows["diverged"]
        nll = studied.curves[studied.settings[index].experiment.nll][:, mine]
        axes.plot(steps, nll, color=style.BLUE, alpha=max(0.1, min(0.5, 8 / len(nll.T))), lw=0.6)
        low, middle, high = np.quantile(nll, (0.25, 0.5, 0.75), axis=1)
        axes.plot(steps, middle, color=style.BLACK, lw=2.2, label="median")
        axes.plot(steps, low, color=style.VERMILLION, lw=1.5, ls="--", label="quartiles")
        axes.plot(steps, high, color=style.VERMILLION, lw=1.5, ls="--")
        floor = studied.results["settings"][index]["entropy_bits"]
        axes.axhline(floor, color=style.GREY, ls=":", label=f"entropy of the data {floor:.2f}")
        axes.set_ylim(floor - 0.3, max(floor + 1, np.quantile(nll[1:], 0.995) + 0.3))
        axes.set_title(f"{studied.settings[index].name or 'all seeds'}: median {middle[-1]:.2f}")
        style.steps_axis(axes, steps[-1])
        axes.set_ylabel(_nll_label(studied, index))
    panels[0].legend(loc="upper right")
    figure.suptitle(
        f"{studied.results['seeds']} seeds{' at each setting' if len(shown) > 1 else ''}, "
        "each a thin line"
    )
    return figure


def selectivity_distribution(studied: Studied) -> Figure:
    """How strong the strongest top unit of each seed is, setting by setting."""
    shown = _told(studied, "broken_share")[:PANELS]
    figure, panels = _panels(len(shown))
    edges = np.linspace(0, 1, 41)
    for index, axes in zip(shown, panels, strict=True):
        mine = (studied.rows["setting"] == index) & ~studied.rows["diverged"]
        values = studied.rows["strongest_selectivity"][mine]
        counts, _ = np.histogram(values, edges)
        colours = [style.GREY if left < BROKEN - 1e-9 else style.BLUE for left in edges[:-1]]
        axes.bar(edges[:-1], counts, np.diff(edges), align="edge", color=colours)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        axes.axvline(BROKEN, color=style.BLACK, ls=":", lw=1)
        share = studied.results["settings"][index]["broken_share"]
        axes.set_title(f"{studied.settings[index].name or 'all seeds'}: {share:.1%} broke")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1.08 * counts.max())
        axes.set_xlabel("strongest |selectivity| of a machine's top units")
        axes.set_ylabel("seeds")
    figure.suptitle(f"Selectivity by seed; grey has not broken the symmetry (below {BROKEN})")
    return figure


def sweep(studied: Studied) -> Figure:
    """What the settings come to: a heat map over two swept options, else points with quartiles."""
    options = list(studied.study.swept().items())
    measures = [("nll", "median NLL (bits)")]
    if _told(studied, "broken_share"):
        measures.append(("broken_share", "share that broke the symmetry"))
    figure = Figure(figsize=(5.6 * len(measures), 5), layout="constrained")
    panels = figure.subplots(1, len(measures), squeeze=False)[0]
    for axes, (name, label) in zip(panels, measures, strict=True):
        summaries = studied.results["settings"]
        if len(options) == 2:
            _heat_map(figure, axes, summaries, options, name)
        else:
            _points(axes, summaries, name, label)
        axes.set_title(label)
    figure.suptitle(f"{studied.results['seeds']} seeds at each setting")
    return figure


def gallery(studied: Studied) -> Figure:
    """Fantasies of the best, the median and the worst machine of each setting."""
    shown = _with_nll(studied)[: PANELS // 2]
    task = studied.study.experiment.task
    colours = style.shown_colours(len(task.class_names))
    ends = {"best": "best", "middle": "median", "worst": "worst"}
    rows, columns = task.image_shape
    aspect = 3 * (rows + 3) / (8 * (columns + 3))
    figure = Figure(figsize=(13, 0.6 + len(shown) * (0.45 + 12.4 / 3 * aspect)))
    figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.03)
    grid = figure.subplots(len(shown), 3, squeeze=False)
    for index, line in zip(shown, grid, strict=True):
        summary = studied.results["settings"][index]
        spread = summary[summary["nll"]]
        for axes, (end, label) in zip(line, ends.items(), strict=True):
            style.bare(axes)
            which = spread[end]
            params = studied.machine(index, which["seed"])
            images = machine.generate(key_of(0), params, SHOWN)[0]
            what = np.argmax(np.asarray(task.shows(images)), axis=-1)
            picture = style.mosaic(
                np.asarray(images).reshape(-1, *task.image_shape),
                8,
                frames=[colours[k] for k in what],
            )
            axes.imshow(picture, interpolation="nearest")
            name = studied.settings[index].name
            axes.set_title(
                f"{f'{name}: ' if name else ''}{label}, {which['value']:.2f} bits "
                f"(seed {which['seed']})",
                fontsize=10,
            )
    handles = [
        Patch(color=colour, label=name)
        for colour, name in zip(colours, shown_names(studied.study.experiment.task), strict=True)
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles))
    figure.suptitle("What the best, the median and the worst machine dream, by NLL")
    return figure


_ABOVE: dict[str, Any] = {
    "textcoords": "offset points",
    "fontsize": 10,
    "ha": "left",
    "va": "bottom",
}


def _share(
    axes: Axes,
    x: float,
    share: float,
    interval: Sequence[float],
    colour: Any,
    marker: str,
    label: str | None = None,
) -> None:
    ends = [[max(0.0, share - interval[0])], [max(0.0, interval[1] - share)]]
    style = {"fmt": marker, "color": colour, "capsize": 4, "markersize": 7}
    axes.errorbar([x], [share], ends, label=label, **style)


def _told(studied: Studied, name: str) -> list[int]:
    """The settings of which something is known: not all seeds diverged, and it can be computed."""
    summaries = studied.results["settings"]
    return [index for index, summary in enumerate(summaries) if summary[name] is not None]


def _with_nll(studied: Studied) -> list[int]:
    """The settings whose NLL is known."""
    summaries = studied.results["settings"]
    return [index for index, each in enumerate(summaries) if each[each["nll"]] is not None]


def _nll_label(studied: Studied, index: int) -> str:
    return f"NLL, {'exact' if studied.settings[index].experiment.is_exact else 'sampled'} (bits)"


def _but_top(summary: dict) -> str:
    """What sets a setting apart, but for the number of top units."""
    values = {option: value for option, value in summary["values"].items() if option != "top"}
    return named(values)


def _finite(summary: dict) -> int:
    return summary["seeds"] - len(summary["diverged_seeds"])


def _colour(index: int, count: int) -> Any:
    if count == 1:
        return style.BLUE
    return colormaps["viridis"](0.85 * index / (count - 1))


def _panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, and their axes."""
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    size = (9, 5) if count == 1 else (4.6 * columns, 0.5 + 3.3 * rows)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for left_over in panels[count:]:
        left_over.remove()
    return figure, panels[:count]


def _heat_map(figure: Figure, axes: Axes, summaries: list[dict], options: list, name: str) -> None:
    (down, down_values), (across, across_values) = options
    values = np.array([_value(summary, name) for summary in summaries], float)
    grid = values.reshape(len(down_values), len(across_values))
    image = axes.imshow(grid, cmap="cividis", aspect="auto")
    middle = (np.nanmin(grid) + np.nanmax(grid)) / 2
    for (i, j), value in np.ndenumerate(grid):
        colour = "black" if value > middle else "white"
        axes.text(
            j,
            i,
            "-" if math.isnan(value) else f"{value:.2f}",
            ha="center",
            va="center",
            color=colour,
        )
    axes.set_xticks(range(len(across_values)), [f"{value:g}" for value in across_values])
    axes.set_yticks(range(len(down_values)), [f"{value:g}" for value in down_values])
    axes.set_xlabel(across.removeprefix("sweep."))
    axes.set_ylabel(down.removeprefix("sweep."))
    figure.colorbar(image, ax=axes, shrink=0.85)


def _points(axes: Axes, summaries: list[dict], name: str, label: str) -> None:
    for index, summary in enumerate(summaries):
        value = _value(summary, name)
        if math.isnan(value):
            continue
        low, high = (
            summary["broken_interval"]
            if name == "broken_share"
            else (summary[summary["nll"]]["p25"], summary[summary["nll"]]["p75"])
        )
        _share(axes, index, value, [low, high], _colour(index, len(summaries)), "o")
    names = [summary["name"].replace(", ", "\n") for summary in summaries]
    axes.set_xlim(-0.6, len(summaries) - 0.4)
    axes.set_xticks(range(len(summaries)), names, rotation=90 if len(summaries) > 8 else 0)
    what = "95% interval" if name == "broken_share" else "quartiles"
    axes.set_ylabel(f"{label.split(' (')[0]}, {what}")


def _value(summary: dict, name: str) -> float:
    value = summary[summary["nll"]] if name == "nll" else summary[name]
    value = value["median"] if isinstance(value, dict) else value
    return math.nan if value is None else value


def _legend(figure: Figure, names: list[str]) -> None:
    columns = max(1, 100 // (max(map(len, names)) + 8))
    figure.legend(loc="outside lower center", ncols=columns, fontsize=10)
