"""Log p(v) by annealed importance sampling, for machines that are too large to enumerate.

A run starts from a sample of the generative net's hidden and top units, and moves through the
distributions p(x_1, ...) p(v | x_1)^beta, beta from 0 to 1, by a Gibbs sweep at each. Its weight is
the product of p(v | x_1)^(beta' - beta) over the moves, and the mean of the weights of many runs is
an estimate of p(v) without bias. Its log lies below log p(v) on average, so an NLL from it is
biased upward, but far less than one by samples of a factorial recognition net.

Source: Neal, Annealed importance sampling, Statistics and Computing 11:125-139, 2001.
"""

import functools

import jax
import jax.numpy as jnp

from hmjax import gibbs, machine
from hmjax.importance.estimate import Samples, of_weights
from hmjax.machine import Params
from hmjax.runtime.cipher import uniforms

_AT_ONCE = 512  # runs, which are stepped side by side


def annealed(
    key: jax.Array, params: Params, images: jax.Array, *, runs: int = 16, temperatures: int = 100
) -> Samples:
    """Log p(v) of images by annealed importance sampling, with its error.

    Args:
      key: a `jax.random.key`.
      params: the machine.
      images: `[n, n_0]` of zeros and ones.
      runs: of each image, 2 or more for an error.
      temperatures: of each run, 1 or more. They grow as the cube of their number.

    Returns:
      `Samples` of the posterior: their mean top state, by weight, is an estimate of E[x_L | v].
    """
    if runs < 1 or temperatures < 1:
        raise ValueError(f"{runs} runs of {temperatures} temperatures: both must be at least 1")
    images = jnp.asarray(images, jnp.float32)
    images_at_once = max(1, _AT_ONCE // runs)
    short = -len(images) % images_at_once
    chunks = jnp.pad(images, ((0, short), (0, 0))).reshape(-1, images_at_once, images.shape[1])
    keys = jax.vmap(functools.partial(jax.random.fold_in, key))(jnp.arange(len(chunks)))

    def of_chunk(of: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        rows = jnp.repeat(of[1], runs, axis=0)
        log_weight, tops = one_run(of[0], params, rows, temperatures)
        log_weight = log_weight.reshape(-1, runs)
        share = jax.nn.softmax(log_weight, axis=1)
        mean_top = jnp.sum(share[None] * tops.reshape(-1, len(log_weight), runs), axis=2).T
        return log_weight, mean_top

    log_weight, mean_top = jax.tree.map(
        lambda leaf: leaf.reshape(-1, leaf.shape[-1])[: len(images)],
        jax.lax.map(of_chunk, (keys, chunks)),
    )
    return Samples(of_weights(log_weight), mean_top)


def one_run(
    key: jax.Array, params: Params, images: jax.Array, temperatures: int
) -> tuple[jax.Array, jax.Array]:
    """The log weight of one run of each image, in nats `[n]`, and its last top state `[n_L, n]`."""
    # A run is a place of the trailing axis, as a machine is in training.
    side_by_side = jax.tree.map(lambda leaf: leaf[..., None], params)
    pixels = images.T[None]
    sizes = machine.sizes_of(params)
    units, n = sum(sizes[1:]), len(images)

    def noise(step: int | jax.Array, count: int) -> jax.Array:
        return uniforms(jax.random.fold_in(key, step), (1, count, n))

    def evidence(states: machine.States) -> jax.Array:
        logit = machine.logits(side_by_side.generative[0], states[1])
        return machine.log_bernoulli(pixels, logit)[0]

    def move(step: jax.Array, carry: tuple) -> tuple:
        hidden, total = carry
        states = pixels, *hidden
        before, after = (((step - back).astype(jnp.float32) / temperatures) ** 3 for back in (1, 0))
        total += (after - before) * evidence(states)
        of_layers = machine.by_layer(noise(step, units), sizes[1:])
        return gibbs.sweep(of_layers, side_by_side, states, power=after)[1:], total

    of_layers = machine.by_layer(noise(0, sum(sizes)), sizes)
    hidden = machine.generate_with(of_layers, side_by_side)[1:]
    hidden = jax.tree.map(lambda x: jnp.broadcast_to(x, (*x.shape[:2], n)), hidden)
    begin = tuple(hidden), jnp.zeros(n, jnp.float32)
    last = jnp.asarray(temperatures + 1, jnp.int32)
    hidden, log_weight = jax.lax.fori_loop(jnp.ones_like(last), last, move, begin)
    return log_weight, hidden[-1][0]
