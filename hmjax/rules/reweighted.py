"""Reweighted wake-sleep: wake-sleep whose wake phase weighs several interpretations of an image.

  x^k ~ q(. | v), k = 1..K,  w_k = p(x^k) / q(x^k | v), normalised over k
  wake    theta += rate * sum_k w_k grad log p(x^k)
  then, as `recognition` says, by
  wake    phi += rate * sum_k w_k grad log q(x^k | v)
  sleep   phi += rate * grad log q(x | x_0), x ~ p, the net that the wake update has just made
  both    phi += rate / 2 * the sum of both

Averaged over the batch. With K = 1 the weights are 1, and with sleep alone this is wake-sleep. For
large K the wake updates approach the gradients of log p(v) and of -KL(p(. | v) || q(. | v)).

Source: Bornschein & Bengio, Reweighted wake-sleep, ICLR 2015.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import jax
import jax.numpy as jnp

from hmjax import arithmetic, machine
from hmjax.errors import require
from hmjax.machine import Layer, Noise, Params, States
from hmjax.rules.base import Descent
from hmjax.rules.contract import Batch, Rule, State
from hmjax.rules.wake_sleep import sleep_gradient, wake_gradient

Recognition = Literal["wake", "sleep", "both"]


@dataclass(frozen=True)
class Reweighted(Descent):
    """Reweighted wake-sleep."""

    samples: int = 10
    """Samples K of the recognition net an image, at least 1."""
    recognition: Recognition = "both"
    """What the recognition net learns from: the weighted samples, dreams, or the mean of both."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.samples >= 1, "rule.samples", self.samples, "must be at least 1")

    def gains_in_lanes(self, sizes: tuple[int, ...]) -> bool:
        return arithmetic.is_small(self.batch * self.samples, max(sizes))

    def build(
        self,
        sizes: tuple[int, ...],
        numbers: Mapping[str, Any] | None = None,
        images: int = 0,
    ) -> Rule:
        updates, drawn_awake = self.updates(numbers), sum(sizes[1:]) * self.samples

        def step(state: State, batch: Batch, noise: jax.Array) -> State:
            noise_wake, noise_sleep = noise[:, :drawn_awake], noise[:, drawn_awake:]
            states = recognised_samples(noise_wake, state.params, batch.images, self.samples)
            weights = None
            if self.samples > 1:
                weights = normalised_weights(state.params, states, self.samples)
            state = updates.generative(state, wake_gradient(state.params, states, weights))
            dreams = machine.by_layer(noise_sleep, sizes)
            gradient = recognition_gradient(self.recognition, state.params, states, weights, dreams)
            return updates.recognition(state, gradient)

        return Rule(updates.init, drawn_awake + sum(sizes), step)


def recognised_samples(noise: jax.Array, params: Params, images: jax.Array, samples: int) -> States:
    """Several samples of the recognition net of each image.

    Args:
      noise: uniform numbers `[images, samples * units]`.
      params: the machine.
      images: `[images, n_0]`.
      samples: how many an image.

    Returns:
      (x_0, ..., x_L), each `[samples * images, n_l]`, the first sample of every image first.
    """
    hidden = tuple(len(layer.bias) for layer in params.recognition)
    of_samples = machine.by_layer(noise, hidden * samples)
    of_layers = (of_samples[layer :: len(hidden)] for layer in range(len(hidden)))
    repeated = jnp.concatenate([images] * samples)
    return machine.recognise_with(tuple(map(jnp.concatenate, of_layers)), params, repeated)


def recognition_gradient(
    learns_from: Recognition,
    params: Params,
    states: States,
    weights: jax.Array | None,
    noise_sleep: Noise,
) -> tuple[Layer, ...]:
    """The gradient that the recognition net learns by, in `params.recognition`.

    Args:
      learns_from: the states of the wake phase, dreams, or the mean of both.
      params: the machine.
      states: of the wake phase, (x_0, ..., x_L).
      weights: theirs, `[n]`; equal ones if not given.
      noise_sleep: of the layers 0, ..., L of a dream; not looked at without dreams.
    """
    gradients = []
    if learns_from != "sleep":
        gradients.append(sleep_gradient(params, states, weights))
    if learns_from != "wake":
        gradients.append(sleep_gradient(params, machine.generate_with(noise_sleep, params)))
    return jax.tree.map(lambda *each: sum(each) / len(each), *gradients)


def normalised_weights(params: Params, states: States, samples: int) -> jax.Array:
    """The importance weights of samples of q, those of an image summing to 1 / images.

    Args:
      params: the machine.
      states: (x_0, ..., x_L), each `[samples * images, n_l]`, the first of every image first.
      samples: how many an image.

    Returns:
      `[samples * images]`.
    """
    log_weight = machine.log_joint(params, states) - machine.log_recognition(params, states)
    images = len(log_weight) // samples
    by_image = log_weight.reshape(samples, images, *log_weight.shape[1:])
    odds = jnp.exp(by_image - jnp.max(by_image, axis=0)[None])
    # Not a division, of which XLA makes a product for one machine alone.
    share = odds * (1 / (images * arithmetic.total(odds, axis=0)))[None]
    return share.reshape(log_weight.shape)
