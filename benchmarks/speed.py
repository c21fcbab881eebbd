"""How fast it is: repeated, alternating measurements beside NumPy and numba, in one run.

Everything is warmed up and compiled before it is timed, and rounds alternate between all that is
compared, so that a slow moment of the machine falls on all of it.
"""

import dataclasses
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
from typing import Any

from benchmarks.cases import (
    MATMUL,
    Case,
    time_annealed,
    time_exact_one,
    time_importance_sampled,
    time_large,
    time_matmul,
    time_measures,
    time_numba_many,
    time_numba_one,
    time_numpy,
    time_numpy_large,
    time_one,
    time_population,
    time_rule,
    time_torch_large,
)
from hmjax import Bars, Experiment, Machine, Reweighted, Shifter, recipe
from hmjax.runtime.ambient import own_settings
from hmjax.store.environment import environment

POPULATIONS = (4, 16, 64, 256, 1024, 4096)

DEEP = Machine((16, 8), 4)
BARS = Experiment("bars", task=Bars(), machine=Machine((8,), 1))


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
        *(time_one, time_numpy, time_numba_one, time_numba_many),
        *(functools.partial(time_population, n=n) for n in sizes),
        *(time_large, time_numpy_large, time_torch_large),
        lambda e: time_rule(dataclasses.replace(e, rule=Reweighted()), "reweighted, K = 10"),
        lambda _: time_rule(recipe("sweep", Shifter(), (16,)), "recipe, 32-16-4"),
        lambda _: time_rule(recipe("sweep", Shifter(width=16), (48,)), "recipe, 64-48-4"),
        time_annealed,
        time_exact_one,
        time_measures,
        lambda e: time_measures(dataclasses.replace(e, machine=DEEP), "32-16-8-4"),
        lambda _: time_measures(BARS, "bars 16-8-1"),
        time_importance_sampled,
        time_matmul,
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
    product_ms = next(row["median"] for row in rows if row["name"] == MATMUL)
    flops_a_second = 2 * 1024**3 / (product_ms / 1e3)
    return {
        "rows": rows,
        "cold": cold_start(),
        "floor": floor(experiment.sizes, flops_a_second),
        "measures_floor": measures_floor(experiment.sizes, experiment.task.images, flops_a_second),
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


def measures_floor(sizes: tuple[int, ...], images: int, flops_a_second: float) -> dict[str, float]:
    """What every exact measure of one machine has to multiply, and the time of that alone.

    Each layer is summed out by products over the states above: p(v) and E[x_L | v], the ELBO, and
    E_q[x_L | v].

    Args:
      sizes: the layer sizes.
      images: in the task's support.
      flops_a_second: of all cores, as measured on a matrix product.
    """
    rows = [images, *(2**units for units in sizes[1:])]
    multiply_adds = sum(low * high for low, high in itertools.pairwise(rows)) * 2 * (1 + sizes[-1])
    return {
        "multiply_adds": multiply_adds,
        "milliseconds_all_cores": 2 * multiply_adds / flops_a_second * 1e3,
    }


def cold_start() -> dict[str, float]:
    """Seconds from starting Python to the end of a first block, without and with the cache."""
    script = (
        "import hmjax, numpy; from hmjax.runtime import platform; platform.prepare();"
        "platform.cache_compiled();"
        "from hmjax.training import devices, programs;"
        "e = [hmjax.Experiment('cold', steps=500)]; layout = programs.laid_out(e);"
        "placed = programs.place(e, layout);"
        "given = placed, devices.put(numpy.full(1, 500, numpy.int32), layout);"
        "block = devices.compiled(programs.block_of(e, layout), layout, given, {});"
        "block(given, {}).step.block_until_ready()"
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
    measured, least = by_name["every exact measure"], report["measures_floor"]
    lines.append(
        f"every exact measure: {least['multiply_adds']:,} multiply-adds, which would take "
        f"{least['milliseconds_all_cores']:.2f} ms, "
        f"{least['milliseconds_all_cores'] / measured:.0%} of the time"
    )
    if "numba, one machine" not in by_name:
        lines.append("numba is not installed: pip install -e '.[bench]'")
    made = report["environment"]
    lines.append(
        f"{made['processor']}, {made['cores']} cores, {made['device']['kind']}; "
        f"Python {made['python']}, jax {made['versions']['jax']}; {report['rounds']} rounds"
    )
    return "\n".join(lines)
