"""The data: one file per task, one contract (`Task`) for all."""

from hmjax.tasks.bars import Bars
from hmjax.tasks.base import MOST_IMAGES, Support, Task, Unseen, shown_names
from hmjax.tasks.images import Images
from hmjax.tasks.making import table_of
from hmjax.tasks.shifter import Shifter
from hmjax.tasks.table import Table
from hmjax.tasks.tees import Tees

AnyTask = Shifter | Bars | Tees | Images

__all__ = [
    "MOST_IMAGES",
    "AnyTask",
    "Bars",
    "Images",
    "Shifter",
    "Support",
    "Table",
    "Task",
    "Tees",
    "Unseen",
    "shown_names",
    "table_of",
]
