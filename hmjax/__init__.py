"""Helmholtz machines trained by wake-sleep, as pure functions in JAX."""

from hmjax.errors import Diverged, InvalidInput
from hmjax.experiment import Experiment, Machine
from hmjax.files import load_params
from hmjax.likelihood import exact_log_prob
from hmjax.machine import Params, generate, init, log_joint, log_recognition, recognise
from hmjax.measures import Evaluation
from hmjax.population import Population, train_population
from hmjax.restarts import Restarts
from hmjax.rules import Oracle, Reweighted, WakeSleep
from hmjax.tasks import Bars, Shifter
from hmjax.training import train
from hmjax.version import __version__

__all__ = [
    "Bars",
    "Diverged",
    "Evaluation",
    "Experiment",
    "InvalidInput",
    "Machine",
    "Oracle",
    "Params",
    "Population",
    "Restarts",
    "Reweighted",
    "Shifter",
    "WakeSleep",
    "__version__",
    "exact_log_prob",
    "generate",
    "init",
    "load_params",
    "log_joint",
    "log_recognition",
    "recognise",
    "train",
    "train_population",
]
