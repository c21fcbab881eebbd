"""What is measured of a machine. It knows tasks and machines, and nothing of training."""

from hmjax.measures.evaluation import (
    Data,
    Measures,
    data_of,
    enumerated,
    evaluate,
)
from hmjax.measures.fantasies import (
    direction_contrast,
    generative_fields,
    recognition_fields,
    selectivity,
    variants,
)
from hmjax.measures.recovery import balanced_accuracy, class_recovery, shuffled_accuracy
from hmjax.measures.sampling import by_annealing
from hmjax.measures.settings import Evaluation

__all__ = [
    "Data",
    "Evaluation",
    "Measures",
    "balanced_accuracy",
    "by_annealing",
    "class_recovery",
    "data_of",
    "direction_contrast",
    "enumerated",
    "evaluate",
    "generative_fields",
    "recognition_fields",
    "selectivity",
    "shuffled_accuracy",
    "variants",
]
