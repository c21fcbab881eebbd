"""Tables and pictures from run folders; nothing here trains.

Pictures are drawn on canvases of their own, in no window: what the user's MPLBACKEND says is not
asked for, and what Matplotlib does not know of it does not matter.
"""

import contextlib
import os
import sys

if "matplotlib" not in sys.modules and (_asked_for := os.environ.pop("MPLBACKEND", None)):
    import matplotlib

    os.environ["MPLBACKEND"] = _asked_for
    with contextlib.suppress(ValueError):
        matplotlib.rcParams["backend"] = _asked_for
