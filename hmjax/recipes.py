"""The recipe: settings by a stated rule, for data that nobody has tuned anything for.

It takes joint stochastic approximation (`hmjax.rules.joint`), which follows the posterior of each
image, and holds all but the visible weights at first (`hmjax.rules.hold`), so that hidden units
become the causes that images are made of. It assumes that data are made of parts that are there or
not, and so holds visible weights at 0 or above; where parts also turn pixels off, let them be
signed (`rule.non_negative` off).

Give it one and a half hidden units for each cause, where those can be counted: with just as many, a
machine in twenty lacks one.
"""

import math
from typing import Any

from hmjax.errors import MAX_COUNT, require
from hmjax.experiment import Experiment, Machine
from hmjax.measures import Evaluation
from hmjax.rules import JointStochastic
from hmjax.settings import as_type
from hmjax.tasks import Images

VISITS = 100  # of an image, in training, from which on it is worth being remembered

FEW_ON = 10  # pixels on in an image, up to which visible weights learn at a rate of 1 while held

PRIOR_DEVIATION = 2.0  # of the weights of machines on images of one's own

MOST_ANNEALED = 10_000  # weights onto the visible units of a machine whose NLL is annealed

MOST_HELD_OUT = 1000  # images that such a machine is measured on


def recipe(
    name: str,
    task: Any,
    hidden: tuple[int, ...] = (24,),
    top: int = 4,
    *,
    steps: int = 200_000,
    **rule: Any,
) -> Experiment:
    """An experiment by the recipe.

    Args:
      name: of the experiment.
      task: what is learned.
      hidden: units of each hidden layer, lowest first.
      top: units of the top layer.
      steps: how many; all that the recipe says of time is a share of them.
      rule: settings of the rule in place of the recipe's.

    Returns:
      An `Experiment`, of which `dataclasses.replace` changes what else is to be otherwise; but for
      another number of steps, ask for another recipe.

    Raises:
      InvalidInput: if a setting is out of range.
    """
    machine = Machine(hidden, top, visible_bias=-2.5, hidden_bias=-1.0)  # which refuses odd layers
    steps = _whole(steps)
    first = (*machine.hidden, machine.top)[0]
    settings: dict[str, Any] = {
        "samples": 4,
        "sweeps": 1,
        "memory": task.images * VISITS <= steps,
        "non_negative": True,
        # For the first three tenths of the steps only visible weights learn, as fast as they can;
        # the more pixels are on, the more causes there are, which would all learn the same.
        "hold": steps * 3 // 10,
        "hold_rate": min(1.0, FEW_ON / (task.p_on * math.prod(task.image_shape))),
        # Then all does, the slower the more units a pixel hears, and the last three tenths calm it.
        "learning_rate": min(0.4, 5 / first),
        **_fall(steps, at=7, to=0.002),
    }
    return Experiment(
        name,
        task=task,
        machine=machine,
        rule=JointStochastic(**(settings | rule)),
        steps=steps,
    )


def _whole(steps: Any) -> int:
    """A number of steps that an experiment may have."""
    steps = as_type(int, steps, "steps")
    require(1 <= steps <= MAX_COUNT, "steps", steps, f"must be 1 to {MAX_COUNT}")
    return steps


def _fall(steps: int, *, at: int, to: float) -> dict[str, Any]:
    """Rates that fall from so many tenths of the steps on, to a share of what they were."""
    begin = steps * at // 10
    return {"decay_at": begin, "decay_over": steps - begin, "decay_factor": to}


def prior_on(images: int) -> float:
    """The weight decay of a normal prior of deviation `PRIOR_DEVIATION`, for so many images."""
    return 1 / (PRIOR_DEVIATION**2 * images)


def own_images(
    name: str,
    task: Images,
    hidden: tuple[int, ...] = (64,),
    top: int = 16,
    *,
    steps: int = 100_000,
    **rule: Any,
) -> Experiment:
    """An experiment by the recipe for images of one's own.

    These are not made of parts that are there or not, so that weights are of either sign and
    nothing is held; and they are few, so that weights have a normal prior of deviation
    `PRIOR_DEVIATION`, and an image is interpreted anew whenever it comes. What counts is to follow
    its posterior: by three sweeps from a sample of the recognition net, ten images a step.

    Args:
      name: of the experiment.
      task: the images.
      hidden: units of each hidden layer, lowest first.
      top: units of the top layer.
      steps: how many.
      rule: settings of the rule in place of the recipe's.

    Raises:
      InvalidInput: if a setting is out of range.
    """
    steps = _whole(steps)
    machine, drawn = Machine(hidden, top), task.drawn
    settings: dict[str, Any] = {
        "sweeps": 3,
        "batch": 10,
        "learning_rate": 0.5,
        "weight_decay": prior_on(len(drawn.which)),
        **_fall(steps, at=6, to=0.01),
    }
    weights = drawn.images.shape[1] * (*machine.hidden, machine.top)[0]
    return Experiment(
        name,
        task=task,
        machine=machine,
        rule=JointStochastic(**(settings | rule)),
        evaluation=Evaluation(
            held_out=max(2, min(MOST_HELD_OUT, len(drawn.held_out))),
            final_samples=1000,
            annealed_runs=4,
            temperatures=100 if weights <= MOST_ANNEALED else 0,
        ),
        steps=steps,
    )
