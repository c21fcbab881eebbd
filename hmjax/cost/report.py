"""What a profile says: by step, phase and tensor, how deep, how much is alive; as JSON values."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from hmjax.cost import law
from hmjax.cost.kernels import PLAIN, Style
from hmjax.cost.profile import cost_of
from hmjax.cost.tracing import MOST_READS, Trace, trace
from hmjax.experiment import Experiment
from hmjax.rules import RULES

_ALIVE = 500  # points of the curve of what is alive, at most


def profile_of(
    experiment: Experiment,
    style: Style = PLAIN,
    *,
    steps: int = 3,
    at: int = 0,
    bytes_a_scalar: int = 1,
) -> dict[str, Any]:
    """The profile of steps of an experiment, as JSON values.

    Args:
      experiment: what is trained.
      style: how loops are written.
      steps: how many are traced, one after another; 2 if there is too much in them.
      at: the number of the first, from 0.
      bytes_a_scalar: 1 for published figures.

    Returns:
      What was traced, and by `first` and `steady`, the first and the last step of it: `reads`,
      `cost`, and these by `phases` and by `tensors`, the dearest first; `depths`, reads and cost
      by the rounded-up root of the depth; `alive`, how many values there are as steps go on. Of
      what is too large to be traced, `extrapolated` alone.

    Raises:
      InvalidInput: if its rule cannot be profiled.
    """
    of = {
        "experiment": experiment.name,
        "rule": next(name for name, kind in RULES.items() if kind is type(experiment.rule)),
        "sizes": list(experiment.sizes),
        "batch": experiment.rule.batch,
        "at": at,
        **style._asdict(),
        "bytes_a_scalar": bytes_a_scalar,
    }
    reads = law.reads_of(experiment, style, at=at)
    if reads <= MOST_READS:
        count = min(steps, max(2, MOST_READS // reads))
        traced = trace(experiment, style, steps=count, at=at)
        return of | {"steps": count} | _of_trace(traced, bytes_a_scalar)
    found = law.extrapolate(experiment, style, at=at, bytes_a_scalar=bytes_a_scalar)
    return of | {"steps": 0, "extrapolated": found._asdict()}


def _of_trace(traced: Trace, bytes_a_scalar: int) -> dict[str, Any]:
    recording, (depth, alive) = traced
    instruction, cost = recording.instruction, cost_of(depth, bytes_a_scalar)
    step, phase = recording.step[instruction], recording.phase[instruction]
    tensor = recording.tensor[recording.read]
    groups, of_group = _grouped(recording.tensors)

    def of_step(number: int) -> dict[str, Any]:
        mine = step == number
        return {
            "reads": int(mine.sum()),
            "cost": int(cost[mine].sum()),
            "phases": _by_name(recording.phases, phase[mine], cost[mine]),
            "tensors": _by_name(groups, of_group[tensor[mine]], cost[mine]),
            "depths": _by_root(depth[mine], cost[mine]),
            "deepest": int(depth[mine].max()),
            "most_alive": int(alive[recording.step == number].max()),
        }

    last = int(recording.step[-1])
    stride = -(-len(alive) // _ALIVE)
    begins = np.flatnonzero(np.diff(recording.step, prepend=-1))
    return {
        "first": of_step(0),
        "steady": of_step(last),
        "alive": {
            "instruction": list(range(0, len(alive), stride)),
            "values": alive[::stride].tolist(),
            "steps_begin": begins.tolist(),
        },
    }


def _grouped(tensors: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Names of groups of tensors, and which of them each tensor belongs to."""

    def group(tensor: str) -> str:
        *path, leaf = tensor.split("/")
        if leaf == "weight":
            return f"{path[-2]} weights"
        return "biases" if leaf == "bias" else tensor

    named = [group(tensor) for tensor in tensors]
    groups = list(dict.fromkeys(named))
    return groups, np.array([groups.index(name) for name in named])


def _by_name(names: Sequence[str], which: np.ndarray, cost: np.ndarray) -> list[dict[str, Any]]:
    """Reads and cost of each name that has some, the dearest first."""
    reads = np.bincount(which, minlength=len(names))
    costs = np.bincount(which, cost, minlength=len(names))
    rows = [
        {"name": name or "outside of any", "reads": int(n), "cost": int(c)}
        for name, n, c in zip(names, reads, costs, strict=True)
        if n
    ]
    return sorted(rows, key=lambda row: -row["cost"])


def _by_root(depth: np.ndarray, cost: np.ndarray) -> dict[str, list[int]]:
    """Reads and cost by the rounded-up root of the depth."""
    root = np.ceil(np.sqrt(depth)).astype(int)
    reads, costs = np.bincount(root), np.bincount(root, cost)
    some = np.flatnonzero(reads)
    return {
        "root": some.tolist(),
        "reads": reads[some].tolist(),
        "cost": costs[some].astype(int).tolist(),
    }


def as_tables(report: dict[str, Any]) -> str:
    """A profile for people: its steps, phases and tensors."""
    sizes = "-".join(map(str, report["sizes"]))
    loops = report["order"] + ", fused" * report["fused"]
    head = (
        f"{report['experiment']}, {report['rule']}, {sizes}, batch {report['batch']}, "
        f"loops {loops}, bytes a scalar {report['bytes_a_scalar']}"
    )
    if not report["steps"]:
        found = report["extrapolated"]
        if found["cost"] is None:
            return (
                f"{head}\n{found['reads']:,} reads, as it goes through every state: too many to be "
                "traced, and no law leads there from small machines"
            )
        traced = ", ".join("-".join(map(str, each)) for each in found["traced"])
        return "\n".join(
            [
                head,
                f"too large to be traced. By the law through {traced}, which misses the largest of "
                f"them by {found['error']:+.0%}:",
                f"{found['reads']:,} reads, a cost of about {found['cost']:.3g} for a first step",
            ]
        )
    first, steady = report["first"], report["steady"]
    lines = [head, "", f"{'':34}{'reads':>12}{'cost':>14}{'share':>8}"]

    def row(name: str, reads: int, cost: int) -> str:
        return f"{name:34}{reads:12,}{cost:14,}{cost / steady['cost']:8.1%}"

    which = "the step"
    if report["steps"] > 1:
        lines.append(row("first step", first["reads"], first["cost"]))
        which = "a later step"
    lines.append(row(which, steady["reads"], steady["cost"]))
    for kind in ("phases", "tensors"):
        lines += ["", f"of {which}, by {kind[:-1]}"]
        lines += [row("  " + each["name"], each["reads"], each["cost"]) for each in steady[kind]]
    lines += [
        "",
        f"deepest read {steady['deepest']:,}, most alive {steady['most_alive']:,} scalars; half of "
        f"the cost lies deeper than {_half(steady['depths']):,}",
    ]
    return "\n".join(lines)


def _half(depths: dict[str, list[int]]) -> int:
    """The depth to which half of the cost goes."""
    whole = sum(depths["cost"])
    reached = itertools.accumulate(depths["cost"])
    pairs = zip(depths["root"], reached, strict=True)
    return next(root**2 for root, cost in pairs if 2 * cost >= whole)
