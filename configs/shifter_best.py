"""The shifter to the floor: reweighted wake-sleep, non-negative weights and restarts."""

import dataclasses
from typing import Any

from hmjax import Evaluation, Experiment, Machine, Restarts, Reweighted


def recipe(
    name: str, steps: int, *, search: int | None = None, renew_top: bool = True, **changes: Any
) -> Experiment:
    """What is recommended for a shifter, with so many steps: restarts, then falling rates.

    Args:
      name: of the experiment.
      steps: a multiple of 100,000.
      search: how many of them are with restarts; four fifths if not given.
      renew_top: whether restarts make top units anew too.
      changes: other fields of the experiment.
    """
    search = search or steps * 4 // 5
    experiment = Experiment(
        name,
        machine=Machine(visible_bias=-2.0),
        rule=Reweighted(
            samples=10,
            recognition="wake",
            optimiser="momentum",
            learning_rate=0.01,
            non_negative=True,
            decay_at=search,
            decay_over=steps - search,
            decay_factor=0.01,
        ),
        restarts=Restarts(until=search, units=12, top=renew_top),
        evaluation=Evaluation(every=20_000),
        steps=steps,
    )
    return dataclasses.replace(experiment, **changes)


experiment = recipe("shifter_best", 2_000_000)
