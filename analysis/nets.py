"""The picture of the two nets: units in layers, joined by their strongest weights."""

import itertools
import textwrap
from typing import Any, NamedTuple

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection, PolyCollection
from matplotlib.figure import Figure

from analysis import style
from analysis.fields import squares
from analysis.material import Material
from analysis.names import unit_of
from hmjax.machine import Params
from hmjax.store.runs import Run

UNITS = 64  # of a layer that a picture has room for, but for pixels
EACH = 8  # weights that a unit is drawn with
LINES = 128  # and between two layers
LEAST = 0.05  # of the strongest weight; weaker ones have no line
NUMBERED = 20  # units of a layer that leave room for their numbers

WIDTH, APART = 10.0, 2.1  # of a panel, and from layer to layer
INCHES = 6.0  # that the width of a panel takes
_PIXELS_HIGH = 3.6  # the most that the pixels may take


class Net(NamedTuple):
    """One of the two nets.

    Attributes:
      title: what it is.
      weights: `[n_{l+1}, n_l]` for each pair of layers, from the lowest.
      biases: `[n_l]` for each layer; None for one that it does not predict.
    """

    title: str
    weights: list[np.ndarray]
    biases: list[np.ndarray | None]


class Layout(NamedTuple):
    """Where the units of a machine stand.

    Attributes:
      units: for each layer, the units shown, by index.
      places: for each layer, `[shown, 2]`, their centres.
      sizes: for each layer, how wide a unit is.
    """

    units: list[np.ndarray]
    places: list[np.ndarray]
    sizes: list[float]


def nets(run: Run, _: Material) -> Figure:
    """The generative and the recognition net, from their strongest weights and their biases."""
    generative, recognition = both = nets_of(run.params)
    layout = lay_out(generative.weights, recognition.weights, run.experiment.task.image_shape)
    weight = max(style.largest(each) for net in both for each in net.weights)
    bias = max(style.largest(each) for net in both for each in net.biases if each is not None)

    height = layout.places[-1][0, 1] + 1.2
    figure = Figure(figsize=(13.5, 1.6 + INCHES * height / WIDTH), layout="constrained")
    grid = figure.add_gridspec(2, 2, height_ratios=(INCHES * height / WIDTH, 0.12))
    for place, net in enumerate(both):
        axes = figure.add_subplot(grid[0, place])
        axes.set_xlim(-0.1, WIDTH + 0.1)
        axes.set_ylim(-0.3, height - 0.3)
        axes.set_aspect("equal")
        style.bare(axes)
        for level, table in enumerate(net.weights):
            _draw_lines(axes, layout, level, table, weight)
        for layer, values in enumerate(net.biases):
            _draw_units(axes, layout, layer, values, bias)
        axes.set_title(net.title)
        if place == 0:
            layers = range(len(layout.units))
            names = [unit_of(layer, layers[-1]).replace(" unit", "\nunits") for layer in layers]
            axes.set_yticks([places[:, 1].mean() for places in layout.places], names)
            axes.tick_params(length=0)
    lines, units = (figure.add_subplot(grid[1, place]) for place in (0, 1))
    across = {"orientation": "horizontal"}
    of_line = "a line, also by its width: weight"
    style.signed_key(figure, weight, of_line, style.SIGNED_LINES, cax=lines, **across)
    of_unit = "a unit: bias (the recognition net has none for pixels)"
    style.signed_key(figure, bias, of_unit, cax=units, **across)
    figure.suptitle(_title(run.experiment.sizes, layout))
    return figure


def nets_of(params: Params) -> tuple[Net, Net]:
    """The generative and the recognition net of a machine."""
    generative = Net(
        "Generative net: from the top down to the pixels",
        [_finite(layer.weight) for layer in params.generative],
        [*(_finite(layer.bias) for layer in params.generative), _finite(params.prior.bias)],
    )
    recognition = Net(
        "Recognition net: from the pixels up to the top",
        [_finite(layer.weight).T for layer in params.recognition],
        [None, *(_finite(layer.bias) for layer in params.recognition)],
    )
    return generative, recognition


def _finite(values: jax.Array) -> np.ndarray:
    """Parameters, 0 where they overflowed: nothing is drawn of those."""
    return np.nan_to_num(np.asarray(values), nan=0, posinf=0, neginf=0)


def _title(sizes: tuple[int, ...], layout: Layout) -> str:
    depth, counts = len(sizes) - 1, [len(units) for units in layout.units]
    units = [unit_of(layer, depth) for layer in range(1, depth + 1)]
    each = [lines_of(above, below) for below, above in itertools.pairwise(counts)]
    lines = [f"{count} of each {unit}" for count, unit in zip(each, units, strict=True)]
    if len(set(each)) == 1:
        lines = [f"{each[0]} of each unit"]
    cut = [
        f"{count} of {size} {unit}s"
        for count, size, unit in zip(counts[1:], sizes[1:], units, strict=True)
        if count < size
    ]
    most = f". Shown are {', '.join(cut)}: those with the strongest weights" if cut else ""
    text = f"Lines: the strongest weights to the layer below, up to {', '.join(lines)}{most}"
    return f"The two nets, drawn from their parameters.\n{textwrap.fill(text, 125)}"


