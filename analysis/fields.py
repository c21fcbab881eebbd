"""Pictures of hidden units as feature detectors: what they draw, what they see."""

from collections.abc import Sequence

import jax
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from analysis import style
from analysis.material import Material
from analysis.names import symbol_of, unit_of
from hmjax import measures
from hmjax.machine import Params
from hmjax.store.runs import Run

UNITS = 48  # hidden units that a picture has room for
ABOVE = 24  # units above them whose weights it has room for


def drawn_by_units(params: Params, shape: tuple[int, int]) -> np.ndarray:
    """What each hidden unit draws, p(v | only it on) - p(v | none on), `[n_1, rows, columns]`."""
    return np.asarray(measures.generative_fields(params)).reshape(-1, *shape)


def hidden_units(run: Run, _: Material) -> Figure:
    """What each hidden unit draws, from the first step to the last."""
    steps = run.curves["step"]
    wanted = [share * steps[-1] for share in (0, 0.1, 0.2, 0.5, 1)]
    shown = list(dict.fromkeys(int(np.argmin(np.abs(steps - step))) for step in wanted))
    shape = run.experiment.task.image_shape
    snapshots = [jax.tree.map(lambda x, i=i: x[i], run.snapshots) for i in shown]
    fields = np.stack([drawn_by_units(snapshot, shape)[:UNITS] for snapshot in snapshots])
    limit, units = style.largest(fields), fields.shape[1]
    columns = min(24 if shape[1] <= 8 else 12, units)
    lines = -(-units // columns)
    height = lines * 11 * (shape[0] + 3) / (columns * (shape[1] + 3))
    figure = Figure(figsize=(12, 1.0 + len(shown) * (height + 0.15)), layout="constrained")
    grid = figure.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, index, each in zip(grid, shown, fields, strict=True):
        picture = style.mosaic(each / limit, columns, cmap=style.SIGNED)
        axes.imshow(picture, interpolation="nearest")
        style.bare(axes)
        label = f"step {style.thousands(steps[index])}"
        axes.set_ylabel(label, rotation=0, ha="right", va="center")
    style.signed_key(figure, limit, "change of p(pixel on)", ax=list(grid), aspect=30, pad=0.01)
    whole = run.experiment.sizes[1]
    which = f"the {units}" if units == whole else f"the first {units} of {whole}"
    figure.suptitle(
        f"What {which} {'hidden' if len(run.experiment.sizes) > 2 else 'top'} units draw as they "
        "learn: p(v | only it on) - p(v | none on)"
    )
    return figure


def layer2_receptive_fields(run: Run, _: Material) -> Figure:
    """The generative over the recognition field of each hidden unit, and its weights from above."""
    params, shape = run.params, run.experiment.task.image_shape
    depth = len(params.generative)
    draws = drawn_by_units(params, shape)[:UNITS]
    sees = np.asarray(measures.recognition_fields(params)).reshape(-1, *shape)[:UNITS]
    above = np.asarray(params.generative[1].weight)[:ABOVE, :UNITS] if depth > 1 else None
    keys = [
        (style.largest(draws), "draws: change of p(pixel on)"),
        (style.largest(sees), "sees: recognition weight"),
    ]
    if above is not None:
        keys.append((style.largest(above), f"generative weight from a {unit_of(2, depth)}"))

    columns, room, cells = (8, 1.5, 8) if len(draws) <= 32 else (12, 1.05, 5)
    columns = min(columns, len(draws))
    rows = -(-len(draws) // columns)
    high, wide = shape[0] + 3, shape[1] + 3
    lines = 0 if above is None else -(-len(above) // cells)
    bottom = 2 * high - 1.5 if above is None else 2 * high - 0.5 + lines * (wide - 1) / cells
    inches = room * bottom / wide
    size = (max(9.0, room * columns + 1.0), 1.4 + rows * (inches + 0.45))
    figure = Figure(figsize=size)
    figure.set_layout_engine("constrained", w_pad=0.12)
    grid = figure.add_gridspec(rows + 1, len(keys), height_ratios=[*[inches] * rows, 0.12])
    for row in range(rows):
        axes = figure.add_subplot(grid[row, :])
        part = slice(row * columns, (row + 1) * columns)
        pair = np.concatenate([draws[part] / keys[0][0], sees[part] / keys[1][0]])
        axes.imshow(
            style.mosaic(pair, len(draws[part]), cmap=style.SIGNED), interpolation="nearest"
        )
        style.bare(axes)
        ticks = {high * 0.45: "draws", high * 1.45: "sees"}
        for place, unit in enumerate(range(len(draws))[part]):
            x = place * wide + wide / 2 - 1
            axes.text(x, -0.8, symbol_of(unit, 1, depth), ha="center", va="bottom")
            if above is not None:
                corner = place * wide - 0.5, 2 * high - 0.5
                _cells(axes, above[:, unit], keys[2][0], corner, (wide - 1) / cells, cells)
        if above is not None:
            ticks[(2 * high - 0.5 + bottom) / 2] = f"from {unit_of(2, depth)}".replace(
                " of", "\nof"
            )
        axes.set_yticks(list(ticks), list(ticks.values()))
        axes.tick_params(length=0)
        axes.set_xlim(-0.5, columns * wide - 1.5)
        axes.set_ylim(bottom, -0.5)
    for place, (limit, label) in enumerate(keys):
        bar = figure.add_subplot(grid[rows, place])
        style.signed_key(figure, limit, label, cax=bar, orientation="horizontal")
    figure.suptitle(_title(run, len(draws), above))
    return figure


def _title(run: Run, units: int, above: np.ndarray | None) -> str:
    sizes = run.experiment.sizes
    first = f", the first {units} of {sizes[1]}" if units < sizes[1] else ""
    title = (
        f"{'Top' if above is None else 'Hidden'} units as feature detectors{first}. "
        "Draws: p(v | only it on) - p(v | none on).\nSees: its recognition weights"
    )
    if above is None:
        return title
    unit = unit_of(2, len(sizes) - 1)
    first = f", the first {len(above)} of {sizes[2]}" if len(above) < sizes[2] else ""
    return f"{title}. Cells: its weights from each {unit}, by number{first}"


def _cells(
    axes: Axes,
    weights: np.ndarray,
    limit: float,
    corner: tuple[float, float],
    side: float,
    in_a_line: int,
) -> None:
    """Weights as coloured cells, each with the number of the unit that it comes from."""
    line, place = np.divmod(np.arange(len(weights)), in_a_line)
    centres = np.stack([corner[0] + side * (place + 0.5), corner[1] + side * (line + 0.5)], axis=-1)
    cells = PolyCollection(
        list(squares(centres, np.full(len(weights), side / 2))),
        array=weights, cmap=style.SIGNED, clim=(-limit, limit), edgecolors=style.GREY, lw=0.5,
    )  # fmt: skip
    axes.add_collection(cells)
    for number, (weight, (x, y)) in enumerate(zip(weights, centres, strict=True), 1):
        ink = "white" if abs(weight) > 0.6 * limit else "black"
        text = axes.text(x, y, str(number), ha="center", va="center", fontsize=8, color=ink)
        text.set_in_layout(False)  # they lie within the axes, and there are many


def squares(centres: np.ndarray, half: Sequence[float] | np.ndarray) -> np.ndarray:
    """The corners `[n, 4, 2]` of squares of half a side each about centres `[n, 2]`."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return centres[:, None, :] + np.asarray(half).reshape(-1, 1, 1) * corners
