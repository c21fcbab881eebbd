"""Tables and pictures from run folders; nothing here trains.

Pictures are drawn on canvases of their own, in no window: what the user's MPLBACKEND says is not
asked for, and what Matplotlib does not know of it does not matter.
"""

import os

_asked_for = os.environ.pop("MPLBACKEND", None)
import matplotlib  # noqa: E402, F401

if _asked_for is not None:
    os.environ["MPLBACKEND"] = _asked_for
