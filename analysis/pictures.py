"""The pictures of a run: which there are, and drawing them all."""

from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure

from analysis import curves, dream, fantasies, style, weights
from analysis.material import Material, gather
from hmjax.runs import Run
from hmjax.runtime.ambient import own_settings

Picture = Callable[[Run, Material], Figure]

PICTURES: dict[str, Picture] = {
    "training_curves": curves.training_curves,
    "layer3_selectivity": fantasies.layer3_selectivity,
    "layer2_receptive_fields": weights.layer2_receptive_fields,
    "generated_samples": fantasies.generated_samples,
    "reconstructions": fantasies.reconstructions,
    "weights": weights.weights,
}
"""Every picture by the name of its file. One more is a function and a line here."""

SMALL_SUPPORT = 64  # images; up to so many, their recognition codes fit in a picture


@own_settings()
def draw_all(run: Run, *, fps: float) -> Path:
    """Draws every picture of a run into its `figures` folder, `dream.gif` last.

    Args:
      run: a finished run.
      fps: frames a second of the animation.

    Returns:
      The folder.
    """
    folder = run.folder / "figures"
    folder.mkdir(exist_ok=True)
    material = gather(run)
    for name, picture in PICTURES.items():
        style.save(picture(run, material), folder / f"{name}.png")
    if len(run.experiment.task.support().images) <= SMALL_SUPPORT:
        style.save(weights.recognition_codes(run, material), folder / "recognition_codes.png")
    dream.write(run, material, folder / "dream.gif", fps=fps)
    return folder
