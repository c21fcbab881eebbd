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

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from hmjax import machine
from hmjax.machine import Layer, Noise, Params, Prior, States
from hmjax.rules.base import Descent, Rule, State


@dataclass(frozen=True)
class WakeSleep(Descent):
    """Plain wake-sleep."""

    def build(self, sizes: tuple[int, ...]) -> Rule:
        """The rule for machines of the given layer sizes."""
        generative, recognition = self.optimisers()

        def init(params: Params) -> State:
            return State(
                params,
                generative.init((params.generative, params.prior)),
                recognition.init(params.recognition),
            )

        def draw(key: jax.Array) -> tuple[Noise, Noise]:
            noise = machine.draw_noise(key, sizes[1:] + sizes, self.batch)
            return noise[: len(sizes) - 1], noise[len(sizes) - 1 :]

        def step(state: State, images: jax.Array, noise: tuple[Noise, Noise]) -> State:
            noise_wake, noise_sleep = noise
            params = state.params

            states = machine.recognise_with(noise_wake, params, images)
            learned, generative_state = generative.update(
                wake_gradient(params, states), state.generative
            )
            moved = optax.apply_updates((params.generative, params.prior), learned)
            params = params._replace(generative=moved[0], prior=moved[1])

            states = machine.generate_with(noise_sleep, params)
            learned, recognition_state = recognition.update(
                sleep_gradient(params, states), state.recognition
            )
            params = params._replace(recognition=optax.apply_updates(params.recognition, learned))
            return State(params, generative_state, recognition_state)

        return Rule(init, draw, step)


def wake_gradient(params: Params, states: States) -> tuple[tuple[Layer, ...], Prior]:
    """The gradient of -log p(x), averaged over the batch, in `(params.generative, params.prior)`.

    Args:
      params: the machine.
      states: (x_0, ..., x_L), each `[batch, n_l]`.
    """
    layers = tuple(
        delta_rule(layer, inputs=above, targets=below)
        for layer, below, above in zip(params.generative, states[:-1], states[1:], strict=True)
    )
    return layers, Prior(jnp.mean(jax.nn.sigmoid(params.prior.bias) - states[-1], axis=0))


def sleep_gradient(params: Params, states: States) -> tuple[Layer, ...]:
    """The gradient of -log q(x_1, ..., x_L | x_0), averaged, in `params.recognition`.

    Args:
      params: the machine.
      states: (x_0, ..., x_L), each `[batch, n_l]`.
    """
    return tuple(
        delta_rule(layer, inputs=below, targets=above)
        for layer, below, above in zip(params.recognition, states[:-1], states[1:], strict=True)
    )


def delta_rule(layer: Layer, *, inputs: jax.Array, targets: jax.Array) -> Layer:
    """The delta rule (predicted - target) * input, averaged over the batch, as a gradient."""
    error = jax.nn.sigmoid(machine.logits(layer, inputs)) - targets
    weight = jnp.matmul(inputs.T, error, precision="highest") / len(inputs)
    return Layer(weight, jnp.mean(error, axis=0))
