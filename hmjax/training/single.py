"""The steps of one machine: what it starts from, a block of steps, what it restarts from.

A step's random draws come from its own key, `fold_in(key of the seed, step)`, so they depend on the
seed and the step alone. A step does not draw for itself: the images and the noise of `_CHUNK` steps
are drawn at once and scanned over, which is several times faster.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.experiment import Experiment, Numbers, Program, split
from hmjax.machine import Params
from hmjax.rules import State
from hmjax.runtime.ambient import own_generator, own_settings
from hmjax.runtime.cipher import key_of, unrolled
from hmjax.training.restarts import Best, none_yet, restart

T = TypeVar("T")

_CHUNK = 500  # steps whose draws are made at once


class Keys(NamedTuple):
    """The keys of a seed, named by their use; that of the steps draws by the unrolled cipher."""

    init: jax.Array
    steps: jax.Array
    held_out: jax.Array
    evaluation: jax.Array
    restarts: jax.Array


class TrainState(NamedTuple):
    """All that training carries on from.

    Attributes:
      step: int32 `[]`, how many steps have been taken.
      learner: the rule's state, parameters included.
      best: the best machine so far, if there are restarts.
    """

    step: jax.Array
    learner: State
    best: Best | None = None


def keys_of(seed: int | jax.Array) -> Keys:
    """The keys that a seed gives."""
    with own_generator():
        keys = Keys(*jax.random.split(key_of(seed), len(Keys._fields)))
    return keys._replace(steps=unrolled(keys.steps))


@own_settings()
def init_state(experiment: Experiment) -> TrainState:
    """The state before the first step."""
    program, numbers = split(experiment)
    return first_state(keys_of(experiment.seed).init, numbers, program=program)


@functools.partial(jax.jit, static_argnames="program")
def first_state(key: jax.Array, numbers: Numbers, *, program: Program) -> TrainState:
    """`init_state`, compiled.

    Args:
      key: `keys_of(seed).init`.
      numbers: of the experiment.
      program: of the experiment.
    """
    learner = _new_learner(key, numbers, program)
    best = none_yet(learner) if program.restarts.until else None
    return TrainState(jnp.zeros((), jnp.int32), learner, best)


def _new_learner(key: jax.Array, numbers: Numbers, program: Program) -> State:
    """A machine before its first step."""
    params = machine.init(key, program.sizes, weight_scale=numbers.weight_scale)
    visible = params.generative[0]
    visible = visible._replace(bias=jnp.full_like(visible.bias, numbers.visible_bias))
    params = params._replace(generative=(visible, *params.generative[1:]))
    return program.rule.build(program.sizes, numbers.rule).init(params)


def _scan(
    key: jax.Array,
    numbers: Numbers,
    state: TrainState,
    *,
    program: Program,
    steps: int,
    watch: Callable[[Params], jax.Array | None] = lambda params: None,
) -> tuple[TrainState, jax.Array | None]:
    """Takes `steps` steps with draws made at once; also stacks what `watch` sees after each."""
    rule = program.rule.build(program.sizes, numbers.rule)
    # Never a loop of a step or two, which XLA would unroll and round differently.
    length = max(steps, _CHUNK)

    def draw(step: jax.Array) -> tuple[jax.Array, Any]:
        key_images, key_noise = jax.random.split(jax.random.fold_in(key, step))
        images, _ = program.task.sample(key_images, program.rule.batch, numbers.task)
        return images, rule.draw(key_noise)

    def step(learner: State, numbered: tuple[jax.Array, Any]) -> tuple[State, jax.Array | None]:
        number, (images, noise) = numbered
        take = functools.partial(rule.step, learner, images, noise)
        learner = take() if length == steps else jax.lax.cond(number < steps, take, lambda: learner)
        return learner, watch(learner.params)

    ahead = jnp.arange(length)
    drawn = jax.vmap(draw)(state.step + ahead)
    learner, watched = jax.lax.scan(step, state.learner, (ahead, drawn))
    return state._replace(step=state.step + steps, learner=learner), watched


@functools.partial(jax.jit, static_argnames=("program", "steps"))
def train_block(
    key: jax.Array, numbers: Numbers, state: TrainState, *, program: Program, steps: int
) -> TrainState:
    """Takes `steps` steps as one compiled program.

    Args:
      key: `keys_of(seed).steps`.
      numbers: of the experiment.
      state: where to go on from.
      program: of the experiment.
      steps: how many.

    Returns:
      The state after them.
    """
    scan = functools.partial(_scan, key, numbers, program=program)
    return in_chunks(lambda state, chunk: scan(state, steps=chunk)[0], state, steps)


def in_chunks(take: Callable[[T, int], T], carry: T, steps: int) -> T:
    """Carries `take(carry, steps of a chunk)` over as many chunks as `steps` are.

    A chunk is what draws are made for at once; the last may be shorter.
    """
    chunks, rest = divmod(steps, _CHUNK)
    carry, _ = jax.lax.scan(lambda carry, _: (take(carry, _CHUNK), None), carry, length=chunks)
    return take(carry, rest) if rest else carry


def draws_of_chunk(experiment: Experiment) -> int:
    """Bytes of the draws that are made at once for one machine."""
    rule = experiment.rule.build(experiment.sizes)
    key = jax.eval_shape(key_of, 0)
    images = jax.eval_shape(lambda key: experiment.task.sample(key, experiment.rule.batch)[0], key)
    drawn = jax.tree.leaves((images, jax.eval_shape(rule.draw, key)))
    return _CHUNK * sum(leaf.size * leaf.dtype.itemsize for leaf in drawn)


@jax.jit
def is_finite(params: Params) -> jax.Array:
    """Whether every parameter is finite, bool `[]`."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()


@functools.partial(jax.jit, static_argnames=("program", "steps"))
def finite_after(
    key: jax.Array, numbers: Numbers, state: TrainState, *, program: Program, steps: int
) -> jax.Array | None:
    """Whether the parameters are finite after each of the next `steps` steps, bool `[steps]`."""
    return _scan(key, numbers, state, program=program, steps=steps, watch=is_finite)[1]


def restarts_at(experiment: Experiment, step: int) -> bool:
    """Whether a machine restarts after its evaluation at a step."""
    return 0 < step <= experiment.restarts.until


@functools.partial(jax.jit, static_argnames="program")
def restarted(
    key: jax.Array, numbers: Numbers, state: TrainState, nll_bits: jax.Array, *, program: Program
) -> TrainState:
    """The state that training goes on from after an evaluation (see `hmjax.training.restarts`).

    Args:
      key: `keys_of(seed).restarts`.
      numbers: of the experiment.
      state: what was evaluated.
      nll_bits: its NLL.
      program: of the experiment.
    """
    assert state.best is not None
    key_new, key_restart = jax.random.split(jax.random.fold_in(key, state.step))
    learner, best = restart(
        key_restart,
        state.learner,
        state.best,
        nll_bits,
        state.step,
        _new_learner(key_new, numbers, program),
        restarts=program.restarts,
    )
    return state._replace(learner=learner, best=best)
