"""Log p(v) by samples of the recognition net, where there are too many states to enumerate."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.importance.estimate import Samples, of_sums
from hmjax.machine import Params


class _Sums(NamedTuple):
    """Of weights and their squares, `[n]` in nats, and of top states, `[n, n_L]`."""

    weights: jax.Array
    squares: jax.Array
    tops: jax.Array


def importance_sampled(
    key: jax.Array, params: Params, images: jax.Array, samples: int | jax.Array
) -> Samples:
    """Log p(v) by importance sampling from the recognition net, log mean_m p(x^m) / q(x^m | v).

    Its expectation lies below log p(v), so an NLL from it is biased upward.

    Args:
      key: a `jax.random.key`.
      params: the machine.
      images: `[n, n_0]` of zeros and ones.
      samples: how many samples of q an image; may be traced.

    Returns:
      `Samples` of q: their mean top state is an estimate of E_q[x_L | v].
    """

    def add(m: jax.Array, sums: _Sums) -> _Sums:
        states = machine.recognise(jax.random.fold_in(key, m), params, images)
        log_weight = machine.log_joint(params, states) - machine.log_recognition(params, states)
        return _Sums(
            jnp.logaddexp(sums.weights, log_weight),
            jnp.logaddexp(sums.squares, 2 * log_weight),
            sums.tops + states[-1],
        )

    images = jnp.asarray(images, jnp.float32)
    none = jnp.full(len(images), -jnp.inf, jnp.float32)
    no_tops = jnp.zeros((len(images), len(params.prior.bias)), jnp.float32)
    sums = jax.lax.fori_loop(0, samples, add, _Sums(none, none, no_tops))
    count = jnp.asarray(samples, jnp.float32)
    return Samples(of_sums(sums.weights, sums.squares, count), sums.tops / count)
