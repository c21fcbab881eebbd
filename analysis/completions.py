"""The picture of images that were completed."""

import numpy as np
from matplotlib.figure import Figure

from analysis import style

IMAGES, DRAWS = 12, 5  # that a picture has room for


@style.ours()
def draw(completions: np.ndarray, known: np.ndarray) -> Figure:
    """What was known of images, and below each some of its completions.

    Args:
      completions: `[n, draws, rows, columns]` of zeros and ones.
      known: bool `[n, rows, columns]`.
    """
    shown = min(IMAGES, len(completions))
    below = completions[:IMAGES, :DRAWS].astype(float)
    given = np.where(known[:IMAGES], below[:, 0], 0.35)
    lines = [given, *np.moveaxis(below, 1, 0)]
    rows, columns = completions.shape[2:]
    width = max(4.0, 0.95 * shown + 1.2)
    height = len(lines) * (width - 1.2) / shown * (rows + 3) / (columns + 3)
    figure = Figure(figsize=(width, 0.9 + height), layout="constrained")
    axes = figure.subplots()
    picture = style.mosaic(np.concatenate(lines), shown)
    axes.imshow(picture, interpolation="nearest")
    style.bare(axes)
    places = (np.arange(len(lines)) + 0.5) * picture.shape[0] / len(lines)
    axes.set_yticks(places, ["known", *(f"drawn {k + 1}" for k in range(len(lines) - 1))])
    axes.tick_params(length=0)
    figure.suptitle("What is known of images (grey: not known), and how the machine goes on")
    return figure
