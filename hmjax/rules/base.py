"""What every learning rule gives, and the optimisers all rules share."""

import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import optax

from hmjax.errors import require
from hmjax.machine import Params

Optimiser = Literal["sgd", "momentum", "adam"]


class State(NamedTuple):
    """What a rule carries from step to step.

    Attributes:
      params: the machine.
      generative: the optimiser state of `(params.generative, params.prior)`.
      recognition: the optimiser state of `params.recognition`.
    """

    params: Params
    generative: optax.OptState
    recognition: optax.OptState


class Rule(NamedTuple):
    """A learning rule, as pure functions.

    Attributes:
      init: `init(params) -> State`.
      draw: `draw(key) -> noise`, everything random that one step needs besides its images. It does
        not see the parameters, so a block's noise is drawn before its steps are taken.
      step: `step(state, images, noise) -> State`, one update from one batch `[batch, n_0]`.
    """

    init: Callable[[Params], State]
    draw: Callable[[jax.Array], Any]
    step: Callable[[State, jax.Array, Any], State]


@dataclass(frozen=True)
class Descent:
    """How a rule's gradients move the parameters; the settings all rules share."""

    learning_rate: float = 0.1
    """Learning rate of the generative net, above 0."""
    recognition_rate: float | None = None
    """Learning rate of the recognition net, above 0; the same as learning-rate if not given."""
    optimiser: Optimiser = "sgd"
    """How gradients are applied; momentum is sgd with momentum 0.9."""
    batch: int = 1
    """Images in a step, at least 1."""
    decay_at: int | None = None
    """Step from which both rates are multiplied by decay-factor; never if not given."""
    decay_factor: float = 0.1
    """Factor on both rates from step decay-at on, above 0."""

    def __post_init__(self) -> None:
        rates = [("learning-rate", self.learning_rate), ("decay-factor", self.decay_factor)]
        if self.recognition_rate is not None:
            rates.append(("recognition-rate", self.recognition_rate))
        for field, value in rates:
            require(0 < value < float("inf"), f"rule.{field}", value, "must be above 0 and finite")
        known = typing.get_args(Optimiser)
        require(
            self.optimiser in known,
            "rule.optimiser",
            self.optimiser,
            f"must be one of {', '.join(known)}",
        )
        require(self.batch >= 1, "rule.batch", self.batch, "must be at least 1 image")
        decay_at = self.decay_at
        require(
            decay_at is None or decay_at >= 1, "rule.decay-at", decay_at, "must be at least step 1"
        )

    def numbers(self) -> dict[str, float]:
        """The settings, by field, that a step uses as numbers only, so that they may be traced."""
        recognition = self.recognition_rate
        return {
            "learning_rate": self.learning_rate,
            "recognition_rate": self.learning_rate if recognition is None else recognition,
        }

    def optimisers(self) -> tuple[optax.GradientTransformation, optax.GradientTransformation]:
        """One optimiser for the generative and one for the recognition net."""
        rates = self.numbers()
        return self._optimiser(rates["learning_rate"]), self._optimiser(rates["recognition_rate"])

    def _optimiser(self, rate: float) -> optax.GradientTransformation:
        schedule: optax.ScalarOrSchedule = rate
        if self.decay_at is not None:
            schedule = optax.piecewise_constant_schedule(rate, {self.decay_at: self.decay_factor})
        match self.optimiser:
            case "sgd":
                return optax.sgd(schedule)
            case "momentum":
                return optax.sgd(schedule, momentum=0.9)
            case "adam":
                return optax.adam(schedule)
