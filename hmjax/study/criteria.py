"""What machines are compared by."""

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.experiment import Experiment
from hmjax.machine import Params
from hmjax.measures import generative_fields
from hmjax.measures.table import MEASURES, STRONGEST, STRONGEST_CONTRAST, Measure, ends_of

DRAWN = 0.8
"""A hidden unit draws a cause if the cosine of its field and the cause is at least this."""


class Machines(NamedTuple):
    """Trained machines of one experiment.

    Attributes:
      experiment: but for its seed.
      rows: of `population.npz`, by name.
      params: with a leading axis over the machines.
    """

    experiment: Experiment
    rows: dict[str, np.ndarray]
    params: Params


class Criterion(NamedTuple):
    """A number that machines are compared by.

    Attributes:
      label: for people, with its unit.
      better: which direction is.
      of: the measure of each machine; NaN where it has none.
      limit: what no machine can pass, but for the luck of a sampled measure; NaN if not known.
    """

    label: str
    better: Literal["lower", "higher"]
    of: Callable[[Machines], np.ndarray]
    limit: Callable[[Experiment], float]

    @property
    def best(self) -> Callable[[np.ndarray], float]:
        """The best of several values."""
        return np.min if self.better == "lower" else np.max


def _measured(measure: Measure, limit: Callable[[Experiment], float]) -> Criterion:
    """The criterion that a measure of the table is."""
    assert measure.better is not None

    return Criterion(
        measure.label, measure.better, lambda machines: _known(machines, measure.name), limit
    )


def _known(machines: Machines, name: str) -> np.ndarray:
    """A measure of each machine; NaN where there is none."""
    unknown = np.full(len(machines.rows["seed"]), np.nan)
    return machines.rows.get(name, unknown)


def _by_q(name: str) -> Callable[[Machines], np.ndarray]:
    return lambda machines: _known(machines, name + "_exact" * machines.experiment.is_exact)


def _by_posterior(name: str) -> Callable[[Machines], np.ndarray]:
    ends = {True: "_posterior", False: "_annealed"}
    return lambda machines: _known(machines, name + ends[machines.experiment.is_exact])


def _causes(machines: Machines) -> np.ndarray:
    """The share of what images are made of that a hidden unit draws."""
    causes = jnp.asarray(machines.experiment.task.causes)
    causes /= jnp.linalg.norm(causes, axis=1, keepdims=True)

    def one(params: Params) -> jax.Array:
        drawn = generative_fields(params)
        lengths = jnp.linalg.norm(drawn, axis=1)
        cosine = jnp.matmul(causes, drawn.T, precision="highest") / jnp.maximum(lengths, 1e-9)[None]
        return jnp.mean(jnp.max(cosine, axis=1) >= DRAWN)

    return np.asarray(jax.jit(jax.vmap(one))(machines.params))


def _entropy(experiment: Experiment) -> float:
    """That of the data; of images that are held out none is known."""
    return math.nan if experiment.task.has_held_out else experiment.task.entropy_bits


def _best_recovery(experiment: Experiment) -> float:
    return ends_of("direction_recovery", experiment.task)[1]


def _best_balanced(experiment: Experiment) -> float:
    return ends_of("balanced_accuracy", experiment.task)[1]


def _nothing(_: Experiment) -> float:
    return 0.0


CRITERIA = {
    "nll": Criterion(
        "NLL (bits)",
        "lower",
        lambda machines: machines.rows[machines.experiment.final_nll],
        _entropy,
    ),
    "causes": Criterion("causes found (share)", "higher", _causes, lambda _: 1.0),
    "sampled": _measured(MEASURES["is_nll_bits"], _entropy),
    "kl": _measured(MEASURES["kl_bits"], _nothing),
    "recovery": Criterion(
        "recovery by q (share)", "higher", _by_q("direction_recovery"), _best_recovery
    ),
    "balanced": Criterion(
        "balanced accuracy by q (share)", "higher", _by_q("balanced_accuracy"), _best_balanced
    ),
    "posterior": Criterion(
        *("recovery by the posterior (share)", "higher"),
        *(_by_posterior("direction_recovery"), _best_recovery),
    ),
    "gap": Criterion(
        "KL(q, posterior) (bits)",
        "lower",
        lambda machines: -machines.rows["elbo_bits"] - machines.rows["exact_nll_bits"],
        _nothing,
    ),
    "selectivity": _measured(STRONGEST, lambda _: 1.0),
    "contrast": _measured(STRONGEST_CONTRAST, lambda _: 1.0),
}
