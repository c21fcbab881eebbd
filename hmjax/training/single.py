"""Training: one scan over steps, in compiled blocks, measured between blocks.

A step's random draws come from its own key, `fold_in(key of the seed, step)`, so they depend on the
seed and the step alone. A step does not draw for itself: the images and the noise of `_CHUNK` steps
are drawn at once and scanned over, which is several times faster.
"""

import functools
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from hmjax import machine
from hmjax.errors import Diverged
from hmjax.experiment import Experiment, Numbers, Program, split
from hmjax.machine import Params
from hmjax.measures import Measures, evaluate
from hmjax.rules import State
from hmjax.runtime.ambient import default_device, own_generator, own_settings
from hmjax.runtime.cipher import key_of, unrolled
from hmjax.training.restarts import Best, none_yet, restart

T = TypeVar("T")

_CHUNK = 500  # steps whose draws are made at once

# One thread, so that what it is asked for twice JAX finds compiled the second time.
_COMPILER = ThreadPoolExecutor(1, thread_name_prefix="compile")


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


class Progress(NamedTuple):
    """A run so far; saved and loaded again, it goes on to the same bits.

    Attributes:
      state: where training stands.
      curves: NumPy arrays by measure (see `hmjax.measures.evaluate`) with a leading axis over the
        evaluations so far, and `step`, that axis in steps.
      snapshots: the machine at each evaluation, NumPy arrays with the same leading axis.
      train_seconds: float64 `[]`, spent in training, without compiling and measuring.
    """

    state: TrainState
    curves: Measures
    snapshots: Params
    train_seconds: np.ndarray

    @property
    def params(self) -> Params:
        """The machine as it stands."""
        return self.state.learner.params


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
    _, rule = program.bound(numbers)
    params = params._replace(generative=(visible, *params.generative[1:]))
    return rule.build(program.sizes).init(params)


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
    task, rule = program.bound(numbers)
    functions = rule.build(program.sizes)
    # Never a loop of a step or two, which XLA would unroll and round differently.
    length = max(steps, _CHUNK)

    def draw(step: jax.Array) -> tuple[jax.Array, Any]:
        key_images, key_noise = jax.random.split(jax.random.fold_in(key, step))
        images, _ = task.sample(key_images, rule.batch)
        return images, functions.draw(key_noise)

    def step(learner: State, numbered: tuple[jax.Array, Any]) -> tuple[State, jax.Array | None]:
        number, (images, noise) = numbered
        take = functools.partial(functions.step, learner, images, noise)
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


def _compiling_block(experiment: Experiment, steps: int) -> Future[jax.stages.Compiled]:
    """`train_block` of so many steps, compiled on a core of its own."""
    device = default_device()
    program, numbers = split(experiment)

    def compiled() -> jax.stages.Compiled:
        with jax.default_device(device), own_settings():
            keys = jax.eval_shape(keys_of, 0)
            first = functools.partial(first_state, program=program)
            state = jax.eval_shape(first, keys.init, numbers)
            lowered = train_block.lower(keys.steps, numbers, state, program=program, steps=steps)
            return lowered.compile()

    return _COMPILER.submit(compiled)


def draws_of_chunk(experiment: Experiment) -> int:
    """Bytes of the draws that are made at once for one machine."""
    rule = experiment.rule.build(experiment.sizes)
    key = jax.eval_shape(key_of, 0)
    images = jax.eval_shape(lambda key: experiment.task.sample(key, experiment.rule.batch)[0], key)
    drawn = jax.tree.leaves((images, jax.eval_shape(rule.draw, key)))
    return _CHUNK * sum(leaf.size * leaf.dtype.itemsize for leaf in drawn)


def steps_of_block(experiment: Experiment, done: int) -> int:
    """How many steps there are from step `done` to the next evaluation."""
    every = experiment.evaluation.every
    return min(every - done % every, experiment.steps - done)


