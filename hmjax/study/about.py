"""What results say of an experiment, besides what came of it."""

import math
from typing import Any

from hmjax.errors import MAX_COUNT
from hmjax.experiment import Experiment
from hmjax.measures.baselines import baselines
from hmjax.tasks import Images


def about(experiment: Experiment) -> dict[str, Any]:
    """What `results.json` says of the experiment: what was learned, by what, and the floors."""
    task, entropy = experiment.task, experiment.task.entropy_bits
    known: dict[str, Any] = {
        "task": type(task).__name__.lower(),
        "classes": list(task.class_names),
        "sizes": list(experiment.sizes),
        "entropy_bits": entropy if math.isfinite(entropy) else None,
        "direction_recovery_best_possible": task.best_accuracy,
        "direction_recovery_chance": max(task.class_shares),
        "balanced_accuracy_best_possible": task.best_balanced_accuracy,
        "balanced_accuracy_chance": 1 / len(task.class_labels),
    }
    if isinstance(task, Images):
        of = MAX_COUNT if experiment.is_exact else experiment.evaluation.held_out
        known["baselines"] = baselines(task, of)._asdict()
    return known
