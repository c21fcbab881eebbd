"""What every learning rule gives: pure functions over a state."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import optax

from hmjax.machine import Layer, Params, Prior


class State(NamedTuple):
    """What a rule carries from step to step.

    Attributes:
      params: the machine.
      generative: the optimiser state of `(params.generative, params.prior)`.
      recognition: the optimiser state of `params.recognition`.
      memory: of a rule that keeps one, the latest states of each image (see `hmjax.rules.memory`).
    """

    params: Params
    generative: optax.OptState
    recognition: optax.OptState
    memory: jax.Array | None = None


class Batch(NamedTuple):
    """What a step learns from.

    Attributes:
      images: `[batch, n_0]`.
      numbers: int32 `[batch]`, the number that the task gives each image, the same whenever it
        comes (see `hmjax.tasks.Task.number_of`); not there where no rule asks for it.
    """

    images: jax.Array
    numbers: jax.Array | None = None


class Rule(NamedTuple):
    """A learning rule, as pure functions.

    Attributes:
      init: `init(params) -> State`.
      draws: how many uniform numbers a step needs for each of its images.
      step: `step(state, batch, noise) -> State`, one update from one batch and uniform numbers
        `[batch, draws]`. All arrays may carry a trailing axis, one machine a place; the updates of
        a machine do not depend on those beside it.
    """

    init: Callable[[Params], State]
    draws: int
    step: Callable[[State, Batch, jax.Array], State]


class Updates(NamedTuple):
    """How gradients move a machine, as pure functions.

    Attributes:
      init: `init(params) -> State`.
      generative: `generative(state, gradient) -> State`, the gradient in
        `(params.generative, params.prior)`.
      recognition: `recognition(state, gradient) -> State`, the gradient in `params.recognition`.
    """

    init: Callable[[Params], State]
    generative: Callable[[State, tuple[tuple[Layer, ...], Prior]], State]
    recognition: Callable[[State, tuple[Layer, ...]], State]
