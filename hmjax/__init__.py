"""Helmholtz machines trained by wake-sleep, as pure functions in JAX."""

from hmjax.errors import Diverged, InvalidInput
from hmjax.exact import exact_log_prob
from hmjax.experiment import Experiment, Machine
from hmjax.importance import complete
from hmjax.machine import Params, generate, init, log_joint, log_recognition, recognise
from hmjax.measures import Evaluation
from hmjax.recipes import own_images, recipe
from hmjax.rules import ExactEM, JointStochastic, Reweighted, ScoreFunction, WakeSleep
from hmjax.store.files import load_params
from hmjax.tasks import Bars, Images, Shifter, Tees
from hmjax.training.population import Population, train, train_population
from hmjax.version import __version__

__all__ = [
    "Bars",
    "Diverged",
    "Evaluation",
    "ExactEM",
    "Experiment",
    "Images",
    "InvalidInput",
    "JointStochastic",
    "Machine",
    "Params",
    "Population",
    "Reweighted",
    "ScoreFunction",
    "Shifter",
    "Tees",
    "WakeSleep",
    "__version__",
    "complete",
    "exact_log_prob",
    "generate",
    "init",
    "load_params",
    "log_joint",
    "log_recognition",
    "own_images",
    "recipe",
    "recognise",
    "train",
    "train_population",
]
