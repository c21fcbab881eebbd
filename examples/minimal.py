"""A Helmholtz machine on one page: it learns the shifter by wake-sleep, and is measured exactly.

Two nets share three layers of binary units. The generative net makes images from the top down, and
the recognition net infers from the bottom up what made them. Awake, recognition interprets an image
and the generative net learns to make it; asleep, the generative net makes a fantasy and recognition
learns what made it (Dayan, Hinton, Neal & Zemel, Neural Computation 7:889-904, 1995).
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import logsumexp, sigmoid, softplus

VISIBLE, HIDDEN, TOP = 32, 16, 4
WIDTH, P_ON, RATE, WEIGHT_SCALE = 8, 0.3, 0.1, 0.1
Layer = tuple[jax.Array, jax.Array]  # weight [inputs, outputs] and bias [outputs]
matmul = functools.partial(jnp.matmul, precision="highest")  # accelerators round weights otherwise


class Machine(NamedTuple):
    """The parameters of both nets."""

    generative: tuple[Layer, Layer]  # p(visible | hidden) and p(hidden | top)
    prior: jax.Array  # p(top), the bias of the generative net's top units
    recognition: tuple[Layer, Layer]  # q(hidden | visible) and q(top | hidden)


def init(key: jax.Array) -> Machine:
    """Small random weights; visible units start out on as often as pixels are."""
    shapes = (HIDDEN, VISIBLE), (TOP, HIDDEN), (VISIBLE, HIDDEN), (HIDDEN, TOP)
    ends = np.cumsum([inputs * outputs for inputs, outputs in shapes])
    weights = jnp.split(WEIGHT_SCALE * jax.random.normal(key, (int(ends[-1]),)), ends[:-1])
    layers = [(w.reshape(s), jnp.zeros(s[1])) for w, s in zip(weights, shapes, strict=True)]
    visible = layers[0][0], jnp.full(VISIBLE, np.log(P_ON / (1 - P_ON)))
    return Machine((visible, layers[1]), jnp.zeros(TOP), (layers[2], layers[3]))


def shifter(uniform: jax.Array) -> jax.Array:
    """A random row of pixels above the same row moved left or right, each written twice."""
    row = uniform[:WIDTH] < P_ON
    moved = jnp.where(uniform[WIDTH] < 0.5, jnp.roll(row, -1), jnp.roll(row, 1))
    return jnp.concatenate([row, row, moved, moved])


def logits(layer: Layer, inputs: jax.Array) -> jax.Array:
    """Log odds that each unit fires, given the layer that drives it, added up one by one."""
    weight, bias = layer
    return sum((x * w for x, w in zip(inputs, weight, strict=True)), start=bias)


def delta_rule(layer: Layer, inputs: jax.Array, targets: jax.Array) -> Layer:
    """Moves W by rate * inputs^T (targets - predicted), and b by rate * (targets - predicted)."""
    weight, bias = layer
    error = targets - sigmoid(logits(layer, inputs))
    return weight + RATE * jnp.outer(inputs, error), bias + RATE * error


def wake(machine: Machine, image: jax.Array, noise: list[jax.Array]) -> Machine:
    """Recognition interprets an image; the generative net learns each layer from the one above."""
    (p_visible, p_hidden), prior, (q_hidden, q_top) = machine
    hidden = noise[0] < sigmoid(logits(q_hidden, image))
    top = noise[1] < sigmoid(logits(q_top, hidden))
    generative = delta_rule(p_visible, hidden, image), delta_rule(p_hidden, top, hidden)
    return machine._replace(generative=generative, prior=prior + RATE * (top - sigmoid(prior)))


def sleep(machine: Machine, noise: list[jax.Array]) -> Machine:
    """The generative net makes a fantasy; recognition learns each layer from the one below."""
    (p_visible, p_hidden), prior, (q_hidden, q_top) = machine
    top = noise[2] < sigmoid(prior)
    hidden = noise[1] < sigmoid(logits(p_hidden, top))
    fantasy = noise[0] < sigmoid(logits(p_visible, hidden))
    recognition = delta_rule(q_hidden, fantasy, hidden), delta_rule(q_top, hidden, top)
    return machine._replace(recognition=recognition)


def step(machine: Machine, key: jax.Array) -> tuple[Machine, None]:
    """Wake, then sleep; of uniform numbers, some make the image and each of the others a unit."""
    ends = np.cumsum([WIDTH + 1, HIDDEN, TOP, VISIBLE, HIDDEN, TOP])
    bits = jax.random.bits(key, (int(ends[-1]),)) >> 9
    uniform = (bits.astype(jnp.float32) + 0.5) * 2**-23  # never 0 or 1
    image, *noise = jnp.split(uniform, ends[:-1])
    return sleep(wake(machine, shifter(image), noise[:2]), noise[2:]), None


@jax.jit(static_argnames="steps")
def train(seed: jax.Array | int, steps: int) -> Machine:
    """Trains the machine of a seed; a step's draws depend on the seed and its number alone."""
    key_init, key_steps = jax.random.split(jax.random.key(seed))
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key_steps, jnp.arange(steps))
    return jax.lax.scan(step, init(key_init), keys)[0]


@jax.jit
def log_prob(machine: Machine, images: jax.Array) -> jax.Array:
    """Log p(v) in nats, exact: p(v) = sum_h p(v | h) p(h), where p(h) = sum_t p(h | t) p(t)."""
    (p_visible, p_hidden), prior, _ = machine
    h, t = (jnp.indices((2,) * n).reshape(n, -1).T for n in (HIDDEN, TOP))  # a row for every state
    log_t = matmul(t, prior) - jnp.sum(softplus(prior))
    logit = jax.vmap(logits, (None, 0))(p_hidden, t)
    log_h = logsumexp(matmul(h, logit.T) + (log_t - jnp.sum(softplus(logit), axis=1))[None], axis=1)
    logit = jax.vmap(logits, (None, 0))(p_visible, h)
    log_h -= jnp.sum(softplus(logit), axis=1)
    return jax.lax.map(lambda v: logsumexp(matmul(logit, v) + log_h), images, batch_size=32)


if __name__ == "__main__":
    rows = np.indices((2,) * WIDTH).reshape(WIDTH, -1).T
    images = np.concatenate([np.hstack([rows] * 2 + [np.roll(rows, s, 1)] * 2) for s in (-1, 1)])
    images, which = np.unique(images, axis=0, return_inverse=True)  # some are moved either way
    p = np.bincount(which.ravel(), np.tile(np.prod(np.where(rows, P_ON, 1 - P_ON), 1) / 2, 2))
    machines = jax.vmap(lambda seed: train(seed, 20_000))(np.arange(1, 9))
    nats = jax.lax.map(lambda machine: log_prob(machine, images), machines)
    for seed, bits in enumerate(-np.asarray(nats) @ p / np.log(2), 1):
        print(f"seed {seed}: exact NLL {bits:.3f} bits, floor {-p @ np.log2(p):.3f}")
