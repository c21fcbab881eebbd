"""What is measured of a machine. It knows tasks and machines, and nothing of training."""

from hmjax.measures.evaluation import (
    Data,
    Measures,
    data_of,
    enumerated,
    evaluate,
)
from hmjax.measures.fantasies import (
    generative_fields,
    recognition_fields,
    selectivity,
    variants,
)
from hmjax.measures.recovery import (
    class_recovery,
)
from hmjax.measures.sampling import by_annealing
from hmjax.measures.settings import Evaluation

__all__ = [
    "Data",
    "Evaluation",
    "Measures",
    "by_annealing",
    "class_recovery",
    "data_of",
    "enumerated",
    "evaluate",
    "generative_fields",
    "recognition_fields",
    "selectivity",
    "variants",
]
