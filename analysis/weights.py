"""Pictures of what is inside the machine: receptive fields, codes, weights."""

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from analysis import style
from analysis.material import Material
from hmjax import machine, measures
from hmjax.store.runs import Run

UNITS = 48  # hidden units that a picture has room for
TOPS = 4


def hidden_units(run: Run, _: Material) -> Figure:
    """What each hidden unit draws, from the first step to the last."""
    steps = run.curves["step"]
    wanted = [share * steps[-1] for share in (0, 0.1, 0.2, 0.5, 1)]
    shown = list(dict.fromkeys(int(np.argmin(np.abs(steps - step))) for step in wanted))
    shape = run.experiment.task.image_shape
    fields = np.stack(
        [
            np.asarray(measures.generative_fields(jax.tree.map(lambda x, i=i: x[i], run.snapshots)))
            for i in shown
        ]
    )[:, :UNITS].reshape(len(shown), -1, *shape)
    units = fields.shape[1]
    columns = min(24 if shape[1] <= 8 else 12, units)
    lines = -(-units // columns)
    height = lines * 11 * (shape[0] + 3) / (columns * (shape[1] + 3))
    figure = Figure(figsize=(12, 1.0 + len(shown) * (height + 0.15)), layout="constrained")
    for axes, index, each in zip(
        figure.subplots(len(shown), 1, squeeze=False)[:, 0], shown, fields, strict=True
    ):
        axes.imshow(style.mosaic(each, columns, cmap=style.SIGNED), interpolation="nearest")
        style.bare(axes)
        label = f"step {style.thousands(steps[index])}"
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    figure.suptitle(
        f"{run.experiment.name}, seed {run.experiment.seed}: what each hidden unit draws as it "
        "learns, p(v | only it on) - p(v | none on).\nPurple: it turns a pixel on; orange: off"
        + (f"; the first {units} units" if units < run.experiment.sizes[1] else "")
    )
    return figure


def layer2_receptive_fields(run: Run, _: Material) -> Figure:
    """The generative over the recognition field of each hidden unit, with its weights upward."""
    draws, sees = fields(run.params, run.experiment.task.image_shape)
    draws, sees = draws[:UNITS], sees[:UNITS]
    columns = min(8, len(draws))
    rows = -(-len(draws) // columns)
    height, width = draws.shape[1] + 3, draws.shape[2] + 3
    figure = Figure(
        figsize=(12, 0.9 + rows * (0.6 + 24 * height / (columns * width))), layout="constrained"
    )
    grid = figure.subplots(rows, 1, squeeze=False)[:, 0]
    has_top = len(run.params.generative) > 1
    few_tops = has_top and len(run.params.generative[1].weight) <= TOPS
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
            if has_top and few_tops:
                weights = np.asarray(run.params.generative[1].weight)[:, unit]
                text = " ".join(f"{w:+.1f}" for w in weights)
                axes.text(x, 2 * height - 1, text, ha="center", va="top", fontsize=8)
    numbers = "; numbers: weights from the units above" if few_tops else ""
    figure.suptitle(
        "Hidden units as feature detectors. Above: what one draws, p(v | only it on) - "
        "p(v | none on).\nBelow: what it sees, its recognition weights. "
        f"Purple: positive; orange: negative{numbers}"
    )
    return figure


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
            middle / len(images), 1.1, names[label], transform=above.transAxes, ha="center",
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
    depth = len(params.generative)
    heights = [3.5, *(layer.weight.shape[0] + 4 for layer in params.generative[::-1])]
    widest = max(layer.weight.shape[1] for layer in params.generative) + 2
    figure = Figure(
        figsize=(15, min(16.0, 1.6 + 7.3 * sum(heights) / widest)), layout="constrained"
    )
    top, *grid = figure.subplots(depth + 1, 2, height_ratios=heights)
    hinton(top[0], np.asarray(params.prior.bias)[None], f"generative bias $b_{depth}$ of the top")
    top[0].set_xlabel(f"unit of layer {depth}")
    top[1].set_axis_off()
    for (left, right), level in zip(grid, reversed(range(depth)), strict=True):
        generative, recognition = params.generative[level], params.recognition[level]
        hinton(
            left,
            np.vstack([generative.weight, generative.bias[None]]),
            f"generative $W_{level}$; last row: bias $b_{level}$",
        )
        hinton(
            right,
            np.column_stack([recognition.weight.T, recognition.bias]),
            f"recognition $R_{level}$, transposed; last column: bias $c_{level}$",
        )
        for axes in (left, right):
            axes.set_ylabel(f"unit of layer {level + 1}")
            axes.set_xlabel(f"unit of layer {level}")
    figure.suptitle(
        "Hinton diagrams of the weights: a square's area is the size, white positive, black "
        "negative; each panel to its own scale"
    )
    return figure


def hinton(axes: Axes, table: np.ndarray, title: str) -> None:
    """A Hinton diagram of a matrix: white squares are positive, black negative."""
    rows, columns = table.shape
    half = 0.48 * np.sqrt(np.abs(table) / max(np.abs(table).max(), 1e-12)).reshape(-1, 1, 1)
    y, x = np.divmod(np.arange(table.size), columns)
    centres = np.stack([x, y], axis=-1)[:, None, :]
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    colours = np.where(table.ravel() > 0, "white", "black")
    axes.add_collection(PolyCollection(list(centres + half * corners), facecolors=colours))
    axes.set_facecolor(style.GREY)
    axes.set_xlim(-0.7, columns - 0.3)
    axes.set_ylim(rows - 0.3, -0.7)
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    axes.set_title(f"{title} (largest {np.abs(table).max():.1f})", fontsize=11)


def fields(params: machine.Params, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Generative and recognition fields `[n_1, rows, columns]`, each scaled to within -1 to 1."""
    both = measures.generative_fields(params), measures.recognition_fields(params)
    scaled = (np.asarray(field) / max(float(np.abs(field).max()), 1e-12) for field in both)
    draws, sees = (field.reshape(-1, *shape) for field in scaled)
    return draws, sees


def _padded(images: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate([images, np.zeros((n - len(images), *images.shape[1:]))])