def lines_of(above: int, below: int) -> int:
    """With how many of its weights to the layer below a unit is drawn: few where units are many."""
    return min(below, EACH, max(1, LINES // above))


def lay_out(down: list[np.ndarray], up: list[np.ndarray], shape: tuple[int, int]) -> Layout:
    """Finds which units of each layer are shown, and where.

    Args:
      down: the generative weights, `[n_{l+1}, n_l]` from the lowest.
      up: the recognition weights, transposed alike.
      shape: rows and columns of an image.

    Returns:
      The pixels of the image in their places at the bottom, above them a row for each layer, of
      the `UNITS` with the strongest weights where there are more.
    """
    rows, columns = shape
    pitch = min(WIDTH / columns, _PIXELS_HIGH / rows)
    row, column = np.divmod(np.arange(rows * columns), columns)
    x = (column - (columns - 1) / 2) * pitch + WIDTH / 2
    units, sizes = [np.arange(rows * columns)], [0.7 * pitch]
    places: list[np.ndarray] = [np.stack([x, (rows - 1 - row + 0.5) * pitch], axis=-1)]
    height = rows * pitch
    for generative, recognition in zip(down, up, strict=True):
        height += APART
        strength = np.maximum(np.abs(generative), np.abs(recognition)).max(axis=1)
        shown = np.sort(np.argsort(-strength, kind="stable")[:UNITS])
        pitch = min(1.0, WIDTH / len(shown))
        across = (np.arange(len(shown)) - (len(shown) - 1) / 2) * pitch + WIDTH / 2
        units.append(shown)
        places.append(np.stack([across, np.full(len(shown), height)], axis=-1))
        sizes.append(min(0.5, 0.85 * pitch))
    return Layout(units, places, sizes)


def strongest_of(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of each row's strongest weights, weak ones first."""
    size = np.abs(table)
    each = lines_of(*table.shape)
    columns = np.argsort(-size, axis=1, kind="stable")[:, :each].ravel()
    rows = np.repeat(np.arange(len(table)), each)
    order = np.argsort(size[rows, columns], kind="stable")
    return rows[order], columns[order]


def _draw_lines(
    axes: Axes, layout: Layout, level: int, table: np.ndarray, strongest: float
) -> None:
    shown = table[np.ix_(layout.units[level + 1], layout.units[level])]
    above, below = strongest_of(shown)
    seen = np.abs(shown[above, below]) >= LEAST * strongest
    above, below = above[seen], below[seen]
    weights = shown[above, below]
    # From edge to edge of units, but to the middle of a pixel, above those on the way to it.
    begin = layout.places[level + 1][above] - [0, layout.sizes[level + 1] / 2]
    end = layout.places[level][below] + [0, layout.sizes[level] / 2 if level else 0]
    colours = {"array": weights, "cmap": style.SIGNED_LINES, "clim": (-strongest, strongest)}
    axes.add_collection(
        LineCollection(
            list(np.stack([begin, end], axis=1)),
            linewidths=0.4 + 1.8 * np.abs(weights) / strongest,
            zorder=4,
            **colours,
        )
    )
    if level == 0:
        dot = np.full(len(end), 0.25 * layout.sizes[0])
        axes.add_collection(_circles(axes, end, dot, zorder=5, **colours))


def _draw_units(
    axes: Axes, layout: Layout, layer: int, biases: np.ndarray | None, limit: float
) -> None:
    places, size, units = layout.places[layer], layout.sizes[layer], layout.units[layer]
    how: dict[str, Any] = {"edgecolors": style.BLACK, "linewidths": 0.7, "zorder": 3}
    if biases is None:
        how["facecolors"] = "#FFFFFF"
    else:
        how |= {"array": biases[units], "cmap": style.SIGNED, "clim": (-limit, limit)}
    if layer == 0:
        half = np.full(len(units), size / 2)
        axes.add_collection(PolyCollection(list(squares(places, half)), **how))
        return
    axes.add_collection(_circles(axes, places, np.full(len(units), size), **how))
    if len(units) > NUMBERED:
        return
    for unit, (x, y) in zip(units, places, strict=True):
        dark = biases is not None and abs(biases[unit]) > 0.6 * limit
        axes.text(
            x, y, str(unit + 1), ha="center", va="center", fontsize=8, zorder=4,
            color="white" if dark else "black",
        )  # fmt: skip


def _circles(axes: Axes, places: np.ndarray, widths: np.ndarray, **how: Any) -> EllipseCollection:
    return EllipseCollection(
        widths, widths, np.zeros(len(widths)), units="xy", offsets=places,
        offset_transform=axes.transData, **how,
    )  # fmt: skip
