"""Exact EM: wake-sleep with the exact posterior, by enumeration, in place of samples of q.

  wake    theta += rate * E_p(x | v)[grad log p(x)]         = rate * grad log p(v)
  sleep   phi   += rate * E_p(x | v)[grad log q(x_1.. | v)] = -rate * grad KL(p(. | v) || q(. | v))

Averaged over the batch. It is what a perfect recognition net would give the generative one, and so
the ceiling of every rule with samples. It is no local rule: it sees the exact likelihood.

Given an image the layers are a chain upwards, p(x_1 | v) p(x_2 | x_1) ... p(x_L | x_{L-1}), of
which only the first link knows the image. Both updates are delta rules over all states of a link.

Source: Dempster, Laird & Rubin, Maximum likelihood from incomplete data via the EM algorithm,
J. Royal Statistical Society B 39:1-38, 1977; here with a gradient step for the maximisation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import jax
import jax.numpy as jnp

from hmjax import exact, machine
from hmjax.errors import require
from hmjax.machine import Layer, Params, Prior
from hmjax.rules.base import Descent
from hmjax.rules.contract import Batch, Rule, State


@dataclass(frozen=True)
class ExactEM(Descent):
    """Wake-sleep with the exact posterior."""

    FORMERLY: ClassVar[tuple[str, ...]] = ("Oracle",)

    def check(self, sizes: tuple[int, ...], images: int = 0) -> None:
        super().check(sizes, images)
        require(
            exact.is_enumerable(sizes, self.batch),
            "rule",
            "exact-em",
            f"must be another for layers {sizes}, which are too large to enumerate",
        )

    def gains_in_lanes(self, sizes: tuple[int, ...]) -> bool:
        return False  # its tables have as many rows as layers have states

    def build(
        self,
        sizes: tuple[int, ...],
        numbers: Mapping[str, Any] | None = None,
        images: int = 0,
    ) -> Rule:
        updates = self.updates(numbers)

        def step(state: State, batch: Batch, noise: jax.Array) -> State:
            gradients = expected_gradients
            for _ in range(batch.images.ndim - 2):
                gradients = jax.vmap(gradients, in_axes=-1, out_axes=-1)
            generative, recognition = gradients(state.params, batch.images)
            return updates.recognition(updates.generative(state, generative), recognition)

        return Rule(updates.init, 0, step)


def expected_gradients(
    params: Params, images: jax.Array
) -> tuple[tuple[tuple[Layer, ...], Prior], tuple[Layer, ...]]:
    """The gradients of -log p(v) and of KL(p(. | v) || q(. | v)), averaged over the images.

    Args:
      params: the machine.
      images: `[n, n_0]` of zeros and ones.

    Returns:
      The first in `(params.generative, params.prior)`, the second in `params.recognition`.
    """
    states = [images, *map(exact.all_states, machine.sizes_of(params)[1:])]
    probability = jnp.full(len(images), 1 / len(images), jnp.float32)
    generative, recognition = [], []
    for level, link in enumerate(posterior_chain(params, images)):
        pairs = probability[:, None] * link
        below, above = states[level : level + 2]
        generative.append(
            _delta_rule(params.generative[level], inputs=above, targets=below, pairs=pairs.T)
        )
        recognition.append(
            _delta_rule(params.recognition[level], inputs=below, targets=above, pairs=pairs)
        )
        probability = jnp.sum(pairs, axis=0)
    prior = jax.nn.sigmoid(params.prior.bias) - probability @ states[-1]
    return (tuple(generative), Prior(prior)), tuple(recognition)


def posterior_chain(params: Params, images: jax.Array) -> list[jax.Array]:
    """P(x_1 | v) of each image and p(x_{l+1} | x_l) of all states, l = 1, ..., L - 1.

    Returns:
      L tables, `[n, 2**n_1]` and `[2**n_l, 2**n_{l+1}]`, whose rows sum to 1.
    """
    log_prob = machine.log_prior(params, exact.all_states(params.prior.bias.shape[0]))
    links = []
    for level in reversed(range(len(params.generative))):
        layer = params.generative[level]
        below = exact.all_states(len(layer.bias)) if level else images
        log_prob, link = exact.posterior_given(layer, log_prob, below)
        links.append(link)
    return links[::-1]


def _delta_rule(layer: Layer, *, inputs: jax.Array, targets: jax.Array, pairs: jax.Array) -> Layer:
    """The expectation of `wake_sleep.delta_rule` over pairs of states, `[inputs, targets]`."""
    predicted = jax.nn.sigmoid(machine.logits(layer, inputs))
    weight = jnp.sum(pairs, axis=1, keepdims=True)
    error = weight * predicted - jnp.matmul(pairs, targets, precision="highest")
    return Layer(jnp.matmul(inputs.T, error, precision="highest"), jnp.sum(error, axis=0))
