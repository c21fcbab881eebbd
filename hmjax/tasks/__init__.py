"""The data: one file per task, one contract (`Task`) for all."""

from hmjax.tasks.bars import Bars
from hmjax.tasks.base import Support, Task, best_accuracy, entropy_bits, shown_names
from hmjax.tasks.shifter import Shifter

__all__ = ["Bars", "Shifter", "Support", "Task", "best_accuracy", "entropy_bits", "shown_names"]
