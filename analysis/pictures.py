"""The pictures of a run: which there are, and drawing them all."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from analysis import curves, dream, fantasies, fields, nets, style, weights
from analysis.material import Material, gather
from hmjax.runtime.ambient import own_settings
from hmjax.store.runs import Run
from hmjax.tasks import Images

Picture = Callable[[Run, Material], Figure]

PICTURES: dict[str, Picture] = {
    "training_curves": curves.training_curves,
    "layer3_selectivity": fantasies.layer3_selectivity,
    "layer2_receptive_fields": fields.layer2_receptive_fields,
    "generated_samples": fantasies.generated_samples,
    "reconstructions": fantasies.reconstructions,
    "nets": nets.nets,
    "weights": weights.weights,
    "hidden_units": fields.hidden_units,
}
"""Every picture by the name of its file. One more is a function and a line here."""

MOVIE = "dream.gif"

SMALL_SUPPORT = 64  # images; up to so many, their recognition codes fit in a picture


def of(run: Run) -> dict[str, Picture]:
    """The pictures that a run has, by name."""
    pictures, task = dict(PICTURES), run.experiment.task
    if task.images <= SMALL_SUPPORT:
        pictures["recognition_codes"] = weights.recognition_codes
    if not task.can_show:
        del pictures["layer3_selectivity"]
        pictures["top_units"] = fantasies.top_units
    if isinstance(task, Images):
        pictures["nearest_images"] = fantasies.nearest_images
    return pictures


def are_drawn(run: Run) -> bool:
    """Whether every picture of a run is there."""
    names = [*(f"{name}.png" for name in of(run)), MOVIE]
    return all((run.folder / "figures" / name).is_file() for name in names)


@own_settings()
@style.ours()
def draw_all(run: Run, *, fps: float) -> Path:
    """Draws every picture of a run, and its animation, into its `figures` folder.

    Args:
      run: a finished run.
      fps: frames a second of the animation.

    Returns:
      The folder.
    """
    folder = run.folder / "figures"
    folder.mkdir(exist_ok=True)
    material = gather(run)
    experiment = run.experiment
    which = f"seed {experiment.seed}, {experiment.steps:,} steps"
    named = f"{experiment.name}, {'-'.join(map(str, experiment.sizes))}, {which}"
    for name, picture in of(run).items():
        style.save(picture(run, material), folder / f"{name}.png", named)
    dream.write(run, material, folder / MOVIE, fps=fps, of=named)
    return folder
