"""Log p(v) by samples of the recognition net, where there are too many states to enumerate."""

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.exact import Marginal
from hmjax.machine import Params


def importance_sampled(
    key: jax.Array, params: Params, images: jax.Array, samples: int | jax.Array
) -> Marginal:
    """Log p(v) by importance sampling from the recognition net, log mean_m p(x^m) / q(x^m | v).

    Its expectation lies below log p(v), so an NLL from it is biased upward.

    Args:
      key: a `jax.random.key`.
      params: the machine.
      images: `[n, n_0]` of zeros and ones.
      samples: how many samples of q an image; may be traced.

    Returns:
      A `Marginal`: the estimate, in nats, and the mean of the sampled top states, an estimate of
      E_q[x_L | v].
    """

    def add(m: jax.Array, total: Marginal) -> Marginal:
        states = machine.recognise(jax.random.fold_in(key, m), params, images)
        log_weight = machine.log_joint(params, states) - machine.log_recognition(params, states)
        return Marginal(jnp.logaddexp(total.log_prob, log_weight), total.mean_top + states[-1])

    images = jnp.asarray(images, jnp.float32)
    none = Marginal(
        jnp.full(len(images), -jnp.inf, jnp.float32),
        jnp.zeros((len(images), len(params.prior.bias)), jnp.float32),
    )
    total = jax.lax.fori_loop(0, samples, add, none)
    count = jnp.asarray(samples, jnp.float32)
    return Marginal(total.log_prob - jnp.log(count), total.mean_top / count)
