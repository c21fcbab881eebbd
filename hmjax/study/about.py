"""What results say of an experiment, besides what came of it."""

import math
from typing import Any

from hmjax.errors import MAX_COUNT
from hmjax.experiment import Experiment
from hmjax.measures.baselines import baselines
from hmjax.measures.table import ends_of
from hmjax.tasks import Images


def about(experiment: Experiment) -> dict[str, Any]:
    """What `results.json` says of the experiment: what was learned, by what, and the floors."""
    task, entropy = experiment.task, experiment.task.entropy_bits
    known: dict[str, Any] = {
        "task": type(task).__name__.lower(),
        "classes": list(task.class_names),
        "sizes": list(experiment.sizes),
        "entropy_bits": entropy if math.isfinite(entropy) else None,
        **{
            f"{measure}_{end}": value if math.isfinite(value) else None
            for measure in ("direction_recovery", "balanced_accuracy")
            for end, value in zip(("chance", "best_possible"), ends_of(measure, task), strict=True)
        },
    }
    if isinstance(task, Images):
        of = MAX_COUNT if experiment.is_exact else experiment.evaluation.held_out
        known["baselines"] = baselines(task, of)._asdict()
    return known
