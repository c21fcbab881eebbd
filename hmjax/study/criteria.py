"""What machines are compared by."""

import operator
from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.exact import recognised_tops
from hmjax.experiment import Experiment
from hmjax.machine import Params
from hmjax.measures import Data, data_of, held_out, state_information, state_recovery
from hmjax.measures.table import MEASURES, STRONGEST, Measure
from hmjax.tasks import best_accuracy, entropy_bits
from hmjax.training import single


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
      limit: what no machine can pass, but for the luck of a sampled measure.
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
    of = operator.itemgetter(measure.name)
    return Criterion(measure.label, measure.better, lambda machines: of(machines.rows), limit)


def _recovery(machines: Machines) -> np.ndarray:
    exact = machines.experiment.is_exact
    return machines.rows["direction_recovery_exact" if exact else "direction_recovery"]


def _of_tops(
    measure: Callable[[jax.Array, Data], jax.Array],
) -> Callable[[Machines], np.ndarray]:
    """A measure of what q says of the top state of every image, `[n, 2**n_L]`."""

    def of(machines: Machines) -> np.ndarray:
        if not machines.experiment.is_exact:
            return np.full(len(machines.rows["seed"]), np.nan)
        task = machines.experiment.task
        images, data = jnp.asarray(task.support().images), data_of(task)

        def one(params: Params) -> jax.Array:
            return measure(recognised_tops(params, images), data)

        return np.asarray(jax.jit(lambda params: jax.lax.map(one, params))(machines.params))

    return of


def _sampled_nll(machines: Machines) -> np.ndarray:
    """With `final_samples` an image, on images that no restart has gone by."""
    experiment = machines.experiment

    def one(of: tuple[jax.Array, Params]) -> jax.Array:
        seed, params = of
        keys = single.keys_of(seed)
        key_importance, _ = jax.random.split(jax.random.fold_in(keys.evaluation, experiment.steps))
        return held_out(
            key_importance,
            jax.random.fold_in(keys.held_out, experiment.steps),
            params,
            experiment.evaluation.final_samples,
            task=experiment.task,
            evaluation=experiment.evaluation,
        )["is_nll_bits"]

    each = jax.jit(lambda of: jax.lax.map(one, of))
    return np.asarray(each((machines.rows["seed"], machines.params)))


def _entropy(experiment: Experiment) -> float:
    return entropy_bits(experiment.task.support())


def _best_possible(experiment: Experiment) -> float:
    return best_accuracy(experiment.task.support())


def _nothing(_: Experiment) -> float:
    return 0.0


CRITERIA = {
    "nll": Criterion(
        "NLL (bits)", "lower", lambda machines: machines.rows[machines.experiment.nll], _entropy
    ),
    "sampled": Criterion("NLL, sampled (bits)", "lower", _sampled_nll, _entropy),
    "kl": _measured(MEASURES["kl_bits"], _nothing),
    "recovery": Criterion("recovery by q (share)", "higher", _recovery, _best_possible),
    "by_state": Criterion(
        "recovery by q, by top state (share)",
        "higher",
        _of_tops(
            lambda tops, data: state_recovery(tops, data.probabilities, data.class_given_image)
        ),
        _best_possible,
    ),
    "top_bits": Criterion(
        "top units' information on the image (bits)",
        "lower",
        _of_tops(lambda tops, data: state_information(tops, data.probabilities)),
        _nothing,
    ),
    "posterior": _measured(MEASURES["direction_recovery_posterior"], _best_possible),
    "gap": Criterion(
        "KL(q, posterior) (bits)",
        "lower",
        lambda machines: -machines.rows["elbo_bits"] - machines.rows["exact_nll_bits"],
        _nothing,
    ),
    "selectivity": _measured(STRONGEST, lambda _: 1.0),
}
