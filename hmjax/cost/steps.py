"""A step of each rule as a scalar program, of the same noise as the step of `hmjax.rules`.

They give the same states and parameters, to the rounding of float32. The probabilities that units
were drawn with are kept: they serve the weights of samples and the delta rule alike.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hmjax.cost.exact_em import exact_em
from hmjax.cost.kernels import Style, Vector, dream, recognise, total
from hmjax.cost.learning import moves_of
from hmjax.cost.samples import Sample, States, normalised, sample_of, weighed
from hmjax.cost.scalars import exp, phase
from hmjax.cost.sweeps import sweep
from hmjax.cost.updates import (
    StepSettings,
    learn_generative,
    learn_recognition,
    learn_recognition_by,
    parts,
    update_generative,
    update_recognition,
)
from hmjax.errors import require
from hmjax.machine import Params
from hmjax.rules import Descent, ExactEM, JointStochastic, Reweighted, ScoreFunction, WakeSleep


class Carried(NamedTuple):
    """What a step hands on to the next.

    Attributes:
      memory: the latest hidden states of each image, `[images, units]`, of a rule that keeps
        them.
      params: the machine, which lies above it at the start.
    """

    memory: Any
    params: Params


Step = Callable[[Carried, list[Vector], list[Vector], Sequence[int]], Carried]
"""`step(carried, images, noise, numbers)`: images `[batch, n_0]`, noise `[batch, draws]`, and the
number of each image, which is no tracked scalar."""


def step_of(rule: Descent, sizes: tuple[int, ...], style: Style, *, at: int = 0) -> Step:
    """The scalar program of a rule.

    Args:
      rule: its settings.
      sizes: the layer sizes of its machines.
      style: how loops are written.
      at: the number of the step, from 0, which its rates depend on.

    Raises:
      InvalidInput: if it has an optimiser with a state of its own, or the style does not fit it.
    """
    require(
        not style.fused or type(rule) in FUSED,
        *("fused", style.fused, "must be off but for rules that learn from states alone"),
    )
    moves = moves_of(rule, len(sizes) - 1, at)
    return STEPS[type(rule)](StepSettings(rule, sizes, moves, style))


def _wake_sleep(of: StepSettings) -> Step:
    """`hmjax.rules.wake_sleep`."""
    hidden, style = of.sizes[1:], of.style

    def step(
        carried: Carried, images: list[Vector], noise: list[Vector], numbers: Sequence[int]
    ) -> Carried:
        params, shares = carried.params, [1 / len(images)] * len(images)
        by_layer = [parts(row, hidden + of.sizes) for row in noise]
        with phase("wake: recognise"):
            wake = [
                recognise(params, image, row[: len(hidden)], style)
                for image, row in zip(images, by_layer, strict=True)
            ]
        with phase("wake: predict and update"):
            params = learn_generative(params, wake, shares, of)
        with phase("sleep: dream"):
            dreams = [dream(params, row[len(hidden) :], style) for row in by_layer]
        with phase("sleep: predict and update"):
            return Carried(None, learn_recognition(params, dreams, shares, of))

    return step


def _reweighted(of: StepSettings) -> Step:
    """`hmjax.rules.reweighted`."""
    hidden, samples = of.sizes[1:], of.rule.samples

    def step(
        carried: Carried, images: list[Vector], noise: list[Vector], numbers: Sequence[int]
    ) -> Carried:
        params, wake, shares, tails = carried.params, [], [], []
        for image, row in zip(images, noise, strict=True):
            *given, rest = parts(row, [sum(hidden)] * samples, rest=True)
            of_image = [sample_of(params, image, parts(u, hidden), of.style) for u in given]
            with phase("wake: weigh"):
                shares += normalised([each.log_weight for each in of_image], len(images))
            wake += of_image
            tails.append(rest)
        with phase("wake: update"):
            params = update_generative(params, wake, shares, of)
        return Carried(None, learn_recognition_by(params, wake, shares, tails, of))

    return step


def _joint(of: StepSettings) -> Step:
    """`hmjax.rules.joint`."""
    hidden, rule = of.sizes[1:], of.rule
    units, proposed = sum(hidden), rule.samples + rule.memory
    choices = proposed * (proposed > 1)

    def interpreted(
        params: Params, image: Vector, given: list[Vector], uniforms: Vector, kept: Vector | None
    ) -> States:
        """The states of an image by Metropolis from the recognition net."""
        noise = [parts(row, hidden) for row in given]
        if not choices:
            with phase("wake: recognise"):
                return recognise(params, image, noise[0], of.style)
        if kept is None:
            now = sample_of(params, image, noise.pop(0), of.style)
        else:
            now = weighed(params, [image, *parts(kept, hidden)], of.style)
        for each, uniform in zip(noise, uniforms[1:], strict=True):
            new = sample_of(params, image, each, of.style)
            with phase("wake: choose"):
                if uniform < exp(new.log_weight - now.log_weight):
                    now = new
        return now.states

    def step(
        carried: Carried, images: list[Vector], noise: list[Vector], numbers: Sequence[int]
    ) -> Carried:
        memory, params = carried
        wake, tails, shares = [], [], [1 / len(images)] * len(images)
        for image, row, number in zip(images, noise, numbers, strict=True):
            sizes = [units] * rule.samples + [choices] + [units] * rule.sweeps
            *drawn, rest = parts(row, sizes, rest=True)
            given, uniforms = drawn[: rule.samples], drawn[rule.samples]
            kept = None if memory is None else memory[number]
            states = interpreted(params, image, given, uniforms, kept)
            with phase("wake: sweep"):
                for of_sweep in drawn[rule.samples + 1 :]:
                    states = sweep(parts(of_sweep, hidden), params, states, of.style)
            if memory is not None:
                latest = list(itertools.chain(*states[1:]))
                memory = [*memory[:number], latest, *memory[number + 1 :]]
            wake.append(Sample(states))
            tails.append(rest)
        with phase("wake: predict and update"):
            params = learn_generative(params, [each.states for each in wake], shares, of)
        return Carried(memory, learn_recognition_by(params, wake, shares, tails, of))

    return step


def _score_function(of: StepSettings) -> Step:
    """`hmjax.rules.score_function`."""
    hidden, samples = of.sizes[1:], of.rule.samples

    def step(
        carried: Carried, images: list[Vector], noise: list[Vector], numbers: Sequence[int]
    ) -> Carried:
        params, wake, surprise = carried.params, [], []
        count = samples * len(images)
        for image, row in zip(images, noise, strict=True):
            given = parts(row, [sum(hidden)] * samples)
            of_image = [sample_of(params, image, parts(u, hidden), of.style) for u in given]
            with phase("reward"):
                rewards = [each.log_weight for each in of_image]
                mean = total(rewards) * (1 / samples)
                by = samples / (samples - 1) / count
                surprise += [(each - mean) * by for each in rewards]
            wake += of_image
        with phase("update"):
            params = update_generative(params, wake, [1 / count] * count, of)
            return Carried(None, update_recognition(params, wake, surprise, [], [], of))

    return step


def _exact_em(of: StepSettings) -> Step:
    """`hmjax.rules.exact_em`."""

    def step(
        carried: Carried, images: list[Vector], noise: list[Vector], numbers: Sequence[int]
    ) -> Carried:
        return Carried(None, exact_em(carried.params, images, of.moves, of.style))

    return step


STEPS: dict[type, Callable[[StepSettings], Step]] = {
    WakeSleep: _wake_sleep,
    Reweighted: _reweighted,
    JointStochastic: _joint,
    ScoreFunction: _score_function,
    ExactEM: _exact_em,
}
"""What makes the step of each rule."""

FUSED = WakeSleep, JointStochastic
"""Rules that learn from states alone, whose predictions and updates can be fused."""
