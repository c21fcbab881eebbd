"""What a recording costs: every read is priced by how deep its value lies.

Per instruction: its operands are priced against the stack as it is before it, one that is there
twice twice; then they move to the top, in the order they were read; those that nothing reads again
go; and what was made is pushed. A value that is never read and not returned is never there.

Source: the data-movement cost ByteDMD, as of 2026-04-13, in which a read at depth x costs the
rounded-up root of x; Dally, CACM 65(9):30-32, 2022, and Smith, Goldfarb & Ding, Beyond time
complexity, ICS 2022.
"""

from typing import NamedTuple

import numpy as np

from hmjax.cost.recording import Recording
from hmjax.cost.stack import Stack


class Profile(NamedTuple):
    """What a recording costs.

    Attributes:
      depth: int `[reads]`, how deep each value that was read lay.
      alive: int `[instructions]`, how many values there were after each.
    """

    depth: np.ndarray
    alive: np.ndarray


def price(recording: Recording, *, liveness: bool = True) -> Profile:
    """Prices what was recorded.

    Args:
      recording: what.
      liveness: whether values go that nothing reads again.
    """
    values = len(recording.tensor)
    last = np.full(values, -1)  # the last read of each
    last[recording.read] = np.arange(len(recording.read))
    last[recording.returned] = np.iinfo(last.dtype).max
    if not liveness:
        last[:] = np.iinfo(last.dtype).max
    last_read, read = last.tolist(), recording.read.tolist()
    ends, made_ends = recording.reads_before.tolist(), recording.made_before.tolist()
    stack, depth, alive = Stack(), [0] * len(read), [0] * len(recording.phase)
    for value in range(made_ends[0]):
        if last_read[value] >= 0:
            stack.push(value)
    begin, made_begin = 0, made_ends[0]
    for instruction, (end, made_end) in enumerate(zip(ends[1:], made_ends[1:], strict=True)):
        operands = read[begin:end]
        for place, value in enumerate(operands, begin):
            depth[place] = stack.depth(value)
        for value in dict.fromkeys(operands):
            if last_read[value] < end:
                stack.remove(value)
            else:
                stack.move_to_top(value)
        for value in range(made_begin, made_end):
            if last_read[value] >= 0:
                stack.push(value)
        alive[instruction] = len(stack)
        begin, made_begin = end, made_end
    return Profile(np.array(depth, np.int64), np.array(alive, np.int64))


def cost_of(depth: np.ndarray, bytes_a_scalar: int = 1) -> np.ndarray:
    """What reads at depths cost, each.

    A scalar of several bytes takes as many places one above the other, all of which are read.
    """
    below = (depth - 1) * bytes_a_scalar
    return _cost_down_to(depth * bytes_a_scalar) - _cost_down_to(below)


def _cost_down_to(depth: np.ndarray) -> np.ndarray:
    """The sum over d <= depth of the rounded-up root of d."""
    root = np.ceil(np.sqrt(depth)).astype(np.int64)  # exact for depths far beyond any stack's
    return root * (6 * depth - 2 * root**2 + 3 * root - 1) // 6
