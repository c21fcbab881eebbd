"""Pictures of what is inside the machine: receptive fields, codes, weights."""

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from analysis import style
from analysis.material import Material
from hmjax import machine, measures
from hmjax.runs import Run

UNITS = 48  # hidden units that a picture has room for
TOPS = 6


def layer2_receptive_fields(run: Run, _: Material) -> Figure:
    """The generative over the recognition field of each hidden unit, with its weights to the top."""
    draws, sees = fields(run.params, run.experiment.task.image_shape)
    draws, sees = draws[:UNITS], sees[:UNITS]
    columns = min(8, len(draws))
    rows = -(-len(draws) // columns)
    height, width = draws.shape[1] + 3, draws.shape[2] + 3
    figure = Figure(figsize=(12, 1.2 + 2.25 * rows), layout="constrained")
    grid = figure.subplots(rows, 1, squeeze=False)[:, 0]
    has_top = len(run.params.generative) > 1
    for row, axes in enumerate(grid):
        part = slice(row * columns, (row + 1) * columns)
        pair = np.concatenate([_padded(draws[part], columns), _padded(sees[part], columns)])
        axes.imshow(style.mosaic(pair, columns, cmap=style.SIGNED), interpolation="nearest")
        style.bare(axes)
        axes.set_yticks([height * 0.45, height * 1.45], ["draws", "sees"])
        axes.tick_params(length=0)
        for place, unit in enumerate(range(len(draws))[part]):
            x = place * width + width / 2 - 1
            axes.text(x, -0.8, f"$h_{{{unit + 1}}}$", ha="center", va="bottom")
            if has_top:
                weights = np.asarray(run.params.generative[1].weight)[:TOPS, unit]
                text = " ".join(f"{w:+.1f}" for w in weights)
                axes.text(x, 2 * height - 1, text, ha="center", va="top", fontsize=8)
    what = "weights from the layer above below it" if has_top else "no layer above"
    figure.suptitle(
        f"Hidden units: what each draws, p(v | only it on) - p(v | none on), and what it sees, its "
        f"recognition weights;\n{what}. Purple is positive, orange negative, white zero"
    )
    return figure


def recognition_codes(run: Run, _: Material) -> Figure:
    """How the recognition net codes every image of a small support."""
    task = run.experiment.task
    support = task.support()
    order = np.argsort(support.label, kind="stable")
    images, codes = support.images[order], []
    for layer in run.params.recognition:
        inputs = images if not codes else codes[-1]
        codes.append(np.asarray(jax.nn.sigmoid(machine.logits(layer, inputs))))
    table = np.concatenate(codes, axis=1)

    figure = Figure(figsize=(12, 5.6), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=(1, 3))
    names = dict(zip(task.class_labels, task.class_names, strict=True)) | {0: "either"}
    colours = style.shown_colours(len(task.class_labels))
    by_label = dict(zip((*task.class_labels, 0), colours, strict=False))
    labels = support.label[order]
    picture = style.mosaic(
        images.reshape(-1, *task.image_shape), len(images), frames=[by_label[x] for x in labels]
    )
    above.imshow(picture, interpolation="nearest", aspect="auto")
    style.bare(above)
    for label in np.unique(labels):
        middle = np.flatnonzero(labels == label).mean() + 0.5
        above.text(
            middle / len(images), 1.05, names[label], transform=above.transAxes, ha="center",
            color=by_label[label],
        )  # fmt: skip
    shown = below.imshow(table.T, aspect="auto", cmap="viridis", vmin=0, vmax=1)
    units = [f"$h_{{{j + 1}}}$" for j in range(table.shape[1] - codes[-1].shape[1])]
    units += [f"$t_{{{k + 1}}}$" for k in range(codes[-1].shape[1])]
    below.set_yticks(range(len(units)), units)
    below.set_xticks([])
    below.set_xlabel(f"the {len(images)} images of the task, above")
    figure.colorbar(shown, ax=below, label="probability that the unit is on", pad=0.01)
    figure.suptitle("How the recognition net codes every image, mean field layer by layer")
    return figure


def weights(run: Run, _: Material) -> Figure:
    """Hinton diagrams of every weight and bias."""
    params = run.params
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    depth = len(params.generative)
    heights = [layer.weight.shape[0] + 2 for layer in params.generative[::-1]]
    nets = figure.subfigures(1, 2, width_ratios=(1.25, 1))
    generative = nets[0].subplots(depth, 1, squeeze=False, height_ratios=heights)[:, 0]
    recognition = nets[1].subplots(depth, 1, squeeze=False)[:, 0]
    for row, level in enumerate(reversed(range(depth))):
        for axes, layer, title, ends in (
            (generative[row], params.generative[level], "W", (level + 1, level)),
            (recognition[row], params.recognition[level], "R", (level, level + 1)),
        ):
            table = np.vstack([np.asarray(layer.weight), np.asarray(layer.bias)[None]])
            hinton(axes, table)
            largest = np.abs(table).max()
            axes.set_title(
                f"${title}_{level}$: layer {ends[0]} (rows, last row the bias) to "
                f"layer {ends[1]} (columns); largest {largest:.1f}",
                fontsize=10,
            )
    nets[0].suptitle("generative")
    nets[1].suptitle("recognition")
    figure.suptitle(
        "Weights: area of a square is a weight's size; white positive, black negative\n"
    )
    return figure


def hinton(axes: Axes, table: np.ndarray) -> None:
    """A Hinton diagram of a matrix: white squares are positive, black negative."""
    rows, columns = table.shape
    half = 0.48 * np.sqrt(np.abs(table) / max(np.abs(table).max(), 1e-12)).reshape(-1, 1, 1)
    y, x = np.divmod(np.arange(table.size), columns)
    centres = np.stack([x, y], axis=-1)[:, None, :]
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    colours = np.where(table.ravel() > 0, "white", "black")
    axes.add_collection(PolyCollection(centres + half * corners, facecolors=colours))
    axes.set_facecolor(style.GREY)
    axes.set_xlim(-0.7, columns - 0.3)
    axes.set_ylim(rows - 0.3, -0.7)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


def fields(params: machine.Params, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Generative and recognition fields `[n_1, rows, columns]`, each scaled to within -1 to 1."""
    both = measures.generative_fields(params), measures.recognition_fields(params)
    scaled = (np.asarray(field) / max(float(np.abs(field).max()), 1e-12) for field in both)
    draws, sees = (field.reshape(-1, *shape) for field in scaled)
    return draws, sees


def _padded(images: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([images, np.zeros((n - len(images), *images.shape[1:]))])
