"""The animation: how the machine learns to dream."""

from pathlib import Path

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from analysis import style
from analysis.curves import nll_curve
from analysis.material import Material
from analysis.weights import fields
from hmjax.store import files
from hmjax.store.runs import Run

FRAMES = 60
SHOWN = 32
UNITS = 24


def write(run: Run, material: Material, path: Path, *, fps: float) -> None:
    """Writes a GIF of snapshots: fantasies, receptive fields, the curve so far.

    Each snapshot has a frame, or `FRAMES` of them, evenly spaced from the first to the last.

    Args:
      run: a finished run.
      material: its samples.
      path: the file to write, whole or not at all.
      fps: frames a second.
    """
    colours = style.shown_colours(len(run.experiment.task.class_names))
    steps, nll = run.curves["step"], run.curves[run.experiment.nll]

    def dreams(frame: int) -> np.ndarray:
        frames = [colours[what] for what in material.shown_dreams[frame, :SHOWN]]
        return style.mosaic(material.dreams[frame, :SHOWN], 4, frames=frames)

    def drawn(frame: int) -> np.ndarray:
        snapshot = jax.tree.map(lambda leaf: leaf[frame], run.snapshots)
        draws, _ = fields(snapshot, run.experiment.task.image_shape)
        return style.mosaic(draws[:UNITS], 4 if len(draws) > 4 else 2, cmap=style.SIGNED)

    figure = Figure(figsize=(10.4, 4.4), dpi=80, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.35))
    dream_image = left.imshow(dreams(0), interpolation="nearest")
    field_image = middle.imshow(drawn(0), interpolation="nearest")
    for axes, title in ((left, "fantasies"), (middle, "what hidden units draw")):
        style.bare(axes)
        axes.set_title(title)
    lines = nll_curve(right, run)
    right.set_title("NLL: exact and sampled (dashed)")
    heading = figure.suptitle("Dreams while learning")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine(None)  # laid out once, for all frames alike

    # Only what changes is drawn for each frame, on a copy of what does not.
    moving = (dream_image, field_image, *lines.values(), heading)
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    frames = []
    for frame in np.linspace(0, len(steps) - 1, min(len(steps), FRAMES)).round().astype(int):
        dream_image.set_data(dreams(frame))
        field_image.set_data(drawn(frame))
        for curve, line in lines.items():
            line.set_data(steps[: frame + 1], run.curves[curve][: frame + 1])
        heading.set_text(f"Dreams after {steps[frame]:,} steps: NLL {nll[frame]:.2f} bits")
        canvas.restore_region(still)
        for artist in moving:
            figure.draw_artist(artist)
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    with files.replacing(path) as temporary:
        frames[0].save(
            temporary,
            format="gif",
            save_all=True,
            append_images=frames[1:],
            duration=1000 / fps,
            loop=0,
        )
