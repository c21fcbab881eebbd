"""The hold: at first only the visible weights of the generative net learn, as an optax transform.

While held, the weights onto the visible units learn fast, up to a cap; the visible biases,
and all that is above, stay as they are. The biases of the first hidden layer move as one, by the
mean of their updates, so that units are on as often as they are needed. With biases that begin low,
the lowest layer is a sparse noisy-or code of the data, and hidden units become its causes: what is
left for the layers above is an easy mixture. Released, everything learns by its own rate.

Relatives: Saul, Jaakkola & Jordan, Mean field theory for sigmoid belief networks, JAIR 4:61-76,
1996; Dayan & Zemel, Competition and multiple cause models, Neural Computation 7:565-579, 1995.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from hmjax import arithmetic
from hmjax.machine import Layer, Prior

_LOWEST = float(np.finfo(np.float32).min)


class HoldState(NamedTuple):
    """How many updates there have been, int32 `[]`."""

    taken: jax.Array


def hold(
    steps: int, *, rate: np.float32 | jax.Array, bias_share: float, cap: float
) -> optax.GradientTransformation:
    """Changes the updates of `(params.generative, params.prior)` for so many steps.

    Args:
      steps: how many.
      rate: by what the updates of the visible weights are multiplied.
      bias_share: by what share of that the mean update of the first hidden biases is, by which all
        of them move.
      cap: what the size of the visible weights stays at or below.
    """

    def init(_: Any) -> HoldState:
        return HoldState(jnp.zeros((), jnp.int32))

    def update(updates: Any, state: HoldState, params: Any = None) -> tuple[Any, HoldState]:
        # A bound that nothing finite comes to. Without, the compiler makes one factor of the rates
        # of a machine alone, or one instruction of a product and a sum, and so other last bits than
        # beside others.
        updates = jax.tree.map(lambda u: jnp.maximum(u, _LOWEST), updates)
        (visible, *layers), prior = updates
        held = state.taken < steps
        fast, weight = rate * visible.weight, params[0][0].weight
        fast = jnp.where(weight + fast > cap, cap - weight, fast)
        fast = jnp.where(weight + fast < -cap, -cap - weight, fast)
        still = jax.tree.map(jnp.zeros_like, updates)
        (_, *above), top = still
        biases = layers[0].bias if layers else prior.bias
        mean = arithmetic.total(biases, axis=0) * (rate * np.float32(bias_share / len(biases)))
        tied = jnp.broadcast_to(mean, biases.shape)
        if layers:
            above[0] = above[0]._replace(bias=tied)
        else:
            top = Prior(tied)
        while_held = (Layer(fast, jnp.zeros_like(visible.bias)), *above), top
        changed = jax.tree.map(lambda new, old: jnp.where(held, new, old), while_held, updates)
        return changed, HoldState(state.taken + 1)

    return optax.GradientTransformation(init, update)
