"""What pictures of a study share: which settings they tell of, colours, panels, legends."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import style
from hmjax.store.studies import FinishedStudy
from hmjax.study.sweeps import named

PANELS = 12  # settings that a picture of small panels has room for
LINES = 21  # that can be told apart by colour and dashes, and have room for their names


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


def mark_of(index: int) -> tuple[str, str]:
    """A colour and a marker for one of several settings, different for the first 21."""
    return style.many(7)[index % 7], "os^"[index // 7 % 3]


def best_of(studied: FinishedStudy, indices: list[int], most: int) -> tuple[list[int], str]:
    """The settings that a picture has room for, and what its title says of the others.

    Args:
      studied: the study.
      indices: the settings of which the picture could tell.
      most: how many it has room for.

    Returns:
      All of them in their order and "", or the best by median NLL, best first, and a note of it.
    """
    if len(indices) <= most:
        return indices, ""
    best = by_nll(studied, indices)[:most]
    return best, f"the best {most} of {len(indices)} settings by median NLL"


def below_title(note: str) -> str:
    """A note as a line of its own below a title; nothing if there is none."""
    return f"\n{note[0].upper()}{note[1:]}" if note else ""


def by_nll(studied: FinishedStudy, indices: list[int]) -> list[int]:
    """Settings by their median NLL, the best first and those of which it is not known last."""

    def nll(index: int) -> float:
        spread = studied.results["settings"][index]
        known = spread[spread["nll"]]
        return math.inf if known is None else known["median"]

    return sorted(indices, key=nll)


def draw_panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels to one scale, and their axes."""
    columns = min(count, 3)
    rows = math.ceil(count / columns)
    size = (9, 5) if count == 1 else (4.6 * columns, 0.8 + 3.1 * rows)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True).ravel()
    for left_over in panels[count:]:
        left_over.remove()
    return figure, panels[:count].tolist()


def label_outer(panels: list[Axes], x: str, y: str) -> None:
    """Labels the axes that panels of one scale share where no other panel stands before them."""
    columns = min(len(panels), 3)
    for place, axes in enumerate(panels):
        is_lowest = place + columns >= len(panels)
        axes.set_xlabel(x if is_lowest else "")
        axes.tick_params(labelbottom=is_lowest)
        axes.set_ylabel(y if place % columns == 0 else "")


def panel_title(name: str, what: str) -> str:
    """The title of a panel: a setting and what it came to, on two lines if the name is long."""
    return f"{name}: {what}" if len(name) <= 20 else f"{textwrap.fill(name, 46)}\n{what}"


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Moves labels apart as little as it takes for none to overlap.

    Args:
      wanted: where each label would stand.
      gap: how far apart they must be; less, if there is no room for so much.
      low: where the lowest may stand.
      high: where the highest may.

    Returns:
      Where each stands, in the order of what is wanted; ties in the order that they come in, down.
    """
    gap = min(gap, (high - low) / max(1, len(wanted) - 1))
    order = sorted(range(len(wanted)), key=lambda i: (wanted[i], -i))
    groups: list[tuple[float, int]] = []  # the bottom of labels that touch, and how many they are
    for i in order:
        bottom, count = wanted[i], 1
        while True:
            bottom = min(max(bottom, low), high - (count - 1) * gap)
            if not groups or groups[-1][0] + groups[-1][1] * gap <= bottom + 1e-12:
                break
            below, more = groups.pop()
            # Each label draws its group to where the whole would have it stand.
            middle = (below + (more - 1) * gap / 2) * more + (
                bottom + (count - 1) * gap / 2
            ) * count
            count += more
            bottom = middle / count - (count - 1) * gap / 2
        groups.append((bottom, count))
    places = [bottom + k * gap for bottom, count in groups for k in range(count)]
    stands = dict(zip(order, places, strict=True))
    return [stands[i] for i in range(len(wanted))]


def line_styles(count: int) -> list[dict[str, Any]]:
    """Colours and dashes of so many lines, different for the first 21."""
    dashes = ("-", (0, (5, 2)), (0, (1.2, 1.6)))
    colours = style.many(7)
    return [{"color": colours[k % 7], "linestyle": dashes[(k // 7) % 3]} for k in range(count)]


def label_ends(
    axes: Axes, ends: Sequence[float], names: Sequence[str], styles: list[dict], gap: float
) -> None:
    """Names lines to the right of the axes, each joined to where its line ends, at the right edge.

    Args:
      axes: where; the limits of its y axis have to be set before.
      ends: where lines end.
      names: theirs.
      styles: of lines, see `line_styles`.
      gap: how far apart names have to be, as a share of the axes.
    """
    low, high = axes.get_ylim()
    shares = [(end - low) / (high - low) for end in ends]
    places = spread(shares, gap, 0, 1)
    for share, place, name, how in zip(shares, places, names, styles, strict=True):
        across = axes.transAxes
        axes.plot([1, 1.04, 1.07], [share, place, place], transform=across, clip_on=False, **how)
        axes.text(1.08, place, name, transform=across, ha="left", va="center", fontsize=9)


def draw_legend(figure: Figure, handles: list[Line2D]) -> None:
    """A legend of these below the panels."""
    columns = max(1, 100 // (max(len(str(each.get_label())) for each in handles) + 8))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, fontsize=10)


def draw_share(
    axes: Axes,
    x: float,
    y: float,
    interval: Sequence[float],
    colour: Any,
    marker: str,
    *,
    is_across: bool = False,
    **marker_style: Any,
) -> None:
    """A value with its interval, at one place of the axes: up and down, or across."""
    value = x if is_across else y
    ends = [[max(0.0, value - interval[0])], [max(0.0, interval[1] - value)]]
    across, up = (ends, None) if is_across else (None, ends)
    how = {"fmt": marker, "color": colour, "capsize": 4, "markersize": 7} | marker_style
    axes.errorbar([x], [y], up, across, **how)
