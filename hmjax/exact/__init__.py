"""What can be known exactly of a machine, by enumeration. It knows the machine and nothing else."""

from hmjax.exact.likelihood import (
    Bound,
    exact_log_prob,
    generative_posterior,
    recognised_tops,
    recognition_bound,
)
from hmjax.exact.states import all_states, expectation, is_enumerable
from hmjax.exact.sums import Marginal, posterior_given

__all__ = [
    "Bound",
    "Marginal",
    "all_states",
    "exact_log_prob",
    "expectation",
    "generative_posterior",
    "is_enumerable",
    "posterior_given",
    "recognised_tops",
    "recognition_bound",
]
