"""Scalar programs, recorded: which values each instruction read and which it made.

A program is plain Python over numbers. Given tracked scalars in their place (see
`hmjax.cost.scalars`), it runs as it would and leaves a recording behind.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from hmjax.cost.scalars import Scalar, Tape, plain, recording_on


class Recording(NamedTuple):
    """What a program did. Values are numbered in the order they came or were made.

    Attributes:
      read: int `[reads]`, the values that were read.
      reads_before: int `[instructions + 1]`, how many of those came before each instruction.
      made_before: int `[instructions + 1]`, how many values were there before each instruction.
      phase: int `[instructions]`, which of `phases` each instruction belongs to.
      step: int `[instructions]`, which step each belongs to.
      tensor: int `[values]`, which of `tensors` each value belongs to.
      phases: names, in the order they began.
      tensors: names, likewise.
      returned: those that what the program returned consists of.
      result: what it returned, as plain numbers.
    """

    read: np.ndarray
    reads_before: np.ndarray
    made_before: np.ndarray
    phase: np.ndarray
    step: np.ndarray
    tensor: np.ndarray
    phases: list[str]
    tensors: list[str]
    returned: list[int]
    result: Any

    @property
    def instruction(self) -> np.ndarray:
        """The instruction that each read belongs to, int `[reads]`."""
        return np.repeat(np.arange(len(self.phase)), np.diff(self.reads_before))


def record(program: Callable[..., Any], *arguments: Any) -> Recording:
    """Runs a program of scalars and records what it does.

    Args:
      program: given the arguments, with tracked scalars for their numbers and lists of those for
        their arrays.
      arguments: trees of arrays and numbers.
    """
    named = {str(place): argument for place, argument in enumerate(arguments)}
    return record_steps(lambda _, *given: program(*given), None, [named])


def record_steps(
    step: Callable[..., Any],
    state: Any,
    arrivals: Sequence[Mapping[str, Any]],
) -> Recording:
    """Runs a program of scalars several times, on what it returned, and records what it does.

    Every array is an argument, in the order of its tree: the first of the state lies on top at the
    start.

    Args:
      step: `step(state, *arrived) -> state`.
      state: a tree of arrays and numbers.
      arrivals: for each step, by name, what it is given beside the state: trees of arrays and
        numbers, which are pushed when it begins, the last of them first.
    """
    tape = Tape()
    state, *given = tape.arrive({"": state, **arrivals[0]})
    tape.made_before.append(len(tape.tensor))
    with recording_on(tape):
        state = step(state, *given)
        for arrived in arrivals[1:]:
            tape.steps += 1
            given = tape.arrive(arrived)
            tape.end_instruction()
            state = step(state, *given)
    leaves = [leaf for leaf in jax.tree.leaves(state) if isinstance(leaf, Scalar)]
    return Recording(
        read=np.array(tape.read, np.int64),
        reads_before=np.array(tape.reads_before, np.int64),
        made_before=np.array(tape.made_before, np.int64),
        phase=np.array(tape.phase, np.int64),
        step=np.array(tape.step, np.int64),
        tensor=np.array(tape.tensor, np.int64),
        phases=list(tape.phases),
        tensors=list(tape.tensors),
        returned=[leaf.number for leaf in leaves],
        result=jax.tree.map(plain, state),
    )
