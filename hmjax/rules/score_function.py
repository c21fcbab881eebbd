"""The score-function gradient of the bound: a variational autoencoder of binary units.

  x^k ~ q(. | v), k = 1..K,  L_k = log p(x^k) - log q(x^k | v)
  theta += rate / K * sum_k grad log p(x^k)
  phi   += rate / K * sum_k (L_k - the mean of the other L) grad log q(x^k | v)

Averaged over the batch: both nets ascend the same bound, E_q[L]. It is what backpropagation comes
to where units are drawn, and not local: one number of the whole net, L, reaches every weight. What
the other samples came to is taken from it, which leaves the gradient as it is and its noise lower.

Sources: Mnih & Gregor, Neural variational inference and learning in belief networks, ICML 2014;
Kool, van Hoof & Welling, Buy 4 REINFORCE samples, get a baseline for free!, ICLR workshop 2019.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from hmjax import arithmetic, machine
from hmjax.errors import require
from hmjax.rules.base import Descent
from hmjax.rules.contract import Batch, Rule, State
from hmjax.rules.reweighted import recognised_samples
from hmjax.rules.wake_sleep import sleep_gradient, wake_gradient


@dataclass(frozen=True)
class ScoreFunction(Descent):
    """The score-function gradient of the bound."""

    samples: int = 2
    """Samples K of the recognition net an image, at least 2."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.samples >= 2, "rule.samples", self.samples, "must be at least 2")

    def gains_in_lanes(self, sizes: tuple[int, ...]) -> bool:
        return arithmetic.is_small(self.batch * self.samples, max(sizes))

    def build(
        self,
        sizes: tuple[int, ...],
        numbers: Mapping[str, Any] | None = None,
        images: int = 0,
    ) -> Rule:
        updates, units = self.updates(numbers), sum(sizes[1:])

        def step(state: State, batch: Batch, noise: jax.Array) -> State:
            params = state.params
            states = recognised_samples(noise, params, batch.images, self.samples)
            bound = machine.log_joint(params, states) - machine.log_recognition(params, states)
            weights = _rewards(bound, self.samples)
            state = updates.generative(state, wake_gradient(params, states))
            return updates.recognition(state, sleep_gradient(params, states, weights))

        return Rule(updates.init, units * self.samples, step)


def _rewards(bound: jax.Array, samples: int) -> jax.Array:
    """By how much each sample is better than the others of its image, for a mean over all.

    Args:
      bound: log p - log q of samples, `[samples * images]`, the first of every image first.
      samples: how many an image.
    """
    by_image = bound.reshape(samples, -1, *bound.shape[1:])
    mean = arithmetic.total(by_image, axis=0) * jnp.float32(1 / samples)
    by = jnp.float32(samples / (samples - 1) / len(bound))
    return (by * (by_image - mean[None])).reshape(bound.shape)
