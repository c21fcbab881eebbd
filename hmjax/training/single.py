"""The steps of a machine: what it starts from, and a block of steps.

A step's random numbers come from its own key, `fold_in(key of the seed, step)`, so they depend on
the seed and the step alone. A step does not draw for itself: the numbers of a chunk of steps are
drawn at once, which is several times faster.

Blocks are taken by one machine, or by several side by side: every array then has a trailing axis,
one machine a place.
"""

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from hmjax import machine
from hmjax.experiment import Experiment, Numbers, Program, split
from hmjax.machine import Params
from hmjax.rules import Batch, Rule, State
from hmjax.runtime.ambient import own_generator, own_settings
from hmjax.runtime.cipher import key_of, uniforms_of_steps
from hmjax.runtime.platform import vector_floats

_DRAWS = 2**18  # bytes of draws that are made at once; larger ones are no faster

_FEWEST, _MOST = 16, 500  # steps that are drawn for at once


class Keys(NamedTuple):
    """The keys of a seed, named by their use."""

    init: jax.Array
    steps: jax.Array
    held_out: jax.Array
    evaluation: jax.Array


class TrainState(NamedTuple):
    """All that training carries on from.

    Attributes:
      step: int32 `[]`, how many steps have been taken.
      learner: the rule's state, parameters included.
    """

    step: jax.Array
    learner: State


def keys_of(seed: int | jax.Array) -> Keys:
    """The keys that a seed gives."""
    with own_generator():
        return Keys(*jax.random.split(key_of(seed), len(Keys._fields)))


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
    params = machine.init(key, program.sizes, weight_scale=numbers.weight_scale)
    params = _with_biases(params, numbers.visible_bias, numbers.hidden_bias)
    return TrainState(jnp.zeros((), jnp.int32), _rule_of(program, numbers).init(params))


def _with_biases(params: Params, visible: jax.Array, hidden: jax.Array) -> Params:
    """The machine with other visible biases, and first hidden ones in both nets."""

    def begin(layer: Any, bias: jax.Array) -> Any:
        return layer._replace(bias=jnp.broadcast_to(bias, layer.bias.shape))

    layers: list[Any] = [*params.generative, params.prior]
    layers[:2] = begin(layers[0], visible), begin(layers[1], hidden)
    lowest, *rest = params.recognition
    return Params(tuple(layers[:-1]), layers[-1], (begin(lowest, hidden), *rest))


@functools.partial(jax.jit, static_argnames="program")
def train_block(
    key: jax.Array,
    numbers: Numbers,
    state: TrainState,
    steps: int | jax.Array,
    *,
    program: Program,
    arrays: Mapping[str, Any] | None = None,
) -> TrainState:
    """Takes `steps` steps as one compiled program, the same for any number of them.

    Args:
      key: `keys_of(seed).steps`.
      numbers: of the experiment.
      state: where to go on from.
      steps: how many, int32; all machines take as many.
      program: of the experiment.
      arrays: of its task (see `hmjax.tasks.Task.arrays`), without a trailing axis; none if not
        given.

    Returns:
      The state after them.
    """
    task, rule = program.task, _rule_of(program, numbers)
    shape = program.rule.batch, task.draws + rule.draws
    chunk = max(_FEWEST, min(_MOST, _DRAWS // (bytes_of_draws(program) * key.size)))
    ahead = jnp.arange(chunk).reshape(-1, *(1,) * state.step.ndim)
    words = jnp.moveaxis(jax.random.key_data(key), -1, 0)
    total = jnp.max(jnp.asarray(steps))
    of_data = numbers.task | dict(arrays or {})

    def step(learner: State, uniform: jax.Array) -> State:
        of_task, noise = uniform[:, : task.draws], uniform[:, task.draws :]
        images, _ = task.made_of(of_task, of_data)
        remembers = learner.memory is not None
        which = task.number_of(of_task, of_data) if remembers else None
        return rule.step(learner, Batch(images, which), noise)

    def take_chunk(carry: tuple[jax.Array, State]) -> tuple[jax.Array, State]:
        done, learner = carry
        drawn = uniforms_of_steps(words, state.step[None] + done + ahead, shape)
        count = jnp.minimum(chunk, total - done)
        take = jax.lax.fori_loop(0, count, lambda i, learner: step(learner, drawn[i]), learner)
        return done + count, take

    begin = jnp.zeros_like(total), state.learner
    _, learner = jax.lax.while_loop(lambda carry: carry[0] < total, take_chunk, begin)
    return state._replace(step=state.step + total, learner=learner)


def _rule_of(program: Program, numbers: Numbers) -> Rule:
    return program.rule.build(program.sizes, numbers.rule, program.task.images)


def lanes_of(program: Program) -> int:
    """How many machines fill the vectors of a CPU; 1 where they are no faster side by side."""
    return vector_floats() if program.rule.gains_in_lanes(program.sizes) else 1


def bytes_of_draws(program: Program) -> int:
    """Bytes of what is drawn for a step of one machine."""
    rule = program.rule.build(program.sizes, images=program.task.images)
    return 4 * program.rule.batch * (program.task.draws + rule.draws)


@jax.jit
def is_finite(params: Params) -> jax.Array:
    """Whether every parameter is finite, bool `[]`."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()
