"""Pictures of what is inside the machine: codes of images, weights as Hinton diagrams."""

import math

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from analysis import style
from analysis.fields import squares
from analysis.material import Material
from analysis.names import number, symbol_of, unit_of
from hmjax import machine
from hmjax.store.runs import Run
from hmjax.tasks import shown_names

PANEL = 6.8  # inches that the widest diagram has
NUMBERED = 20  # units, beyond which every fifth or tenth has its number


def recognition_codes(run: Run, _: Material) -> Figure:
    """How the recognition net codes every image of a small support."""
    task = run.experiment.task
    support = task.support()
    order = np.argsort(support.label, kind="stable")
    images = support.images[order]
    codes: list[np.ndarray] = []
    for layer in run.params.recognition:
        inputs = jax.numpy.asarray(codes[-1] if codes else images)
        codes.append(np.asarray(jax.nn.sigmoid(machine.logits(layer, inputs))))
    table = np.concatenate(codes, axis=1)

    rows, columns = task.image_shape
    height = 11 * (rows + 3) / ((columns + 3) * len(images))  # inches, for square pixels
    figure = Figure(figsize=(12, 5 + height), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(height, 4))
    # An image of several classes has the label 0.
    names = dict(zip((*task.class_labels, 0), shown_names(task), strict=False))
    colours = style.shown_colours(len(task.class_labels))
    by_label = dict(zip(names, colours, strict=False))
    labels = support.label[order]
    picture = style.mosaic(
        images.reshape(-1, *task.image_shape), len(images), frames=[by_label[x] for x in labels]
    )
    above.imshow(picture, interpolation="nearest", aspect="auto")
    style.bare(above)
    for label in np.unique(labels):
        middle = np.flatnonzero(labels == label).mean() + 0.5
        above.text(
            middle / len(images), 1.1, names[label], transform=above.transAxes, ha="center",
            color=by_label[label],
        )  # fmt: skip
    shown = below.imshow(table.T, aspect="auto", cmap="viridis", vmin=0, vmax=1)
    units = [
        symbol_of(unit, layer, len(codes))
        for layer, code in enumerate(codes, 1)
        for unit in range(code.shape[1])
    ]
    below.set_yticks(range(len(units)), units)
    below.set_xticks([])
    below.set_xlabel(f"the {len(images)} images of the task, above")
    figure.colorbar(shown, ax=below, label="probability that the unit is on", pad=0.01)
    figure.suptitle("How the recognition net codes every image, mean field layer by layer")
    return figure


def weights(run: Run, _: Material) -> Figure:
    """Hinton diagrams of every weight and bias."""
    params = run.params
    depth = len(params.generative)
    heights = [3.5, *(layer.weight.shape[0] + 4 for layer in params.generative[::-1])]
    widest = max(layer.weight.shape[1] for layer in params.generative) + 2
    figure = Figure(figsize=(15, min(16.0, 1.8 + 7.3 * sum(heights) / widest)))
    figure.set_layout_engine("constrained", h_pad=0.08)
    top, *grid = figure.subplots(depth + 1, 2, height_ratios=heights)
    room = math.ceil(0.16 * widest / PANEL)  # squares that the number of a unit is wide
    bias = np.asarray(params.prior.bias)[None]
    hinton(top[0], bias, f"generative bias $b_{depth}$ of the top", room)
    top[0].set_xlabel("top unit")
    top[0].set_yticks([])
    top[1].set_axis_off()
    for (left, right), level in zip(grid, reversed(range(depth)), strict=True):
        generative, recognition = params.generative[level], params.recognition[level]
        hinton(
            left,
            np.vstack([generative.weight, generative.bias[None]]),
            f"generative $W_{level}$ and bias $b_{level}$",
            room,
            last_row="bias",
        )
        hinton(
            right,
            np.column_stack([recognition.weight.T, recognition.bias]),
            f"recognition $R_{level}$, transposed, and bias $c_{level}$",
            room,
            last_column="bias",
        )
        for axes in (left, right):
            axes.set_ylabel(unit_of(level + 1, depth))
            axes.set_xlabel(unit_of(level, depth))
    figure.suptitle(
        "Hinton diagrams of the weights: a square's area is the size, white positive, black "
        "negative; each panel to its own scale"
    )
    return figure


def hinton(
    axes: Axes,
    table: np.ndarray,
    title: str,
    room: int,
    *,
    last_row: str = "",
    last_column: str = "",
) -> None:
    """A Hinton diagram of a matrix: white squares are positive, black negative.

    Args:
      axes: where.
      table: the matrix; what is not finite in it has no square.
      title: what it is; what a full square stands for is added to it.
      room: squares that the number of a unit takes.
      last_row: what its last row is, if that is not one of the units.
      last_column: likewise.
    """
    rows, columns = table.shape
    sizes = np.nan_to_num(np.abs(table), posinf=0)
    full = style.largest(table)
    y, x = np.divmod(np.arange(table.size), columns)
    corners = squares(np.stack([x, y], axis=-1), 0.48 * np.sqrt(sizes / full))
    colours = np.where(table.ravel() > 0, "white", "black")
    axes.add_collection(PolyCollection(list(corners), facecolors=colours))
    axes.set_facecolor(style.GREY)
    axes.set_xlim(-0.7, columns - 0.3)
    axes.set_ylim(rows - 0.3, -0.7)
    axes.set_aspect("equal")
    axes.set_xticks(*_unit_ticks(columns, room, last_column))
    axes.set_yticks(*_unit_ticks(rows, room, last_row))
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_visible(False)
    axes.set_title(f"{title} (full square: {number(full)})", fontsize=11)


def _unit_ticks(count: int, room: int, last: str) -> tuple[list[int], list[str]]:
    """Where the numbers of units stand, from 1, and the name of the last place if it is none."""
    units = count - bool(last)
    steps = (1, 5, 10, 50, 100, max(units, room))
    apart = next(each for each in steps if room <= each and units <= NUMBERED * each)
    places = sorted({0, *range(apart - 1, units, apart)})
    if last:
        places = [place for place in places if units - place >= 2 * room or room == 1]
    labels = [str(place + 1) for place in places]
    return ([*places, units], [*labels, last]) if last else (places, labels)