@jax.jit
def is_finite(params: Params) -> jax.Array:
    """Whether every parameter is finite, bool `[]`."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]).all()


is_finite_each = jax.jit(jax.vmap(is_finite))
"""`is_finite` of machines with a leading axis."""


@functools.partial(jax.jit, static_argnames=("program", "steps"))
def _finite_after(
    key: jax.Array, numbers: Numbers, state: TrainState, *, program: Program, steps: int
) -> jax.Array | None:
    """Whether the parameters are finite after each of the next `steps` steps, bool `[steps]`."""
    return _scan(key, numbers, state, program=program, steps=steps, watch=is_finite)[1]


# It is many small kernels, which take longer to compile than to run; this makes them no slower.
MEASURES_OPTIONS: dict[str, bool | str] = {"xla_backend_optimization_level": "1"}

_evaluate = jax.jit(
    evaluate, static_argnames=("task", "evaluation"), compiler_options=MEASURES_OPTIONS
)


@own_settings()
def measure(experiment: Experiment, state: TrainState, *, final: bool = False) -> Measures:
    """Every measure of a training state, and its step (see `hmjax.measures.evaluate`).

    Args:
      experiment: the run.
      state: where it stands.
      final: take `final_samples` importance samples an image, not `samples`.
    """
    keys, evaluation = keys_of(experiment.seed), experiment.evaluation
    measures = _evaluate(
        jax.random.fold_in(keys.evaluation, state.step),
        keys.held_out,
        state.learner.params,
        evaluation.final_samples if final else evaluation.samples,
        task=experiment.task,
        evaluation=evaluation,
    )
    return {"step": state.step} | measures


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


@own_settings()
def start(experiment: Experiment) -> Progress:
    """A run before its first step, evaluated once."""
    _compiling_block(experiment, steps_of_block(experiment, 0))  # while the first evaluation does
    state = init_state(experiment)
    seen = measure(experiment, state), state.learner.params
    curves, snapshots = jax.tree.map(lambda leaf: np.asarray(leaf)[None], seen)
    return Progress(state, curves, snapshots, np.zeros(()))


def advance(experiment: Experiment, progress: Progress) -> Iterator[Progress]:
    """Trains on to the last step, block by block.

    Args:
      experiment: what to run.
      progress: where to go on from, by `start` or yielded before.

    Yields:
      The progress after each block and its evaluation.

    Raises:
      Diverged: if parameters stop being finite. What was yielded before is good.
    """
    block_of = functools.cache(lambda steps: _compiling_block(experiment, steps).result())
    while (done := int(progress.state.step)) < experiment.steps:
        block = block_of(steps_of_block(experiment, done))
        progress = _after_block(experiment, progress, block)
        yield progress


@own_settings()
def _after_block(
    experiment: Experiment, progress: Progress, block: jax.stages.Compiled
) -> Progress:
    """The progress after a block and its evaluation."""
    keys, done = keys_of(experiment.seed), int(progress.state.step)
    program, numbers = split(experiment)
    began = time.perf_counter()
    state = jax.block_until_ready(block(keys.steps, numbers, progress.state))
    seconds = time.perf_counter() - began
    if not is_finite(state.learner.params):
        steps = int(state.step) - done
        finite = _finite_after(keys.steps, numbers, progress.state, program=program, steps=steps)
        raise Diverged(done + 1 + int(np.argmin(finite)))
    seen = measure(experiment, state), state.learner.params
    curves, snapshots = jax.tree.map(
        lambda history, new: np.concatenate([history, np.asarray(new)[None]]),
        (progress.curves, progress.snapshots),
        seen,
    )
    if restarts_at(experiment, int(state.step)):
        nll_bits = seen[0][experiment.nll]
        state = restarted(keys.restarts, numbers, state, nll_bits, program=program)
    return Progress(state, curves, snapshots, progress.train_seconds + seconds)


def train(experiment: Experiment) -> Progress:
    """Trains one machine, without touching the disk.

    Args:
      experiment: what to run, for example `Experiment("mine", task=hmjax.Bars(), steps=100_000)`.

    Returns:
      The finished run: `.params` is the machine, `.curves["exact_nll_bits"]` what it reached at
      `.curves["step"]`, `.snapshots` the machines on the way.

    Raises:
      Diverged: if parameters stop being finite.
    """
    first = start(experiment)
    return functools.reduce(lambda _, progress: progress, advance(experiment, first), first)
