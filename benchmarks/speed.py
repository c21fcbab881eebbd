"""How fast it is: repeated, alternating measurements beside NumPy and numba, in one run.

Everything is warmed up and compiled before it is timed, and rounds alternate between all that is
compared, so that a slow moment of the machine falls on all of it.
"""

import functools
import itertools
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import baselines
from hmjax.exact import exact_log_prob
from hmjax.experiment import Experiment, split
from hmjax.importance import importance_sampled
from hmjax.machine import Params
from hmjax.runtime.ambient import own_settings
from hmjax.store.folders import environment
from hmjax.training import population, single

POPULATIONS = (1, 4, 16, 64, 256, 1024, 4096)

_STEPS = 200_000  # steps of all seeds together in one measurement, at least
_NUMPY_STEPS = 1_000
_BLOCK = 1000  # steps a seed, at least


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


@own_settings()
def run(
    experiment: Experiment, *, quick: bool, show: Callable[[str], None] = lambda _: None
) -> dict[str, Any]:
    """Measures everything.

    Args:
      experiment: the machine, the task and the rule to time; 32-16-4 if it is the shifter's own.
      quick: small populations and fewer rounds, for a look.
      show: called with the name of what is made ready.

    Returns:
      JSON values: `rows` (name, unit, median, least, most, compile_seconds), `cold` (seconds),
      `floor`, `environment`.
    """
    sizes = POPULATIONS[:4] if quick else POPULATIONS
    makers: list[Callable[[Experiment], Case | None]] = [
        *(_one, _numpy, _numba_one, _numba_many),
        *(functools.partial(_population, n=n) for n in sizes),
        *(_exact_one, _exact_many, _importance_sampled, _matmul),
    ]
    cases: list[Case] = []
    ready: list[float] = []
    for make in makers:
        began = time.perf_counter()
        case = make(experiment)
        if case is not None:
            show(case.name)
            case.run()
            cases.append(case)
            ready.append(time.perf_counter() - began)
    timed: list[list[float]] = [[] for _ in cases]
    for round_ in range(3 if quick else 7):
        show(f"round {round_ + 1}")
        for case, seconds in zip(cases, timed, strict=True):
            began = time.perf_counter()
            case.run()
            seconds.append((time.perf_counter() - began) * case.scale / case.amount)
    rows: list[dict[str, Any]] = [
        {
            "name": case.name,
            "unit": case.unit,
            "median": statistics.median(values),
            "least": min(values),
            "most": max(values),
            "compile_seconds": compile_seconds,
        }
        for case, values, compile_seconds in zip(cases, timed, ready, strict=True)
    ]
    show("cold start")
    product_ms = next(row["median"] for row in rows if row["name"] == _MATMUL)
    flops_a_second = 2 * 1024**3 / (product_ms / 1e3)
    return {
        "rows": rows,
        "cold": cold_start(),
        "floor": floor(experiment.sizes, flops_a_second),
        "rounds": len(timed[0]),
        "environment": environment(),
    }


def floor(sizes: tuple[int, ...], flops_a_second: float) -> dict[str, float]:
    """What one step has to compute and move, and the time that the arithmetic alone would take.

    Args:
      sizes: the layer sizes.
      flops_a_second: of all cores, as measured on a matrix product.
    """
    weights = sum(low * high for low, high in itertools.pairwise(sizes))
    units, hidden = sum(sizes), sum(sizes[1:])
    # A product with a layer is a multiply-add a weight: sampling and predicting each net, and the
    # outer products of both updates.
    multiply_adds = 6 * weights
    parameters = 2 * weights + units + hidden
    cores = os.cpu_count() or 1
    return {
        "multiply_adds": multiply_adds,
        "sigmoids": units + hidden,  # and as many random numbers, besides those of the image
        "parameter_bytes": 4 * parameters,
        "microseconds_one_core": 2 * multiply_adds / (flops_a_second / cores) * 1e6,
        "microseconds_all_cores": 2 * multiply_adds / flops_a_second * 1e6,
    }


def cold_start() -> dict[str, float]:
    """Seconds from starting Python to the end of a first block, without and with the cache."""
    script = (
        "import hmjax; from hmjax import platform, training; platform.prepare();"
        "platform.cache_compiled();"
        "e = hmjax.Experiment('cold', steps=500);"
        "s = single.init_state(e); p, n = hmjax.experiment.split(e);"
        "k = single.keys_of(1).steps;"
        "s = single.train_block(k, n, s, program=p, steps=500);"
        "s.step.block_until_ready()"
    )
    seconds = []
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "JAX_COMPILATION_CACHE_DIR": folder,
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        for _ in range(3):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", script], env=os.environ | settings, check=True)
            seconds.append(time.perf_counter() - began)
    return {"import_to_first_block": seconds[0], "the_same_from_the_cache": min(seconds[1:])}


