"""What is timed."""

import functools
import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import baselines
from benchmarks.reweighted import numpy_reweighted_step, torch_reweighted_step
from hmjax.exact import exact_log_prob
from hmjax.experiment import Experiment, Machine
from hmjax.importance import annealed, importance_sampled
from hmjax.machine import Params
from hmjax.rules import Reweighted
from hmjax.tasks import Images
from hmjax.training import population, programs, single
from hmjax.training.devices import compiled, put

_STEPS = 200_000  # steps of all seeds together in one measurement, at least


_NUMPY_STEPS = 1_000


_BLOCK = 1000  # steps a seed, at least

_LARGE_STEPS = 20

_MEASURED = 16  # machines that are measured at once


class Case(NamedTuple):
    """Something to time.

    Attributes:
      name: what it is.
      run: does it once, and waits until it is done.
      amount: how many units of work that is.
      unit: seconds times `scale` over `amount`.
      scale: units a second.
    """

    name: str
    run: Callable[[], Any]
    amount: float
    unit: str
    scale: float


def time_one(experiment: Experiment) -> Case:
    return time_population(experiment, 1)._replace(name="one machine")


def time_population(experiment: Experiment, n: int, steps: int | None = None) -> Case:
    steps = steps or max(_BLOCK, _STEPS // n // _BLOCK * _BLOCK)
    members = population.members_of(experiment, range(n))
    layout = programs.laid_out(members)
    placed = programs.place(members, layout)
    given = placed, put(np.full(n, steps, np.int32), layout)
    arrays = programs.shared(members, layout)
    block = compiled(programs.block_of(members, layout), layout, given, arrays)

    def train() -> None:
        jax.block_until_ready(block(given, arrays))

    return _steps(f"population of {n}", train, n * steps)


def time_rule(experiment: Experiment, name: str) -> Case:
    """Another rule, or another machine, by its `name`: 64 seeds of it."""
    return time_population(experiment, 64)._replace(name=f"population of 64, {name}")


def time_numpy(experiment: Experiment) -> Case:
    params = jax.tree.map(np.array, single.init_state(experiment).learner.params)
    rng = np.random.default_rng(0)
    images = np.asarray(experiment.task.sample(jax.random.key(0), _NUMPY_STEPS)[0])

    def noise(sizes: tuple[int, ...]) -> list[np.ndarray]:
        return [rng.random(size=(1, n)).astype(np.float32) for n in sizes]

    def train() -> None:
        for image in images:
            wake, sleep = noise(experiment.sizes[1:]), noise(experiment.sizes)
            baselines.numpy_step(params, image[None], wake, sleep, experiment.rule.learning_rate)

    return _steps("NumPy, one machine", train, _NUMPY_STEPS)


LARGE = "784-200-200, batch 100, reweighted, K = 5"


@functools.cache
def large() -> Experiment:
    """A machine of the size of handwritten digits of 28 x 28 pixels, on as many random ones."""
    return Experiment(
        "large",
        task=Images(_large_images()),
        machine=Machine((200,), 200),
        rule=Reweighted(samples=5, batch=100),
        steps=_LARGE_STEPS,
    )


def _large_images() -> np.ndarray:
    return np.random.default_rng(0).random((2000, 28 * 28)) < 0.2


def time_large(_: Experiment) -> Case:
    return time_population(large(), 1, _LARGE_STEPS)._replace(name=LARGE)


def time_numpy_large(_: Experiment) -> Case:
    """The same in NumPy."""
    experiment = large()
    params = jax.tree.map(np.array, single.init_state(experiment).learner.params)
    rng, rule, images = np.random.default_rng(0), experiment.rule, _large_images()
    assert isinstance(rule, Reweighted)

    def noise(rows: int, sizes: tuple[int, ...]) -> list[np.ndarray]:
        return [rng.random(size=(rows, n), dtype=np.float32) for n in sizes]

    def train() -> None:
        for _ in range(_LARGE_STEPS):
            batch = images[rng.integers(0, len(images), rule.batch)].astype(np.float32)
            wake = noise(rule.samples * rule.batch, experiment.sizes[1:])
            sleep = noise(rule.batch, experiment.sizes)
            numpy_reweighted_step(params, batch, wake, sleep, rule.learning_rate, rule.samples)

    return _steps(f"NumPy, {LARGE}", train, _LARGE_STEPS)


def time_torch_large(_: Experiment) -> Case | None:
    """The same in PyTorch, if it is installed."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    experiment = large()
    params = jax.tree.map(
        lambda leaf: torch.tensor(np.array(leaf)), single.init_state(experiment).learner.params
    )
    rule, images = experiment.rule, torch.tensor(_large_images())
    assert isinstance(rule, Reweighted)

    def train() -> None:
        for _ in range(_LARGE_STEPS):
            batch = images[torch.randint(0, len(images), (rule.batch,))].float()
            torch_reweighted_step(params, batch, rule.learning_rate, rule.samples)

    return _steps(f"PyTorch, {LARGE}", train, _LARGE_STEPS)


def time_numba_one(experiment: Experiment) -> Case | None:
    return _numba(experiment, 1, "numba, one machine")


def time_numba_many(experiment: Experiment) -> Case | None:
    return _numba(experiment, 64, "numba, 64 machines, one a core")


def _numba(experiment: Experiment, n: int, name: str) -> Case | None:
    try:
        train = baselines.numba_trainer()
    except ImportError:
        return None
    params = _machines(experiment, n)
    steps = _STEPS // n
    rate, p_on = experiment.rule.learning_rate, experiment.task.p_on
    return _steps(name, lambda: train(params, steps, rate, p_on), n * steps)


def _machines(experiment: Experiment, n: int) -> Params:
    one = single.init_state(experiment).learner.params
    return jax.tree.map(lambda leaf: np.repeat(np.asarray(leaf)[None], n, axis=0), one)


def time_exact_one(experiment: Experiment) -> Case:
    params = single.init_state(experiment).learner.params
    images = jnp.asarray(experiment.task.support().images)
    exact = jax.jit(exact_log_prob)
    return _milliseconds("exact log p(v) of one", lambda: exact(params, images))


def time_measures(experiment: Experiment, name: str = "") -> Case:
    """Every exact measure of 16 machines, in a population; of other machines by their `name`."""
    members = population.members_of(experiment, range(_MEASURED))
    layout = programs.laid_out(members)
    measured = programs.place(members, layout), jnp.ones(len(members), jnp.int32)
    function = programs.measures_of(members, layout, sampled=False)
    arrays = programs.shared(members, layout)
    exact = compiled(function, layout, measured, arrays)
    case = _milliseconds(
        f"every exact measure{name and f', {name}'}", lambda: exact(measured, arrays)
    )
    return case._replace(amount=_MEASURED, unit="ms a machine")


def time_importance_sampled(experiment: Experiment) -> Case:
    evaluation = experiment.evaluation
    params = single.init_state(experiment).learner.params
    images, _ = experiment.task.sample(jax.random.key(0), evaluation.held_out)
    sampled = jax.jit(importance_sampled)
    key, samples = jax.random.key(0), evaluation.samples
    name = f"importance-sampled, {evaluation.held_out} images, {samples} samples"
    return _milliseconds(name, lambda: sampled(key, params, images, samples))


def time_annealed(experiment: Experiment) -> Case:
    """Annealed importance sampling of one machine, on the images and by the runs of a final one."""
    evaluation = experiment.evaluation
    params = single.init_state(experiment).learner.params
    images, _ = experiment.task.sample(jax.random.key(0), evaluation.held_out)
    runs, temperatures = evaluation.annealed_runs, evaluation.temperatures
    sampled = jax.jit(functools.partial(annealed, runs=runs, temperatures=temperatures))
    name = f"annealed, {evaluation.held_out} images, {runs} runs of {temperatures}"
    return _milliseconds(name, lambda: sampled(jax.random.key(0), params, images))


MATMUL = "matrix product of 1024"


def time_matmul(_: Experiment) -> Case:
    matrix = jnp.ones((1024, 1024))
    product = jax.jit(jnp.matmul)
    return _milliseconds(MATMUL, lambda: product(matrix, matrix))


def _steps(name: str, run: Callable[[], Any], steps: int) -> Case:
    return Case(name, run, steps, "us a step and seed", 1e6)


def _milliseconds(name: str, run: Callable[[], Any]) -> Case:
    return Case(name, lambda: jax.block_until_ready(run()), 1, "ms", 1e3)
