"""What pictures of a study share: which settings they tell of, colours, panels, legends."""

import math
from collections.abc import Sequence
from typing import Any

from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from hmjax.store.studies import FinishedStudy
from hmjax.study.sweeps import named

PANELS = 12  # settings that a picture of small panels has room for


def settings_told(studied: FinishedStudy, name: str) -> list[int]:
    """The settings of which something is known: not all seeds diverged, and it can be computed."""
    summaries = studied.results["settings"]
    return [index for index, summary in enumerate(summaries) if summary[name] is not None]


def settings_with_nll(studied: FinishedStudy) -> list[int]:
    """The settings whose NLL is known."""
    summaries = studied.results["settings"]
    return [index for index, each in enumerate(summaries) if each[each["nll"]] is not None]


def label_of_nll(studied: FinishedStudy, index: int) -> str:
    """What an axis of NLL of a setting says."""
    experiment = studied.settings[index].experiment
    of = " of images held out" if experiment.task.has_held_out else ""
    return f"NLL{of}, {'exact' if experiment.is_exact else 'sampled'} (bits)"


def name_but_top(summary: dict) -> str:
    """What sets a setting apart, but for the number of top units."""
    values = {option: value for option, value in summary["values"].items() if option != "top"}
    return named(values)


def count_finite(summary: dict) -> int:
    """How many machines of a setting did not diverge."""
    return summary["seeds"] - len(summary["diverged_seeds"])


def colour_of(index: int, count: int) -> Any:
    """The colour of one of so many settings."""
    if count == 1:
        return style.BLUE
    return colormaps["viridis"](0.85 * index / (count - 1))


def draw_panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, and their axes."""
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    size = (9, 5) if count == 1 else (4.6 * columns, 0.5 + 3.3 * rows)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for left_over in panels[count:]:
        left_over.remove()
    return figure, panels[:count]


def draw_legend(figure: Figure, names: list[str]) -> None:
    """A legend below the panels."""
    columns = max(1, 100 // (max(map(len, names)) + 8))
    figure.legend(loc="outside lower center", ncols=columns, fontsize=10)


ABOVE: dict[str, Any] = {
    "textcoords": "offset points",
    "fontsize": 10,
    "ha": "left",
    "va": "bottom",
}


def draw_share(
    axes: Axes,
    x: float,
    share: float,
    interval: Sequence[float],
    colour: Any,
    marker: str,
    label: str | None = None,
) -> None:
    """A share with its interval, at one place of the axes."""
    ends = [[max(0.0, share - interval[0])], [max(0.0, interval[1] - share)]]
    style = {"fmt": marker, "color": colour, "capsize": 4, "markersize": 7}
    axes.errorbar([x], [share], ends, label=label, **style)
