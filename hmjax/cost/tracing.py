"""Steps of an experiment as scalar programs, with the draws of its training."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from hmjax.cost.kernels import PLAIN, Style
from hmjax.cost.profile import Profile, price
from hmjax.cost.recording import Recording, record_steps
from hmjax.cost.steps import Carried, step_of
from hmjax.experiment import Experiment
from hmjax.runtime.ambient import own_settings
from hmjax.runtime.cipher import uniforms_of_steps
from hmjax.training import single

MOST_READS = 5_000_000
"""A step of more than this is not traced; these take some 20 seconds."""


class Trace(NamedTuple):
    """Steps that were recorded and priced.

    Attributes:
      recording: what they did.
      profile: what that costs.
    """

    recording: Recording
    profile: Profile


class Draws(NamedTuple):
    """What the steps of a training are given.

    Attributes:
      images: `[steps, batch, n_0]`.
      numbers: int `[steps, batch]`, of the images; 0 where no rule asks for them.
      noise: `[steps, batch, draws]`.
    """

    images: np.ndarray
    numbers: np.ndarray
    noise: np.ndarray


@own_settings()
def trace(
    experiment: Experiment,
    style: Style = PLAIN,
    *,
    steps: int = 1,
    at: int = 0,
    liveness: bool = True,
) -> Trace:
    """Traces steps of an experiment.

    The machine is the untrained one: what a step costs hardly depends on what was learned.

    Args:
      experiment: settings of the training.
      style: how loops are written.
      steps: how many, one after another; the second finds on the stack what the first has left.
      at: the number of the first, from 0, which rates and the hold depend on.
      liveness: whether values go that nothing reads again.

    Raises:
      InvalidInput: if its rule cannot be profiled, or not in this style.
    """
    params = jax.tree.map(np.asarray, single.init_state(experiment).learner.params)
    draws = draws_of(experiment, steps, at=at)
    recording = recorded(experiment, params, draws, style, at=at)
    return Trace(recording, price(recording, liveness=liveness))


def recorded(
    experiment: Experiment, params: Any, draws: Draws, style: Style, *, at: int
) -> Recording:
    """Steps of an experiment's rule, from step `at` on, by a machine of perhaps other sizes."""
    sizes = [len(layer.bias) for layer in (*params.generative, params.prior)]
    memory = None
    if getattr(experiment.rule, "memory", False):
        memory = np.zeros((experiment.task.images, sum(sizes[1:])))
    taken = iter(range(len(draws.images)))

    def step(carried: Carried, images: Any, noise: Any) -> Carried:
        k = next(taken)
        program = step_of(experiment.rule, tuple(sizes), style, at=at + k)
        return program(carried, images, noise, draws.numbers[k].tolist())

    arrivals: Sequence[dict[str, Any]] = [
        {"images": images, "noise": noise}
        for images, noise in zip(draws.images, draws.noise, strict=True)
    ]
    return record_steps(step, Carried(memory, params), arrivals)


@own_settings()
def draws_of(experiment: Experiment, steps: int, *, at: int = 0) -> Draws:
    """What steps of an experiment's training are given, from step `at` on."""
    task, rule = experiment.task, experiment.rule
    draws = rule.build(experiment.sizes, images=task.images).draws
    words = jnp.moveaxis(jax.random.key_data(single.keys_of(experiment.seed).steps), -1, 0)
    shape = rule.batch, task.draws + draws
    uniform = uniforms_of_steps(words, jnp.arange(at, at + steps, dtype=jnp.int32), shape)
    of_task = uniform[:, :, : task.draws].reshape(steps * rule.batch, task.draws)
    images, _ = task.made_of(of_task)
    numbers = task.number_of(of_task) if getattr(rule, "memory", False) else np.zeros(len(images))
    return Draws(
        np.asarray(images).reshape(steps, rule.batch, -1),
        np.asarray(numbers, int).reshape(steps, rule.batch),
        np.asarray(uniform[:, :, task.draws :]),
    )
