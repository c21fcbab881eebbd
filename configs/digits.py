"""Handwritten digits of 8 x 8 pixels: 64-64-16, 100,000 steps by the recipe for own images.

Those that scikit-learn ships (extra `data`): 1,500 to train on and 297 held out, a pixel on from a
grey level of 8 of 16 on.
"""

import functools
from typing import Any

import hmjax
from hmjax.errors import InvalidInput
from hmjax.tasks import Images

HELD_OUT = 297


@functools.cache
def task() -> Images:
    """The digits.

    Raises:
      InvalidInput: if scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise InvalidInput("digits needs scikit-learn: pip install -e '.[data]'") from None
    digits = load_digits()
    share = HELD_OUT / len(digits.images)
    return Images(digits.images, digits.target, threshold=8, held_out=share)


def __getattr__(name: str) -> Any:
    """`experiment`, made when it is asked for, as it needs scikit-learn."""
    if name != "experiment":
        raise AttributeError(name)
    return hmjax.own_images("digits", task())
