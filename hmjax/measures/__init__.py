"""What is measured of a machine. It knows tasks and machines, and nothing of training."""

from hmjax.measures.evaluation import (
    Data,
    Evaluation,
    Measures,
    data_of,
    enumerated,
    evaluate,
    held_out,
)
from hmjax.measures.fantasies import (
    generative_fields,
    one_hot_and_off,
    recognition_fields,
    selectivity,
    shown_exactly,
    variants,
)
from hmjax.measures.recovery import (
    MAX_SIGNED_UNITS,
    class_recovery,
    state_information,
    state_recovery,
)
from hmjax.measures.units import NATS_PER_BIT

__all__ = [
    "MAX_SIGNED_UNITS",
    "NATS_PER_BIT",
    "Data",
    "Evaluation",
    "Measures",
    "class_recovery",
    "data_of",
    "enumerated",
    "evaluate",
    "generative_fields",
    "held_out",
    "one_hot_and_off",
    "recognition_fields",
    "selectivity",
    "shown_exactly",
    "state_information",
    "state_recovery",
    "variants",
]
