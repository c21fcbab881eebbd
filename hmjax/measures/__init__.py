"""What is measured of a machine. It knows tasks and machines, and nothing of training."""

from hmjax.measures.evaluation import (
    Evaluation,
    Measures,
    Weights,
    enumerated,
    evaluate,
    held_out,
    of_member,
    weights_of,
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
    "Evaluation",
    "Measures",
    "Weights",
    "class_recovery",
    "enumerated",
    "evaluate",
    "generative_fields",
    "held_out",
    "of_member",
    "one_hot_and_off",
    "recognition_fields",
    "selectivity",
    "shown_exactly",
    "state_information",
    "state_recovery",
    "variants",
    "weights_of",
]
