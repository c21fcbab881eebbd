"""What a machine dreams: what fantasies show, the top free or held, and receptive fields."""

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import exact, machine
from hmjax.machine import Params
from hmjax.tasks import Task


def selectivity(shown_given_top: jax.Array, task: Task) -> jax.Array:
    """P(right | x_L = e_k) - P(right | x_L = 0), `[n_L]`, from the rows of `one_hot_and_off`."""
    if len(task.class_labels) != 2:
        return jnp.full(len(shown_given_top) - 1, jnp.nan, jnp.float32)
    return shown_given_top[:-1, 1] - shown_given_top[-1, 1]


def direction_contrast(shown_given_top: jax.Array, task: Task) -> jax.Array:
    """Half of [P(right) - P(left)] at x_L = e_k, minus the same at x_L = 0, `[n_L]`.

    Under an exchange of left and right it changes its sign alone, where `selectivity` sees P(right)
    and nothing of P(left).

    Args:
      shown_given_top: `[n_L + 1, classes + 2]`, from the rows of `one_hot_and_off`.
      task: whose classes they are; NaN unless there are two.
    """
    if len(task.class_labels) != 2:
        return jnp.full(len(shown_given_top) - 1, jnp.nan, jnp.float32)
    leans = (shown_given_top[:, 1] - shown_given_top[:, 0]) / 2
    return leans[:-1] - leans[-1]


def one_hot_and_off(params: Params) -> jax.Array:
    """The top states with one unit on, and last the one with all off: `[n_L + 1, n_L]`."""
    units = params.prior.bias.shape[0]
    return jnp.concatenate([jnp.eye(units), jnp.zeros((1, units))]).astype(jnp.float32)


def variants(params: Params) -> Params:
    """Machines whose top is held at each of `one_hot_and_off`, and last the machine itself.

    Returns:
      `Params` with a leading axis of `n_L + 2`.
    """
    held = [machine.hold_top(params, top) for top in one_hot_and_off(params)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *held, params)


def shown_exactly(params: Params, task: Task) -> tuple[jax.Array, jax.Array]:
    """The exact probabilities of what fantasies show, by enumeration.

    Args:
      params: the machine.
      task: says what can be shown, by `Task.shows`.

    Returns:
      P(shown | x_L) for the rows of `one_hot_and_off`, `[n_L + 1, classes + 2]`, and P(shown) over
      all fantasies, `[classes + 2]`.
    """
    sizes = machine.sizes_of(params)
    shown = task.shows(
        jax.nn.sigmoid(machine.logits(params.generative[0], exact.all_states(sizes[1])))
    ).T
    for layer in params.generative[1:]:
        above = exact.all_states(layer.weight.shape[0])
        shown = exact.expectation(shown, machine.logits(layer, above).T)
    # The rows of `all_states` count in binary, the first unit highest: e_k is row 2^(n_L - 1 - k).
    rows = [2**k for k in reversed(range(sizes[-1]))] + [0]
    return shown.T[np.array(rows)], exact.expectation(shown, params.prior.bias[:, None])[:, 0]


def generative_fields(params: Params) -> jax.Array:
    """What each hidden unit draws: p(v | h_j = 1, others 0) - p(v | h = 0), `[n_1, n_0]`."""
    weight, bias = params.generative[0]
    return jax.nn.sigmoid(bias[None] + weight) - jax.nn.sigmoid(bias)[None]


def recognition_fields(params: Params) -> jax.Array:
    """What each hidden unit looks for: its recognition weights, `[n_1, n_0]`."""
    return params.recognition[0].weight.T
