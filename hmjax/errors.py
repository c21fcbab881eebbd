"""The two ways a run can fail that are not bugs."""

from typing import Any

MAX_COUNT = 2**31 - 1
"""The most steps or samples: they are counted in int32."""


class InvalidInput(Exception):
    """A value or a file the user gave cannot be used.

    The message is one line that names the field, the value and what is allowed. It is deliberately
    not a `ValueError`, which command-line parsers catch and reword.
    """


class Diverged(Exception):
    """Parameters became infinite or NaN.

    Attributes:
      step: the first step, counted from 1, whose update was not finite.
    """

    def __init__(self, step: int, remedy: str = "try a lower learning rate"):
        super().__init__(f"parameters stopped being finite at step {step}; {remedy}")
        self.step = step


def require(condition: bool, field: str, value: Any, allowed: str) -> None:
    """Raises `InvalidInput` naming `field`, `value` and what is `allowed`, unless `condition`."""
    if not condition:
        raise InvalidInput(f"{field} is {value!r}: {allowed}")