def render(report: dict[str, Any]) -> str:
    """The table of a report."""
    lines = [f"{'work':<44}{'median':>10}{'least':>10}{'most':>10}  {'unit':<22}{'ready in':>9}"]
    for row in report["rows"]:
        numbers = "".join(f"{row[name]:>10.3f}" for name in ("median", "least", "most"))
        lines.append(
            f"{row['name']:<44}{numbers}  {row['unit']:<22}{row['compile_seconds']:>7.1f} s"
        )
    cold, bound = report["cold"], report["floor"]
    lines.append(
        f"import to the end of the first block: {cold['import_to_first_block']:.1f} s, "
        f"from the cache {cold['the_same_from_the_cache']:.1f} s"
    )
    lines.append(
        f"a step: {bound['multiply_adds']:,} multiply-adds, {bound['sigmoids']} sigmoids and "
        f"random numbers, {bound['parameter_bytes']:,} bytes of parameters"
    )
    by_name = {row["name"]: row["median"] for row in report["rows"]}
    for name, time_ in (
        ("one machine", bound["microseconds_one_core"]),
        ("population of 64", bound["microseconds_all_cores"]),
    ):
        lines.append(
            f"{name}: the multiply-adds alone, at the rate of a large matrix product, would take "
            f"{time_:.3f} us, {time_ / by_name[name]:.0%} of the time"
        )
    if "numba, one machine" not in by_name:
        lines.append("numba is not installed: pip install -e '.[bench]'")
    made = report["environment"]
    lines.append(
        f"{made['processor']}, {made['cores']} cores, {made['device']['kind']}; "
        f"Python {made['python']}, jax {made['versions']['jax']}; {report['rounds']} rounds"
    )
    return "\n".join(lines)


def _one(experiment: Experiment) -> Case:
    program, numbers = split(experiment)
    start = single.keys_of(experiment.seed).steps, numbers, single.init_state(experiment)
    block = single.train_block.lower(*start, program=program, steps=_STEPS).compile()
    return _steps("one machine", lambda: jax.block_until_ready(block(*start)), _STEPS)


def _population(experiment: Experiment, n: int) -> Case:
    steps = max(_BLOCK, _STEPS // n // _BLOCK * _BLOCK)
    members = population.members_of(experiment, range(n))
    layout = population.lay_out(members)
    placed = population.place(members, layout)
    block = population.compile_block(members, layout, placed, steps)
    return _steps(f"population of {n}", lambda: jax.block_until_ready(block(placed)), n * steps)


def _numpy(experiment: Experiment) -> Case:
    params = jax.tree.map(np.array, single.init_state(experiment).learner.params)
    rng = np.random.default_rng(0)
    images = np.asarray(experiment.task.sample(jax.random.key(0), _NUMPY_STEPS)[0])

    def noise(sizes: tuple[int, ...]) -> list[np.ndarray]:
        return [rng.logistic(size=(1, n)).astype(np.float32) for n in sizes]

    def train() -> None:
        for image in images:
            wake, sleep = noise(experiment.sizes[1:]), noise(experiment.sizes)
            baselines.numpy_step(params, image[None], wake, sleep, experiment.rule.learning_rate)

    return _steps("NumPy, one machine", train, _NUMPY_STEPS)


def _numba_one(experiment: Experiment) -> Case | None:
    return _numba(experiment, 1, "numba, one machine")


def _numba_many(experiment: Experiment) -> Case | None:
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


def _exact_one(experiment: Experiment) -> Case:
    params = single.init_state(experiment).learner.params
    images = jnp.asarray(experiment.task.support().images)
    exact = jax.jit(exact_log_prob)
    return _milliseconds("exact log p(v) of one", lambda: exact(params, images))


def _exact_many(experiment: Experiment) -> Case:
    members = population.members_of(experiment, range(64))
    layout = population.lay_out(members)
    placed = population.place(members, layout)
    exact = population.compile_measures(members, layout, placed)
    return _milliseconds("every exact measure of 64", lambda: exact(placed))


def _importance_sampled(experiment: Experiment) -> Case:
    evaluation = experiment.evaluation
    params = single.init_state(experiment).learner.params
    images, _ = experiment.task.sample(jax.random.key(0), evaluation.held_out)
    sampled = jax.jit(importance_sampled)
    key, samples = jax.random.key(0), evaluation.samples
    name = f"importance-sampled, {evaluation.held_out} images, {samples} samples"
    return _milliseconds(name, lambda: sampled(key, params, images, samples))


_MATMUL = "matrix product of 1024"


def _matmul(_: Experiment) -> Case:
    matrix = jnp.ones((1024, 1024))
    product = jax.jit(jnp.matmul)
    return _milliseconds(_MATMUL, lambda: product(matrix, matrix))


def _steps(name: str, run: Callable[[], Any], steps: int) -> Case:
    return Case(name, run, steps, "us a step and seed", 1e6)


def _milliseconds(name: str, run: Callable[[], Any]) -> Case:
    return Case(name, lambda: jax.block_until_ready(run()), 1, "ms", 1e3)
