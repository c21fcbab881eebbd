"""What pictures call layers, units and numbers: one word for one thing."""

import math
import re


def unit_of(layer: int, depth: int) -> str:
    """What a unit of a layer is called; of which layer too, if several are hidden.

    Args:
      layer: counted from the visible one, 0.
      depth: the number of the top layer.
    """
    if layer in (0, depth):
        return "visible unit" if layer == 0 else "top unit"
    return "hidden unit" if depth == 2 else f"hidden unit of layer {layer}"


def symbol_of(unit: int, layer: int, depth: int) -> str:
    """The symbol of a unit, counted from 0: $t_1$ is the first of the top ones."""
    letter = "v" if layer == 0 else "t" if layer == depth else "h"
    which = f"^{{{layer}}}" if letter == "h" and depth > 2 else ""
    return f"${letter}{which}_{{{unit + 1}}}$"


def number(value: float, digits: int = 2) -> str:
    """A number as titles and keys show it: with decimals, where these tell it from 0 and fit."""
    if not math.isfinite(value):
        return "unknown"
    if value == 0 or 10**-digits <= abs(value) < 1e4:
        return f"{value:.{digits}f}"
    return re.sub(r"e\+?(-?)0*", r"e\1", f"{value:.1e}")
