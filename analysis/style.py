"""How pictures look: colours, fonts, mosaics of small images."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from analysis.names import number
from hmjax.store import files
from hmjax.tasks import Task, shown_names

_OURS = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "legend.frameon": False,
    "figure.dpi": 100,
}


@contextlib.contextmanager
def ours() -> Iterator[None]:
    """Has pictures look like ours, whatever the user's Matplotlib is set to."""
    with matplotlib.style.context(["default", _OURS]):
        yield


# Okabe and Ito's palette, which people with any colour vision can tell apart.
BLUE, VERMILLION, GREEN, PURPLE, ORANGE, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#000000",
)
GREY = "#8C8C8C"
SIGNED = "PuOr"
"""A colour map for values of either sign: orange below zero, purple above, white at it."""

SIGNED_LINES = ListedColormap(
    matplotlib.colormaps[SIGNED](np.concatenate([np.linspace(0, 0.3, 64), np.linspace(0.7, 1, 64)]))
)
"""The same for thin lines on white, which could not be seen if they were pale."""

_CLASSES = (BLUE, VERMILLION, GREEN, ORANGE, "#56B4E9", "#F0E442")


def shown_colours(classes: int) -> list[str]:
    """A colour for each thing that `Task.shows` tells apart: the classes, several, none."""
    return [_CLASSES[k % len(_CLASSES)] for k in range(classes)] + [PURPLE, "#D0D0D0"]


def shown_legend(figure: Figure, task: Task) -> None:
    """Says below a picture which frame colour stands for what an image shows."""
    names = shown_names(task)
    colours = shown_colours(len(names) - 2)
    handles = [Patch(color=c, label=name) for c, name in zip(colours, names, strict=True)]
    inches = 0.65 + 0.085 * max(map(len, names))  # that one takes
    lines = math.ceil(len(names) * inches / figure.get_figwidth())
    columns = math.ceil(len(names) / lines)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def largest(values: np.ndarray) -> float:
    """The largest size among finite values, or 1 if all are 0: the end of a colour scale."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0)) or 1.0


def signed_key(
    figure: Figure, limit: float, label: str, cmap: str | Colormap = SIGNED, **where: Any
) -> None:
    """A key to the colours of values from `-limit` to `limit`, placed as `Figure.colorbar` does."""
    shown = ScalarMappable(Normalize(-limit, limit), cmap)
    bar = figure.colorbar(shown, label=label, ticks=[-limit, 0, limit], **where)
    bar.set_ticklabels([number(-limit), "0", number(limit)])
    if bar.orientation == "horizontal":  # within its length, as others may be beside it
        first, _, last = bar.ax.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")


def many(count: int) -> list[str]:
    """So many colours, of which the first seven differ for any colour vision."""
    colours = (BLUE, VERMILLION, GREEN, ORANGE, PURPLE, "#56B4E9", BLACK)
    return [colours[k % len(colours)] for k in range(count)]


def mosaic(
    images: np.ndarray, columns: int, *, frames: Sequence[str] | None = None, cmap: str = "gray_r"
) -> np.ndarray:
    """Lays images out in rows, each with a frame around it.

    Args:
      images: `[n, height, width]`; between 0 and 1, or between -1 and 1 for a signed colour map.
      columns: images in a row.
      frames: a colour for each image's frame; light grey if not given.
      cmap: a Matplotlib colour map.

    Returns:
      An RGB picture `[rows * (height + 3), columns * (width + 3), 3]`, one pixel of frame around
      each image and one of white after it.
    """
    n, height, width = images.shape
    rows = -(-n // columns)
    low = -1.0 if cmap == SIGNED else 0.0
    colours = matplotlib.colormaps[cmap]((images - low) / (1 - low))[..., :3]
    picture = np.ones((rows * (height + 3), columns * (width + 3), 3))
    for i, image in enumerate(colours):
        top, left = (i // columns) * (height + 3), (i % columns) * (width + 3)
        frame = matplotlib.colors.to_rgb("#D0D0D0" if frames is None else frames[i])
        picture[top : top + height + 2, left : left + width + 2] = frame
        picture[top + 1 : top + 1 + height, left + 1 : left + 1 + width] = image
    return picture[:-1, :-1]


def bare(axes: Axes) -> None:
    """Takes away the ticks and spines of axes that hold a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def thousands(steps: float, _: object = None) -> str:
    """Steps as a tick label: 0, 500k, 1.5M."""
    if steps >= 1e6:
        return f"{steps / 1e6:g}M"
    return f"{steps / 1e3:g}k" if steps >= 1000 else f"{steps:g}"


def steps_axis(axes: Axes, steps: np.ndarray) -> None:
    """Makes the x axis one of training steps, logarithmic where early ones are among them."""
    last = steps[-1]
    is_log = len(steps) > 2 and steps[1] < last / 20
    if is_log:
        axes.set_xscale("symlog", linthresh=steps[1], linscale=0.4)
        powers = 10 ** np.arange(np.ceil(np.log10(steps[1])), np.log10(last) + 0.01)
        axes.xaxis.set_major_locator(FixedLocator([0, *powers]))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_xlim(-0.02 * (steps[1] if is_log else last), (1.1 if is_log else 1.02) * last)
    axes.set_xlabel("training step" + (" (log scale)" if is_log else ""))
    axes.xaxis.set_major_formatter(FuncFormatter(thousands))


_DPI, _STRIP = 110, 24  # pixels below a picture, for what it is of


def save(figure: Figure, path: Path, of: str = "") -> None:
    """Saves a picture, whole or not at all.

    Args:
      figure: the picture.
      path: its file.
      of: what it is a picture of, to stand below it.
    """
    figure.set_dpi(_DPI)
    with ours():
        if of:
            figure = _above_strip(figure, of)
        with files.replacing(path) as temporary:
            FigureCanvasAgg(figure).print_png(temporary)  # savefig would draw it twice


def _above_strip(figure: Figure, of: str) -> Figure:
    """A picture as it is, above a strip that says what it is of."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())
    height, width = pixels.shape[:2]
    whole = Figure(figsize=(width / _DPI, (height + _STRIP) / _DPI), dpi=_DPI)
    whole.figimage(pixels, 0, _STRIP, origin="upper")
    whole.text(0.995, 6 / (height + _STRIP), of, ha="right", va="bottom", fontsize=8.5, color=GREY)
    return whole
