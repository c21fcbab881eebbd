"""Images of which a part is known, completed as a machine would have them.

Hidden and top units are sampled given the pixels that are known by annealed importance sampling
(`hmjax.importance.annealing`), several times, and one of the samples is chosen by its weight; the
pixels that are not known are then drawn from p(v | x_1). With many runs or temperatures what is
drawn follows p(unknown pixels | known pixels).
"""

import functools

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.errors import InvalidInput
from hmjax.importance.annealing import in_chunks, one_run
from hmjax.machine import Params
from hmjax.runtime.cipher import uniforms


def complete(
    key: jax.Array,
    params: Params,
    images: jax.Array,
    known: jax.Array,
    *,
    runs: int = 16,
    temperatures: int = 100,
) -> jax.Array:
    """Draws the pixels of images that are not known, given those that are.

    Args:
      key: a `jax.random.key`.
      params: the machine.
      images: `[n, n_0]` of zeros and ones, of any dtype; what stands where a pixel is not known
        does not matter.
      known: bool `[n, n_0]`, or `[n_0]` if it is the same for all.
      runs: annealed runs of each image, of which one is chosen, 1 or more.
      temperatures: of each, 1 or more.

    Returns:
      The images, complete: float32 `[n, n_0]`.

    Raises:
      InvalidInput: if shapes do not fit, or a number is below 1.
    """
    images, known = jnp.asarray(images, jnp.float32), jnp.asarray(known, bool)
    pixels = machine.sizes_of(params)[0]
    if images.ndim != 2 or images.shape[1] != pixels:
        raise InvalidInput(f"images are of shape {list(images.shape)}: must be [n, {pixels}]")
    if known.shape not in (images.shape, (pixels,)):
        raise InvalidInput(
            f"known is of shape {list(known.shape)}: must be {list(images.shape)} or [{pixels}]"
        )
    if runs < 1 or temperatures < 1:
        raise InvalidInput(f"runs is {runs}, temperatures {temperatures}: must be 1 or more")
    known = jnp.broadcast_to(known, images.shape)
    images = jnp.where(known, images, jnp.zeros_like(images))
    return _completed(key, params, images, known, runs, temperatures)


@functools.partial(jax.jit, static_argnums=(4, 5))
def _completed(
    key: jax.Array,
    params: Params,
    images: jax.Array,
    known: jax.Array,
    runs: int,
    temperatures: int,
) -> jax.Array:
    def of_chunk(key: jax.Array, images: jax.Array, known: jax.Array) -> jax.Array:
        rows, of_rows = (jnp.repeat(x, runs, axis=0) for x in (images, known))
        key_runs, key_choice, key_pixels = jax.random.split(key, 3)
        log_weight, hidden = one_run(key_runs, params, rows, temperatures, of_rows)
        log_weight = log_weight.reshape(-1, runs)
        # The first run whose share, added to those before it, is above a number.
        share = jnp.cumsum(jax.nn.softmax(log_weight, axis=1), axis=1)
        below = share < uniforms(key_choice, (len(share), 1))
        chosen = jnp.minimum(jnp.sum(below, axis=1), runs - 1)
        lowest = hidden[0][0].T.reshape(len(images), runs, -1)
        of_chosen = jnp.take_along_axis(lowest, chosen[:, None, None], axis=1)[:, 0]
        logit = machine.logits(params.generative[0], of_chosen)
        drawn = machine.fire(logit, uniforms(key_pixels, images.shape))
        return jnp.where(known, images, drawn)

    return in_chunks(of_chunk, runs, key, images, known)
