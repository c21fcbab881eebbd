"""What weighted samples say of images, and how well."""

from typing import NamedTuple

import jax
import jax.numpy as jnp


class Estimate(NamedTuple):
    """Log p(v) of images, estimated by the mean of weights.

    Attributes:
      log_prob: `[n]`, in nats.
      error: `[n]`, its standard error in nats, to first order; NaN for a single weight.
      effective: `[n]`, the effective sample size, 1 to as many as there are weights.
    """

    log_prob: jax.Array
    error: jax.Array
    effective: jax.Array


class Samples(NamedTuple):
    """What samples of a machine's hidden and top units say of images.

    Attributes:
      estimate: of log p(v).
      mean_top: `[n, n_L]`, the mean of the sampled top states: an estimate of E[x_L | v] under what
        was sampled.
    """

    estimate: Estimate
    mean_top: jax.Array


def of_weights(log_weight: jax.Array) -> Estimate:
    """The estimate that log weights `[n, m]` give."""
    m = log_weight.shape[1]
    return of_sums(
        jax.nn.logsumexp(log_weight, axis=1), jax.nn.logsumexp(2 * log_weight, axis=1), m
    )


def of_sums(log_sum: jax.Array, log_squares: jax.Array, m: int | jax.Array) -> Estimate:
    """The estimate of the log of the sum of m weights, and of that of their squares, `[n]`."""
    m = jnp.asarray(m, jnp.float32)
    effective = jnp.exp(2 * log_sum - log_squares)
    # The variance of the mean weight over its square, of which the log has the error.
    variance = jnp.maximum(m / effective - 1, 0) / (m - 1)
    error = jnp.where(m > 1, jnp.sqrt(variance), jnp.nan)
    return Estimate(log_sum - jnp.log(m), error, effective)
