"""The data: one file per task, one contract (`Task`) for all."""

from hmjax.tasks.bars import Bars
from hmjax.tasks.base import MOST_IMAGES, Support, Task, shown_names
from hmjax.tasks.shifter import Shifter
from hmjax.tasks.tees import Tees

__all__ = ["MOST_IMAGES", "Bars", "Shifter", "Support", "Task", "Tees", "shown_names"]
