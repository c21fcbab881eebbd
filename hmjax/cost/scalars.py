"""Tracked scalars, and the tape on which they leave what is done with them.

Arithmetic and comparisons of tracked scalars give tracked scalars; what they are made of beside
constants is read. `bool`, `int` and `float` of one read it, and what they give is no longer
tracked. Constants, indexing, copying and transposing are free.
"""

import contextlib
import contextvars
import math
import operator
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np


class Tape:
    """What is being recorded."""

    def __init__(self) -> None:
        self.read, self.reads_before, self.made_before = array("q"), array("q", [0]), array("q")
        self.phase, self.step, self.tensor = array("q"), array("q"), array("q")
        self.phases: dict[str, int] = {}
        self.tensors: dict[str, int] = {}
        self.now = self.numbered(self.phases, "")
        self.steps = 0
        self.intermediate = self.numbered(self.tensors, "intermediate")

    def new(self, value: float, tensor: int) -> "Scalar":
        """A value that is there from now on."""
        self.tensor.append(tensor)
        return Scalar(self, len(self.tensor) - 1, value)

    def instruction(self, operands: Sequence["Scalar"], values: Sequence[float]) -> Sequence[Any]:
        """Reads operands and makes values."""
        self.read.extend([each.number for each in operands])
        made = [self.new(value, self.intermediate) for value in values]
        self.end_instruction()
        return made

    def arrive(self, arguments: Mapping[str, Any]) -> list[Any]:
        """Arguments whose numbers are tracked from now on, by name, the last array made first.

        An array becomes lists of lists, and is a tensor, by the name of its argument and its path
        in that.
        """
        names = list(arguments)
        leaves, tree = jax.tree_util.tree_flatten_with_path(list(arguments.values()))
        given = [
            self._tracked(
                np.asarray(leaf).tolist(),
                "/".join([names[place.idx], *map(_key, path)]).strip("/"),
            )
            for (place, *path), leaf in reversed(leaves)
        ]
        return jax.tree.unflatten(tree, given[::-1])

    def _tracked(self, value: Any, name: str) -> Any:
        if isinstance(value, list):
            return [self._tracked(each, name) for each in value]
        return self.new(value, self.numbered(self.tensors, name))

    def end_instruction(self) -> None:
        self.reads_before.append(len(self.read))
        self.made_before.append(len(self.tensor))
        self.phase.append(self.now)
        self.step.append(self.steps)

    @staticmethod
    def numbered(names: dict[str, int], name: str) -> int:
        return names.setdefault(name, len(names))


def _key(entry: Any) -> str:
    return str(jax.tree_util.keystr((entry,), simple=True))


class Scalar:
    """A tracked number."""

    __slots__ = ("number", "tape", "value")

    def __init__(self, tape: Tape, number: int, value: float) -> None:
        self.tape, self.number, self.value = tape, number, value

    def __bool__(self) -> bool:
        return bool(self._untracked())

    def __int__(self) -> int:
        return int(self._untracked())

    def __float__(self) -> float:
        return float(self._untracked())

    def __index__(self) -> int:
        return operator.index(self._untracked())

    def __neg__(self) -> "Scalar":
        return applied(operator.neg, self)

    def __abs__(self) -> "Scalar":
        return applied(abs, self)

    def __divmod__(self, other: Any) -> tuple["Scalar", "Scalar"]:
        quotient, remainder = divmod(self.value, plain(other))
        operands = [self, *([other] if isinstance(other, Scalar) else [])]
        first, second = self.tape.instruction(operands, [quotient, remainder])
        return first, second

    def _untracked(self) -> Any:
        self.tape.instruction([self], [])
        return self.value

    # Two scalars that are equal are still two.
    __hash__ = None  # type: ignore[assignment]


def _binary(function: Callable[[Any, Any], Any]) -> tuple[Callable, Callable]:
    def forward(self: Scalar, other: Any) -> Scalar:
        tape = self.tape
        if isinstance(other, Scalar):
            return tape.instruction((self, other), (function(self.value, other.value),))[0]
        return tape.instruction((self,), (function(self.value, other),))[0]

    def reflected(self: Scalar, other: Any) -> Scalar:
        return self.tape.instruction((self,), (function(other, self.value),))[0]

    return forward, reflected


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "pow"):
    _forward, _reflected = _binary(getattr(operator, _name))
    setattr(Scalar, f"__{_name}__", _forward)
    setattr(Scalar, f"__r{_name}__", _reflected)
for _name in ("lt", "le", "gt", "ge", "eq", "ne"):
    setattr(Scalar, f"__{_name}__", _binary(getattr(operator, _name))[0])


def plain(value: Any) -> Any:
    """A number without its tracking."""
    return value.value if isinstance(value, Scalar) else value


def applied(function: Callable[[Any], Any], value: Any) -> Any:
    """An elementary function of one number: one instruction, that reads it once."""
    if not isinstance(value, Scalar):
        return function(value)
    return value.tape.instruction((value,), (function(value.value),))[0]


def exp(value: Any) -> Any:
    """The exponential."""
    return applied(math.exp, value)


def log(value: Any) -> Any:
    """The natural logarithm."""
    return applied(math.log, value)


def _sigmoid(value: float) -> float:
    small = math.exp(-abs(value))
    return (1 if value >= 0 else small) / (1 + small)


def sigmoid(value: Any) -> Any:
    """1 / (1 + exp(-value))."""
    return applied(_sigmoid, value)


_TAPE: contextvars.ContextVar[Tape | None] = contextvars.ContextVar("tape", default=None)


@contextlib.contextmanager
def recording_on(tape: Tape) -> Iterator[None]:
    """What is done meanwhile is left on a tape."""
    token = _TAPE.set(tape)
    try:
        yield
    finally:
        _TAPE.reset(token)


@contextlib.contextmanager
def phase(name: str) -> Iterator[None]:
    """What is done meanwhile belongs to a phase, if a recording is made."""
    tape = _TAPE.get()
    if tape is None:
        yield
        return
    before, tape.now = tape.now, tape.numbered(tape.phases, name)
    try:
        yield
    finally:
        tape.now = before


def named(tensor: str, value: Any) -> Any:
    """A value that has just been made, as one of a tensor."""
    if isinstance(value, Scalar):
        value.tape.tensor[value.number] = value.tape.numbered(value.tape.tensors, tensor)
    return value


def in_place_of(old: Any, value: Any) -> Any:
    """A value that has just been made, as one of the tensor that another belongs to."""
    if isinstance(value, Scalar) and isinstance(old, Scalar):
        value.tape.tensor[value.number] = value.tape.tensor[old.number]
    return value
