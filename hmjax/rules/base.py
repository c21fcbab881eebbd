"""How the gradients of every rule move a machine, and the settings of that."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hmjax import arithmetic
from hmjax.errors import MAX_COUNT, require
from hmjax.machine import Layer, Params, Prior
from hmjax.rules.contract import Rule, State, Updates
from hmjax.rules.hold import hold
from hmjax.rules.optimiser import Optimiser, descent
from hmjax.settings import Settings


@dataclass(frozen=True)
class Descent(Settings):
    """How a rule's gradients move the parameters; the settings all rules share."""

    OPTIONS: ClassVar[str] = "rule."

    learning_rate: float = 0.1
    """Learning rate of the generative net, above 0."""
    recognition_rate: float | None = None
    """Learning rate of the recognition net, above 0; the same as learning-rate if not given."""
    optimiser: Optimiser = "sgd"
    """How gradients are applied; momentum is sgd with momentum 0.9."""
    batch: int = 1
    """Images in a step, at least 1."""
    decay_at: int | None = None
    """Step at which both rates begin to fall, 0 or more; never if not given."""
    decay_over: int = 0
    """Steps that the fall takes, in a straight line, 0 or more; 0 for a drop."""
    decay_factor: float = 0.1
    """What both rates are multiplied by after the fall, above 0."""
    layer_rates: tuple[float, ...] = ()
    """Factors on the rates of each layer, lowest first, and of the prior, above 0; 1 if none."""
    non_negative: bool = False
    """Hold the generative weights onto the visible units at 0 or above."""
    weight_decay: float = field(default=0.0, metadata={"since": 5})
    """What weights shrink by, as a share of the rate, in both nets; 0 or more. It is a normal prior
    on them, of variance 1 / (images * weight-decay)."""
    hold: int = field(default=0, metadata={"since": 4})
    """Steps, from the first, in which of the generative net only the visible weights learn; 0 or
    more."""
    hold_rate: float = field(default=1.0, metadata={"since": 4})
    """Learning rate of the visible weights meanwhile, above 0."""
    hold_cap: float = field(default=4.2, metadata={"since": 4})
    """What their size stays at or below meanwhile, above 0."""
    hold_bias: float = field(default=0.02, metadata={"since": 4})
    """Share of that rate at which the first hidden biases move meanwhile, as one; 0 or more."""

    def __post_init__(self) -> None:
        super().__post_init__()
        rates = [("learning-rate", self.learning_rate), ("decay-factor", self.decay_factor)]
        rates += [("layer-rates", rate) for rate in self.layer_rates]
        if self.recognition_rate is not None:
            rates.append(("recognition-rate", self.recognition_rate))
        for name, value in rates:
            require(0 < value < math.inf, f"rule.{name}", value, "must be above 0 and finite")
        require(self.batch >= 1, "rule.batch", self.batch, "must be at least 1 image")
        at, over = self.decay_at, self.decay_over
        most = f"must be 0 to {MAX_COUNT}"
        require(at is None or 0 <= at <= MAX_COUNT, "rule.decay-at", at, most)
        require(0 <= over <= MAX_COUNT, "rule.decay-over", over, most)
        require(over == 0 or at is not None, "rule.decay-over", over, "needs rule.decay-at")
        require(0 <= self.hold <= MAX_COUNT, "rule.hold", self.hold, most)
        for name, value in (("hold-rate", self.hold_rate), ("hold-cap", self.hold_cap)):
            require(0 < value < math.inf, f"rule.{name}", value, "must be above 0 and finite")
        share = self.hold_bias
        require(0 <= share < math.inf, "rule.hold-bias", share, "must be 0 or more, and finite")
        decay = self.weight_decay
        require(0 <= decay < math.inf, "rule.weight-decay", decay, "must be 0 or more, and finite")
        factors = self.layer_rates
        require(
            not self.hold or not factors, "rule.layer-rates", factors, "must be none with a hold"
        )

    def check(self, sizes: tuple[int, ...], images: int = 0) -> None:
        """Refuses what does not fit machines of the given layer sizes, or so many images.

        Raises:
          InvalidInput: if there is a factor too few or too many, or the rule cannot take machines
            of these sizes or so many images.
        """
        rates = self.layer_rates
        require(
            len(rates) in (0, len(sizes)),
            "rule.layer-rates",
            rates,
            f"must be {len(sizes)} factors, of {len(sizes) - 1} layers of weights and the prior",
        )

    def build(
        self,
        sizes: tuple[int, ...],
        numbers: Mapping[str, Any] | None = None,
        images: int = 0,
    ) -> Rule:
        """The rule.

        Args:
          sizes: the layer sizes of its machines.
          numbers: in place of some of `numbers()`; may be traced.
          images: how many the task tells apart, for a rule that remembers them.
        """
        raise NotImplementedError

    def gains_in_lanes(self, sizes: tuple[int, ...]) -> bool:
        """Whether machines of the given layer sizes are faster side by side in vector lanes."""
        return arithmetic.is_small(self.batch, max(sizes))

    def shared(self) -> dict[str, Any]:
        """The settings that all rules share, by field."""
        return {each.name: getattr(self, each.name) for each in fields(Descent)}

    def numbers(self) -> dict[str, float]:
        """The settings, by field, that a step uses as numbers only, and may be given others of."""
        recognition = self.recognition_rate
        return {
            "learning_rate": self.learning_rate,
            "recognition_rate": self.learning_rate if recognition is None else recognition,
        }

    def updates(self, numbers: Mapping[str, Any] | None = None) -> Updates:
        """How gradients move a machine under these settings, or other `numbers`, perhaps traced."""
        rates = self.numbers() | dict(numbers or {})
        of_generative = self._optimiser(rates["learning_rate"])
        if self.hold:
            # In float32, as where the learning rate is traced.
            rate = np.float32(self.hold_rate) / _float32(rates["learning_rate"])
            held = hold(self.hold, rate=rate, bias_share=self.hold_bias, cap=self.hold_cap)
            of_generative = optax.chain(of_generative, held)
        of_recognition = self._optimiser(rates["recognition_rate"])

        def init(params: Params) -> State:
            return State(
                params,
                of_generative.init((params.generative, params.prior)),
                of_recognition.init(params.recognition),
            )

        def generative(state: State, gradient: tuple[tuple[Layer, ...], Prior]) -> State:
            params = state.params
            before = params.generative, params.prior
            gradient = self._with_prior(gradient[0], params.generative), gradient[1]
            (layers, prior), opt_state = of_generative.update(gradient, state.generative, before)
            *layers, prior = self._by_layer((*layers, prior))
            layers, prior = optax.apply_updates(before, (tuple(layers), prior))
            if self.non_negative:
                visible = layers[0]._replace(weight=jnp.maximum(layers[0].weight, 0))
                layers = (visible, *layers[1:])
            params = params._replace(generative=layers, prior=prior)
            return state._replace(params=params, generative=opt_state)

        def recognition(state: State, gradient: tuple[Layer, ...]) -> State:
            params = state.params
            gradient = self._with_prior(gradient, params.recognition)
            layers, opt_state = of_recognition.update(gradient, state.recognition)
            layers = optax.apply_updates(params.recognition, self._by_layer(layers))
            params = params._replace(recognition=layers)
            return state._replace(params=params, recognition=opt_state)

        return Updates(init, generative, recognition)

    def _with_prior(
        self, gradient: tuple[Layer, ...], layers: tuple[Layer, ...]
    ) -> tuple[Layer, ...]:
        """The gradient with that of the prior on the weights."""
        if not self.weight_decay:
            return gradient
        return tuple(
            each._replace(weight=each.weight + np.float32(self.weight_decay) * layer.weight)
            for each, layer in zip(gradient, layers, strict=True)
        )

    def _by_layer(self, updates: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self.layer_rates:
            return updates
        return tuple(
            jax.tree.map(lambda leaf, rate=rate: rate * leaf, layer)
            for rate, layer in zip(self.layer_rates, updates, strict=False)
        )

    def schedule(self, rate: Any) -> optax.ScalarOrSchedule:
        """A rate by step, as it falls."""
        rate = _float32(
            rate
        )  # so that what a schedule makes of it is the same as when it is traced
        match self.decay_at, self.decay_over:
            case None, _:
                return rate
            case at, 0:
                return optax.piecewise_constant_schedule(rate, {at: self.decay_factor})
            case at, over:
                return optax.linear_schedule(rate, rate * self.decay_factor, over, at)

    def _optimiser(self, rate: Any) -> optax.GradientTransformation:
        return descent(self.optimiser, self.schedule(rate))


def _float32(rate: Any) -> Any:
    """A rate as it is when it is traced."""
    return np.float32(rate) if isinstance(rate, float) else rate
