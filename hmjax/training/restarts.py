"""Restarts: back to the best machine so far, with a few of its units made anew.

Learning rules get stuck: units die, or agree with their neighbours on the wrong half of a symmetry.
At each evaluation up to a given step the machine is kept if its NLL is the lowest so far. Training
then goes on from the lowest, with some hidden and top units (or hidden ones alone), drawn at
random, as they would be before the first step. A new try is a new machine, and the best so far is
sought afresh. At the last restart training goes on from the best of all tries as it is, and is not
disturbed again.

A machine is kept with what its optimiser remembers of it: what is kept goes on with its moments,
what is made anew starts with none, and schedules go on counting. So does adam, which takes moments
of 0 for those of a machine that has long stood still: units made anew move several times as fast as
the rest at first.

Only the NLL decides, exact or importance-sampled (see `Experiment.nll`), as a measure of the
machine and no part of the learning rule: neither labels nor directions are looked at. A machine's
cost is its steps, those whose gain was thrown away too.
"""

import itertools
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import optax

from hmjax import machine
from hmjax.experiment import Restarts
from hmjax.machine import Layer, Params, Prior
from hmjax.rules.base import State

T = TypeVar("T")


class Candidate(NamedTuple):
    """A machine that was evaluated.

    Attributes:
      nll_bits: float32 `[]`, its NLL; infinite if there is none yet.
      learner: the machine, and what its optimiser remembers.
    """

    nll_bits: jax.Array
    learner: State


class Best(NamedTuple):
    """The best machines so far.

    Attributes:
      of_try: of this try.
      of_all: of all tries.
    """

    of_try: Candidate
    of_all: Candidate


def none_yet(learner: State) -> Best:
    """What is best before anything is."""
    none = Candidate(jnp.asarray(jnp.inf, jnp.float32), learner)
    return Best(none, none)


def restart(
    key: jax.Array,
    learner: State,
    best: Best,
    nll_bits: jax.Array,
    step: jax.Array,
    new: State,
    *,
    restarts: Restarts,
) -> tuple[State, Best]:
    """What training goes on from after an evaluation, and the best so far.

    Args:
      key: of this restart.
      learner: what was evaluated.
      best: the best before it.
      nll_bits: its NLL.
      step: how many steps have been taken, 1 to `restarts.until`.
      new: a machine before its first step, which what starts anew is taken from.
      restarts: the settings.
    """
    of_try, of_all = (_better(Candidate(nll_bits, learner), old) for old in best)
    key_count, key_units = jax.random.split(key)
    count = jax.random.randint(key_count, (), 1, restarts.units + 1)
    _, *hidden, top = machine.sizes_of(learner.params)
    spared = 0 if restarts.top else top
    chosen = jax.random.permutation(key_units, jnp.arange(sum(hidden) + top - spared) < count)
    chosen = jnp.pad(chosen, (0, spared))
    ends_try = step % (restarts.until // restarts.tries) == 0
    goes_on = _where(ends_try, new, renewed(of_try.learner, new, chosen))
    goes_on = _where(step == restarts.until, of_all.learner, goes_on)
    nothing = of_try._replace(nll_bits=jnp.full_like(nll_bits, jnp.inf))
    return _counting_as(learner, goes_on), Best(_where(ends_try, nothing, of_try), of_all)


def _better(new: Candidate, old: Candidate) -> Candidate:
    return _where(new.nll_bits < old.nll_bits, new, old)


def _where(condition: jax.Array, then: T, otherwise: T) -> T:
    return jax.tree.map(lambda *leaves: jnp.where(condition, *leaves), then, otherwise)


def renewed(learner: State, new: State, chosen: jax.Array) -> State:
    """A machine with all weights and biases of some hidden and top units taken from another.

    What its optimiser remembers of them is taken from the other one's too.

    Args:
      learner: the machine.
      new: where the units are taken from.
      chosen: bool `[n_1 + ... + n_L]`, which units.
    """
    anew = _of_units(chosen, machine.sizes_of(learner.params))
    return State(
        _taken(anew, new.params, learner.params),
        _moments_taken((anew.generative, anew.prior), new.generative, learner.generative),
        _moments_taken(anew.recognition, new.recognition, learner.recognition),
    )


def _of_units(chosen: jax.Array, sizes: tuple[int, ...]) -> Params:
    """Whether each parameter is the bias of a chosen unit, or a weight to or from one."""
    ends = list(itertools.accumulate(sizes[1:-1]))
    # Visible units stay as they are, but for their weights to the units chosen.
    layers = [jnp.zeros(sizes[0], bool), *jnp.split(chosen, ends)]

    def layer(inputs: jax.Array, outputs: jax.Array) -> Layer:
        return Layer(inputs[:, None] | outputs[None], outputs)

    pairs = list(itertools.pairwise(layers))
    return Params(
        generative=tuple(layer(above, below) for below, above in pairs),
        prior=Prior(layers[-1]),
        recognition=tuple(layer(below, above) for below, above in pairs),
    )


def _taken(anew: T, new: T, old: T) -> T:
    return jax.tree.map(jnp.where, anew, new, old)


def _moments_taken(anew: Any, new: optax.OptState, old: optax.OptState) -> optax.OptState:
    """An optimiser's state with its moments, trees like the parameters, taken where `anew`."""
    like: Any = jax.tree.structure(anew)

    def is_moment(node: Any) -> bool:
        return jax.tree.structure(node) == like

    def take(new: Any, old: Any) -> Any:
        return _taken(anew, new, old) if is_moment(old) else old

    return jax.tree.map(take, new, old, is_leaf=is_moment)


def _counting_as(learner: State, goes_on: State) -> State:
    """`goes_on` at the step that the schedules of `learner` have come to."""

    def is_schedule(node: Any) -> bool:
        return isinstance(node, optax.ScaleByScheduleState)

    def take(now: Any, then: Any) -> Any:
        return now if is_schedule(now) else then

    return jax.tree.map(take, learner, goes_on, is_leaf=is_schedule)
