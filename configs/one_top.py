"""One top unit that breaks the symmetry: the recipe of shifter_best, in three tries."""

from configs.shifter_best import recipe
from hmjax import Evaluation, Machine, Restarts

SEARCH = 3_000_000

experiment = recipe(
    "one_top",
    3_600_000,
    search=SEARCH,
    machine=Machine(top=1, visible_bias=-2.0),
    restarts=Restarts(until=SEARCH, units=6, tries=3),
    evaluation=Evaluation(every=10_000),
)
