"""The animation: how the machine learns to dream."""

import itertools
from pathlib import Path
from typing import Any

import jax
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from analysis import style
from analysis.curves import nll_curve
from analysis.fields import drawn_by_units
from analysis.material import Material
from analysis.names import number
from hmjax.store import files
from hmjax.store.runs import Run

FRAMES = 60
SHOWN = 32
UNITS = 24
HELD = 2000  # milliseconds that the last frame stays


def write(run: Run, material: Material, path: Path, *, fps: float, of: str) -> None:
    """Writes a GIF of snapshots: fantasies, receptive fields, the curve so far.

    Each snapshot has a frame, or those that `frames_of` chooses; the last is held.

    Args:
      run: a finished run.
      material: its samples.
      path: the file to write, whole or not at all.
      fps: frames a second.
      of: what it is a picture of, for its title.
    """
    task = run.experiment.task
    colours = style.shown_colours(len(task.class_names))
    steps, nll = run.curves["step"], run.curves[run.experiment.nll]
    chosen = frames_of(steps, FRAMES)
    snapshots = [jax.tree.map(lambda leaf, i=i: leaf[i], run.snapshots) for i in chosen]
    fields = np.stack([drawn_by_units(each, task.image_shape)[:UNITS] for each in snapshots])
    limit = style.largest(fields)  # one scale for all frames, so that learning is seen

    def dreams(frame: int) -> np.ndarray:
        frames = [colours[what] for what in material.shown_dreams[frame, :SHOWN]]
        return style.mosaic(material.dreams[frame, :SHOWN], 4, frames=frames)

    def drawn(place: int) -> np.ndarray:
        columns = 4 if fields.shape[1] > 4 else 2
        return style.mosaic(fields[place] / limit, columns, cmap=style.SIGNED)

    figure = Figure(figsize=(10.4, 4.9), dpi=80, layout="constrained")
    left, middle, right = figure.subplots(1, 3, width_ratios=(1, 1, 1.35))
    dream_image = left.imshow(dreams(0), interpolation="nearest")
    field_image = middle.imshow(drawn(0), interpolation="nearest")
    units = "hidden" if len(run.experiment.sizes) > 2 else "top"
    for axes, title in ((left, "fantasies"), (middle, f"what {units} units draw")):
        style.bare(axes)
        axes.set_title(title)
    style.signed_key(
        figure, limit, "change of p(pixel on)", ax=middle, location="bottom", pad=0.03, aspect=25
    )
    lines = nll_curve(right, run)
    ends = {
        name: right.plot([], [], "o", color=line.get_color())[0] for name, line in lines.items()
    }
    right.set_title("NLL so far")
    right.legend(handles=list(lines.values()), loc="best", fontsize=10)
    if task.can_show:
        style.shown_legend(figure, task)
    heading = figure.suptitle(f"Dreams while learning\n{of}", fontsize=12)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    figure.set_layout_engine(None)  # laid out once, for all frames alike

    # Only what changes is drawn for each frame, on a copy of what does not.
    moving = (dream_image, field_image, *lines.values(), *ends.values(), heading)
    for artist in moving:
        artist.set_animated(True)
    canvas.draw()
    still = canvas.copy_from_bbox(figure.bbox)
    frames = []
    for place, frame in enumerate(chosen):
        dream_image.set_data(dreams(frame))
        field_image.set_data(drawn(place))
        for curve, line in lines.items():
            line.set_data(steps[: frame + 1], run.curves[curve][: frame + 1])
            ends[curve].set_data(steps[[frame]], run.curves[curve][[frame]])
        so_far = f"Dreams after {steps[frame]:,} steps: NLL {number(nll[frame])} bits"
        heading.set_text(f"{so_far}\n{of}")
        canvas.restore_region(still)
        for artist in moving:
            figure.draw_artist(artist)
        frames.append(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"))
    images = _with_one_palette(frames)
    with files.replacing(path) as temporary:
        images[0].save(
            temporary,
            format="gif",
            save_all=True,
            append_images=images[1:],
            duration=[1000 / fps] * (len(frames) - 1) + [HELD],
            loop=0,
        )


def _with_one_palette(frames: list[Image.Image]) -> list[Image.Image]:
    """Frames in 256 colours, those of the first, a middle and the last; several take longer."""
    some = [np.asarray(frames[place]) for place in (0, len(frames) // 2, -1)]
    palette = Image.fromarray(np.concatenate(some)).quantize()

    def reduced(image: Image.Image) -> Image.Image:
        return image.quantize(palette=palette, dither=Image.Dither.NONE)

    table: Any = np.array(palette.getpalette()).reshape(-1, 3)
    table[reduced(Image.new("RGB", (1, 1), "white")).getpixel((0, 0))] = 255  # not nearly white
    images = [reduced(frame) for frame in frames]
    for image in images:
        image.putpalette(table.ravel().tolist())
    return images


def frames_of(steps: np.ndarray, most: int) -> np.ndarray:
    """Chooses evaluations to be frames: evenly in the logarithm of the step, as the axis has it.

    Evaluations are closer early, where most is learned: those stay in, late ones are thinned out.

    Args:
      steps: the step of each evaluation, from 0.
      most: frames that there may be, at least 3.

    Returns:
      Indices, all if there are no more than `most`; otherwise with the first and the last.
    """
    if len(steps) <= most:
        return np.arange(len(steps))
    log_steps = np.log(steps[1:])

    def nearest(count: int) -> np.ndarray:
        wanted = np.linspace(log_steps[0], log_steps[-1], count)
        place = np.searchsorted((log_steps[:-1] + log_steps[1:]) / 2, wanted)
        return np.array([0, *np.unique(place + 1)])

    # Several of what is wanted can be nearest to one evaluation, so that more may be asked for.
    count = next(n for n in itertools.count(most) if len(nearest(n)) > most)
    return nearest(count - 1)
