"""Joint stochastic approximation: both nets learn from samples that a Markov chain draws awake.

An image v is interpreted by a state x of the hidden and top units that moves towards p(x | v):

  start    x is what the image was last interpreted as (at first, all units off), or without a
           memory x ~ q(. | v)
  propose  x' ~ q(. | v), K times or, without a memory, K - 1: it takes the place of x with
           probability min(1, w(x') / w(x)), w(x) = p(v, x) / q(x | v)
  sweep    every unit of x is drawn anew given all the others (see `hmjax.gibbs`)
  wake     theta += rate * grad log p(x)
           phi   += rate * grad log q(x | v), or by dreams, or by both, as `recognition` says

Averaged over the batch. Each move leaves p(x | v) as it is, so that with a memory x follows the
posterior, however poor q is; without one, it begins at q each time. It is local: a unit is told
what its neighbours predict, and no likelihood is summed over states.

Sources: Xu & Ou, Joint stochastic approximation learning of Helmholtz machines, ICLR workshop 2016;
Ou & Song, Joint stochastic approximation and its application to learning discrete latent variable
models, UAI 2020. With a memory also: Hewitt, Le & Tenenbaum, Learning to learn generative programs
with memoised wake-sleep, UAI 2020.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from hmjax import arithmetic, gibbs, machine
from hmjax.errors import require
from hmjax.machine import Params, States
from hmjax.rules import memory
from hmjax.rules.base import Descent
from hmjax.rules.contract import Batch, Rule, State
from hmjax.rules.reweighted import Recognition, recognition_gradient
from hmjax.rules.wake_sleep import wake_gradient


@dataclass(frozen=True)
class JointStochastic(Descent):
    """Joint stochastic approximation."""

    samples: int = 1
    """Samples K of the recognition net an image, at least 1."""
    sweeps: int = 1
    """Gibbs sweeps an image, 0 or more."""
    memory: bool = False
    """Whether an image is remembered by what it was last interpreted as."""
    recognition: Recognition = "wake"
    """What the recognition net learns from: what is sampled awake, dreams, or the mean of both."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require(self.samples >= 1, "rule.samples", self.samples, "must be at least 1")
        require(self.sweeps >= 0, "rule.sweeps", self.sweeps, "must be 0 or more")

    def check(self, sizes: tuple[int, ...], images: int = 0) -> None:
        super().check(sizes, images)
        size = memory.bytes_of(images, sum(sizes[1:]))
        require(
            not self.memory or size <= memory.MOST_BYTES,
            "rule.memory",
            self.memory,
            f"must be False for {images:,} images, which take {size:,} bytes of memory a machine, "
            f"of {memory.MOST_BYTES:,} at most",
        )

    def gains_in_lanes(self, sizes: tuple[int, ...]) -> bool:
        return arithmetic.is_small(self.batch * (self.samples + self.memory), max(sizes))

    def build(
        self,
        sizes: tuple[int, ...],
        numbers: Mapping[str, Any] | None = None,
        images: int = 0,
    ) -> Rule:
        if self.memory and not images:
            raise ValueError("a rule that remembers has to be told how many images there are")
        updates, hidden = self.updates(numbers), sizes[1:]
        units, proposed = sum(hidden), self.samples + self.memory
        dreams = sizes if self.recognition != "wake" else ()
        parts = units * self.samples, proposed * (proposed > 1), units * self.sweeps, sum(dreams)

        def init(params: Params) -> State:
            kept = memory.empty(images, units) if self.memory else None
            return updates.init(params)._replace(memory=kept)

        def step(state: State, batch: Batch, noise: jax.Array) -> State:
            for_samples, for_choice, for_sweeps, for_dreams = machine.by_layer(noise, parts)
            params, remembered = state.params, None
            if self.memory:
                remembered = memory.recall(state.memory, batch.numbers, hidden)
            states = interpreted(for_samples, for_choice, params, batch.images, remembered)
            for sweep in range(self.sweeps):
                of_sweep = for_sweeps[:, sweep * units : (sweep + 1) * units]
                states = gibbs.sweep(machine.by_layer(of_sweep, hidden), params, states)
            if remembered is not None:
                kept = memory.remember(state.memory, batch.numbers, states[1:])
                state = state._replace(memory=kept)
            state = updates.generative(state, wake_gradient(params, states))
            of_dreams = machine.by_layer(for_dreams, dreams) if dreams else ()
            gradient = recognition_gradient(self.recognition, state.params, states, None, of_dreams)
            return updates.recognition(state, gradient)

        return Rule(init, sum(parts), step)


def interpreted(
    for_samples: jax.Array,
    for_choice: jax.Array,
    params: Params,
    images: jax.Array,
    remembered: States | None = None,
) -> States:
    """States of images, (x_0, ..., x_L), by independence Metropolis from the recognition net.

    Args:
      for_samples: uniform numbers for K samples of it, `[n, K * units]`.
      for_choice: and for the choice among them and what is remembered, `[n, choices]`; none if
        there is one only.
      params: the machine.
      images: `[n, n_0]`.
      remembered: what to begin with, (x_1, ..., x_L); a sample if not given.
    """
    hidden = tuple(len(layer.bias) for layer in params.recognition)
    units, first = sum(hidden), int(remembered is not None)

    def sample(k: int | jax.Array) -> States:
        noise = jax.lax.dynamic_slice_in_dim(for_samples, k * units, units, axis=1)
        return machine.recognise_with(machine.by_layer(noise, hidden), params, images)[1:]

    def propose(k: jax.Array, carry: tuple[States, jax.Array]) -> tuple[States, jax.Array]:
        states, log_weight = carry
        proposed = sample(jnp.maximum(k - first, 0))
        if first:
            proposed = jax.tree.map(lambda new, old: jnp.where(k == 0, old, new), proposed, states)
        whole = images, *proposed
        new = machine.log_joint(params, whole) - machine.log_recognition(params, whole)
        uniform = jax.lax.dynamic_index_in_dim(for_choice, k, axis=1, keepdims=False)
        taken = uniform < jnp.exp(new - log_weight)
        states = jax.tree.map(
            lambda new, old: jnp.where(taken[:, None], new, old), proposed, states
        )
        return states, jnp.where(taken, new, log_weight)

    if not for_choice.shape[1]:
        return images, *sample(0)
    begin = sample(0) if remembered is None else remembered
    impossible = jnp.full((len(images), *images.shape[2:]), -jnp.inf, jnp.float32)
    states, _ = jax.lax.fori_loop(0, for_choice.shape[1], propose, (tuple(begin), impossible))
    return images, *states
