"""Optimisers: how gradients become updates."""

from typing import Any, Literal

import jax
import jax.numpy as jnp
import optax

Optimiser = Literal["sgd", "momentum", "adam"]


def descent(name: Optimiser, rate: optax.ScalarOrSchedule) -> optax.GradientTransformation:
    """The optimiser of a name, at a rate."""
    match name:
        case "sgd":
            return optax.sgd(rate)
        case "momentum":
            return optax.sgd(rate, momentum=0.9)
        case "adam":
            return optax.chain(_scale_by_adam(), optax.scale_by_learning_rate(rate))


def _scale_by_adam() -> optax.GradientTransformation:
    """`optax.scale_by_adam`, to the same bits for a machine alone and beside others.

    It divides by a number a machine, which XLA makes a product if there is one machine only.
    """
    decays, eps = (0.9, 0.999), 1e-8
    adam = optax.scale_by_adam(*decays, eps)

    def update(updates: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        _, state = adam.update(updates, state, params)
        of_mean, of_square = (1 / (1 - decay**state.count) for decay in decays)

        def corrected(mean: jax.Array, square: jax.Array) -> jax.Array:
            return of_mean * mean / (jnp.sqrt(of_square * square) + eps)

        return jax.tree.map(corrected, state.mu, state.nu), state

    return optax.GradientTransformation(adam.init, update)
