"""Pictures of what the machine draws: fantasies, free and with the top held, reconstructions."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.material import FANTASIES, Material
from analysis.names import symbol_of
from hmjax.store.runs import Run
from hmjax.tasks import Images, shown_names

TOPS = 8  # top units that a picture has room for
MANY_TOPS = 23  # and without a chart beside them
GALLERY = 32


def generated_samples(run: Run, material: Material) -> Figure:
    """64 fantasies, each framed in the colour of what it shows."""
    shares = run.results["fantasies"]
    figure = Figure(figsize=(9, 1.1 + 8 * _aspect(run)), layout="constrained")
    axes = figure.subplots()
    _gallery(axes, run, material.fantasies, material.shown, columns=8)
    if not run.experiment.task.can_show:
        figure.suptitle(f"{FANTASIES} fantasies of {run.experiment.name}")
        return figure
    title = f"{FANTASIES} fantasies. Of {run.experiment.evaluation.fantasies:,} more: " + ", ".join(
        f"{share:.0%} {name}" for name, share in shares.items()
    )
    figure.suptitle(textwrap.fill(title, 75))
    style.shown_legend(figure, run.experiment.task)
    return figure


def nearest_images(run: Run, material: Material) -> Figure:
    """Fantasies over the images of the training set that are nearest to them."""
    task = run.experiment.task
    assert isinstance(task, Images)
    trained = task.shares(task.drawn.images)
    fantasies = material.fantasies[:24]
    flat = fantasies.reshape(len(fantasies), -1)
    apart = flat @ (1 - trained).T + (1 - flat) @ trained.T
    nearest, pixels = apart.argmin(axis=1), apart.min(axis=1)
    like = trained[nearest].reshape(fantasies.shape)
    figure = Figure(figsize=(11, 1.3 + 3 * 2.3 * _aspect(run)), layout="constrained")
    for line, axes in enumerate(figure.subplots(3, 1)):
        part = slice(8 * line, 8 * line + 8)
        picture = _pairs(axes, fantasies[part], like[part], ["fantasy", "nearest"])
        places = (np.arange(8) + 0.5) * (picture.shape[1] + 1) / 8 - 1
        axes.set_xticks(places, [f"{apart:.0f}" for apart in pixels[part]])
    copies = int((pixels == 0).sum())
    figure.suptitle(
        "Fantasies, below each the nearest of the images trained on, and by how many pixels they "
        f"differ:\nmedian {np.median(pixels):.0f}, and {copies} of {len(pixels)} are copies"
    )
    return figure


def top_units(run: Run, material: Material) -> Figure:
    """What the machine draws with each top unit alone on."""
    tops = len(material.given_top) - 1
    rows = [*range(min(tops, MANY_TOPS)), tops]
    labels = _held(run, rows[:-1])
    columns = 2 if len(rows) > TOPS else 1
    lines = -(-len(rows) // columns)
    figure = Figure(figsize=(12, 0.8 + lines * 0.42 * _aspect(run)), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes, row, label in zip(grid, rows, labels, strict=False):
        images, what = material.given_top[row, :16], material.shown_given_top[row, :16]
        _gallery(axes, run, images, what, columns=16)
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    for left_over in grid[len(rows) :]:
        left_over.remove()
    first = f", the first {MANY_TOPS} of {tops}" if tops > MANY_TOPS else ""
    figure.suptitle(f"Fantasies with one top unit on and the others off{first}")
    return figure


def layer3_selectivity(run: Run, material: Material) -> Figure:
    """What each top unit, alone on, makes the machine draw: probabilities and fantasies."""
    names = shown_names(run.experiment.task)
    colours = style.shown_colours(len(names) - 2)
    exact = np.array(run.results["shown_given_top_exact"], float)
    shown = exact if np.isfinite(exact).all() else run.curves["shown_given_top"][-1]
    tops = min(len(shown) - 1, TOPS)
    rows = [*range(tops), len(shown) - 1]
    labels = _held(run, rows[:-1])

    # Each row holds the bars of a top unit and, beside them, what they are the shares of.
    height = max(0.85 * _aspect(run), 0.25 + 0.22 * (len(names) - 2))
    figure = Figure(figsize=(12, 1.5 + height * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), 2, width_ratios=(2, 3), squeeze=False)
    reach = 1.18 * max(0.25, shown[rows][:, :-2].max())
    for (bars, images), row, label in zip(grid, rows, labels, strict=True):
        drawn = bars.barh(names[:-2], shown[row, :-2], 0.85, color=colours)
        bars.bar_label(drawn, fmt="%.2f", fontsize=9, padding=3)
        bars.set_xlim(0, reach)
        bars.invert_yaxis()
        bars.set_yticks([])
        bars.set_ylabel(label, rotation=0, ha="right", va="center")
        bars.tick_params(labelbottom=row == rows[-1])
        what = material.shown_given_top[row, :GALLERY]
        _gallery(images, run, material.given_top[row, :GALLERY], what, columns=16)
    grid[-1, 0].set_xlabel("probability that a fantasy shows it")
    selectivity = run.results["selectivity_exact"]
    moves = ""
    if selectivity is not None and None not in selectivity:
        strongest = max(selectivity, key=abs)
        moves = f"\nP({names[-3]}) moves by up to {strongest:+.2f} from where all are off"
    kind = run.experiment.task.class_kind
    first = f"; the first {tops} of {len(shown) - 1}" if tops < len(shown) - 1 else ""
    figure.suptitle(
        f"Is a top unit selective for {kind}? What fantasies show with it alone on{first}{moves}"
    )
    style.shown_legend(figure, run.experiment.task)
    return figure


def reconstructions(run: Run, material: Material) -> Figure:
    """Inputs over what the machine makes of them through its first hidden layer."""
    agree = np.mean((material.reconstructions > 0.5) == (material.inputs > 0.5))
    figure = Figure(figsize=(9, 1.3 + 4 * _aspect(run)), layout="constrained")
    halves = figure.subplots(2, 1)
    for half, axes in enumerate(halves):
        part = slice(8 * half, 8 * half + 8)
        names = ["input", "reconstruction"]
        _pairs(axes, material.inputs[part], material.reconstructions[part], names)
    figure.suptitle(
        "16 inputs, and below each its reconstruction p(v | h), h sampled from q(h | input):\n"
        f"{agree:.1%} of these pixels agree when rounded"
    )
    return figure


def _held(run: Run, units: Sequence[int]) -> list[str]:
    """What rows are called that have each of some top units alone on, and the last has none."""
    depth = len(run.experiment.sizes) - 1
    return [*(symbol_of(unit, depth, depth) for unit in units), "all off"]


def _pairs(axes: Axes, above: np.ndarray, below: np.ndarray, names: list[str]) -> np.ndarray:
    """Draws eight images over eight others, with the names of the two rows; gives the picture."""
    picture = style.mosaic(np.concatenate([above, below]), 8)
    axes.imshow(picture, interpolation="nearest")
    style.bare(axes)
    axes.set_yticks([len(picture) * 0.24, len(picture) * 0.76], names)
    axes.tick_params(length=0)
    return picture


def _aspect(run: Run) -> float:
    """The height in inches of a row of eight framed images that is 9 inches wide."""
    rows, columns = run.experiment.task.image_shape
    return 9 / 8 * (rows + 3) / (columns + 3)


def _gallery(axes: Axes, run: Run, images: np.ndarray, shown: np.ndarray, *, columns: int) -> None:
    colours = style.shown_colours(len(run.experiment.task.class_names))
    picture = style.mosaic(images, columns, frames=[colours[what] for what in shown])
    axes.imshow(picture, interpolation="nearest")
    style.bare(axes)
