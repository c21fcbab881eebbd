"""Wake-sleep: two phases of the delta rule, each teaching one net with samples of the other.

  wake   v ~ data, x ~ q(. | v):  W_l += rate * x_{l+1}^T (x_l - sigmoid(x_{l+1} W_l + b_l)),
                                  b_l += rate * (x_l - sigmoid(x_{l+1} W_l + b_l)),
                                  b_L += rate * (x_L - sigmoid(b_L))
  sleep  x ~ p, the net that the wake update has just made:
                                  R_l += rate * x_l^T (x_{l+1} - sigmoid(x_l R_l + c_l)),
                                  c_l += rate * (x_{l+1} - sigmoid(x_l R_l + c_l))

Both are averaged over the batch. They descend -log p(x) and -log q(x_1.. | x_0) at the sampled x.

Source: Hinton, Dayan, Frey & Neal, Science 268:1158-1161, 1995.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax

from hmjax import arithmetic, machine
from hmjax.machine import Layer, Params, Prior, States
from hmjax.rules.base import Descent
from hmjax.rules.contract import Batch, Rule, State


@dataclass(frozen=True)
class WakeSleep(Descent):
    """Plain wake-sleep."""

    def build(
        self,
        sizes: tuple[int, ...],
        numbers: Mapping[str, Any] | None = None,
        images: int = 0,
    ) -> Rule:
        updates, hidden = self.updates(numbers), sizes[1:]

        def step(state: State, batch: Batch, noise: jax.Array) -> State:
            by_layer = machine.by_layer(noise, hidden + sizes)
            noise_wake, noise_sleep = by_layer[: len(hidden)], by_layer[len(hidden) :]
            states = machine.recognise_with(noise_wake, state.params, batch.images)
            state = updates.generative(state, wake_gradient(state.params, states))
            dreams = machine.generate_with(noise_sleep, state.params)
            return updates.recognition(state, sleep_gradient(state.params, dreams))

        return Rule(updates.init, sum(hidden + sizes), step)


def wake_gradient(
    params: Params, states: States, weights: jax.Array | None = None
) -> tuple[tuple[Layer, ...], Prior]:
    """The gradient of -log p(x), averaged over the batch, in `(params.generative, params.prior)`.

    Args:
      params: the machine.
      states: (x_0, ..., x_L), each `[batch, n_l]`.
      weights: `[batch]`, of a weighted mean; equal ones if not given.
    """
    layers = tuple(
        delta_rule(layer, inputs=above, targets=below, weights=weights)
        for layer, below, above in zip(params.generative, states[:-1], states[1:], strict=True)
    )
    error = jax.nn.sigmoid(params.prior.bias)[None] - states[-1]
    return layers, Prior(arithmetic.total(_weighted(error, weights), axis=0))


def sleep_gradient(
    params: Params, states: States, weights: jax.Array | None = None
) -> tuple[Layer, ...]:
    """The gradient of -log q(x_1, ..., x_L | x_0), averaged, in `params.recognition`.

    Args:
      params: the machine.
      states: (x_0, ..., x_L), each `[batch, n_l]`.
      weights: `[batch]`, of a weighted mean; equal ones if not given.
    """
    return tuple(
        delta_rule(layer, inputs=below, targets=above, weights=weights)
        for layer, below, above in zip(params.recognition, states[:-1], states[1:], strict=True)
    )


def delta_rule(
    layer: Layer, *, inputs: jax.Array, targets: jax.Array, weights: jax.Array | None = None
) -> Layer:
    """The delta rule (predicted - target) * input, averaged over the batch, as a gradient."""
    error = jax.nn.sigmoid(machine.logits(layer, inputs)) - targets
    error = _weighted(error, weights)
    return Layer(arithmetic.sum_of_outer(inputs, error), arithmetic.total(error, axis=0))


def _weighted(error: jax.Array, weights: jax.Array | None) -> jax.Array:
    """Rows that add up to their mean, of equal weights or of those given."""
    return error / len(error) if weights is None else weights[:, None] * error
