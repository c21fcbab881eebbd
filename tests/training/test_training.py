import dataclasses
import functools
import gc
import re
import weakref

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import slow

import hmjax
from configs import debug
from hmjax.errors import Diverged
from hmjax.experiment import split
from hmjax.training import devices, loop, population, single
from hmjax.training.progress import EVERYTHING, alone

LATE = dataclasses.replace(debug.experiment.evaluation, early=False)
SMALL = dataclasses.replace(debug.experiment, steps=1200, evaluation=LATE)


def with_evaluation(every: int, **changes) -> hmjax.Experiment:
    evaluation = dataclasses.replace(SMALL.evaluation, every=every)
    return dataclasses.replace(SMALL, evaluation=evaluation, **changes)


def test_training_learns():
    experiment, seen = dataclasses.replace(SMALL, steps=30_000), []
    evaluation = hmjax.Evaluation()
    progress = hmjax.train(dataclasses.replace(experiment, evaluation=evaluation), seen.append)
    first, last = progress.curves["exact_nll_bits"][[0, -1]]
    assert last < first - 8
    # Whoever looks on sees the same, as it comes.
    assert [each.step for each in seen] == progress.curves["step"].tolist()
    assert [each.curves["exact_nll_bits"][-1] for each in seen][-1] == last
    assert repr(progress).startswith("Progress(step=30000, is_nll_bits=")
    assert len(repr(progress)) < 400


def test_the_same_experiment_gives_the_same_bits_and_another_seed_others():
    first, again = hmjax.train(SMALL), hmjax.train(SMALL)
    chex.assert_trees_all_equal(first._replace(train_seconds=0), again._replace(train_seconds=0))
    other = hmjax.train(dataclasses.replace(SMALL, seed=2))
    assert (other.params.prior.bias != first.params.prior.bias).any()


def test_parameters_do_not_depend_on_how_often_the_run_is_evaluated():
    whole = hmjax.train(with_evaluation(1200)).params
    for every in (500, 77, 1000):
        chex.assert_trees_all_equal(hmjax.train(with_evaluation(every)).params, whole)


def test_a_run_taken_up_in_the_middle_ends_in_the_same_bits():
    whole = hmjax.train(SMALL)
    middle = next(loop.while_finite(SMALL, loop.start([SMALL], EVERYTHING), EVERYTHING))
    assert middle.step == int(middle.state.step[0]) == 500
    *_, resumed = loop.while_finite(SMALL, middle, EVERYTHING)
    resumed = alone(resumed)
    chex.assert_trees_all_equal(resumed.curves, whole.curves)
    chex.assert_trees_all_equal(resumed.snapshots, whole.snapshots)
    chex.assert_trees_all_equal(resumed.state, whole.state)


def test_training_keeps_its_histories_once(monkeypatch):
    # Each progress has all of them; a run of many evaluations cannot keep every one.
    alive, while_finite = [], population.while_finite

    def watched(*arguments):
        for progress in while_finite(*arguments):
            alive.append(weakref.ref(progress.snapshots.prior.bias))
            gc.collect()
            assert sum(each() is not None for each in alive) <= 3
            yield progress

    monkeypatch.setattr(population, "while_finite", watched)
    hmjax.train(with_evaluation(100))
    assert len(alive) == 12


def test_curves_and_snapshots_share_the_step_axis():
    progress = hmjax.train(SMALL)
    assert progress.curves["step"].tolist() == [0, 500, 1000, 1200]
    for leaf in jax.tree.leaves((progress.curves, progress.snapshots)):
        assert len(leaf) == 4
    last = jax.tree.map(lambda leaf: leaf[-1], progress.snapshots)
    chex.assert_trees_all_equal(last, progress.params)


@pytest.mark.parametrize(
    ("every", "last", "steps"),
    [
        (500, 1200, [0, 100, 200, 500, 1000, 1200]),
        (50_000, 60_000, [0, *(n * 10**k for k in (2, 3, 4) for n in (1, 2, 5)), 60_000]),
        (50_000, 150, [0, 100, 150]),
        (7, 20, [0, 7, 14, 20]),
        (100, 100, [0, 100]),
    ],
)
def test_evaluations_are_close_to_each_other_where_the_learning_is(every, last, steps):
    assert list(hmjax.Evaluation(every=every).steps_of(last)) == steps
    late = [step for step in steps if step % every == 0 or step == last]
    assert list(hmjax.Evaluation(every=every, early=False).steps_of(last)) == late


def test_a_machine_does_not_depend_on_early_evaluations():
    late = with_evaluation(400)
    early = dataclasses.replace(LATE, every=400, early=True)
    finer = hmjax.train(dataclasses.replace(late, evaluation=early))
    assert finer.curves["step"].tolist() == [0, 100, 200, 400, 800, 1200]
    chex.assert_trees_all_equal(finer.params, hmjax.train(late).params)


def test_the_draws_of_a_step_depend_on_the_seed_and_the_step_alone():
    # One call over all steps and one call a step: the same states at the end.
    program, numbers = split(SMALL)
    block = functools.partial(single.train_block, single.keys_of(1).steps, numbers, program=program)
    at_once = block(single.init_state(SMALL), 700)
    state = single.init_state(SMALL)
    for steps in (1, 1, 5, 493, 200):
        state = block(state, steps)
    chex.assert_trees_all_equal(at_once, state)


def test_a_block_is_traced_once_for_all_seeds_numbers_and_starts():
    chex.clear_trace_counter()
    block = jax.jit(
        chex.assert_max_traces(single.train_block.__wrapped__, n=1),
        static_argnames="program",
    )
    for seed, rate in ((1, 0.1), (2, 0.1), (3, 0.2)):
        rule = hmjax.WakeSleep(learning_rate=rate)
        experiment = dataclasses.replace(SMALL, seed=seed, rule=rule)
        program, numbers = split(experiment, ("learning_rate", "recognition_rate"))
        state = single.init_state(experiment)
        for steps in (50, 70):
            key = single.keys_of(seed).steps
            state = block(key, numbers, state, steps, program=program)
        assert int(state.step) == 120


def test_other_images_of_as_many_pixels_and_rows_compile_nothing():
    events: list[str] = []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, *_, **__: events.append(event)
    )
    rows = np.concatenate([np.eye(6), np.tri(6)])
    for images, compiles in ((rows, True), (1 - rows, False)):
        events.clear()
        task = hmjax.Images(images, held_out=0.25)
        hmjax.train(dataclasses.replace(SMALL, task=task, steps=20))
        assert any("backend_compile" in event for event in events) == compiles


def test_every_optimiser_schedule_and_batch_trains():
    for rule in (
        hmjax.WakeSleep(batch=4, optimiser="adam", learning_rate=0.02),
        hmjax.WakeSleep(optimiser="momentum", learning_rate=0.01, decay_at=600),
    ):
        curves = hmjax.train(with_evaluation(1200, rule=rule)).curves
        assert curves["exact_nll_bits"][-1] < curves["exact_nll_bits"][0] - 1


def test_divergence_names_the_first_bad_step_and_keeps_what_was_good():
    # A rate so large that momentum overflows float32 within a few dozen steps.
    rule = hmjax.WakeSleep(learning_rate=3e38, optimiser="momentum")
    experiment = with_evaluation(10, rule=rule)
    good = loop.start([experiment], EVERYTHING)
    ahead = loop.while_finite(experiment, good, EVERYTHING)
    with pytest.raises(Diverged) as caught:  # noqa: PT012
        while True:
            good = next(ahead)
    chex.assert_tree_all_finite(good.params)
    key, (program, numbers) = single.keys_of(experiment.seed).steps, split(experiment)
    start = good.step
    assert start < caught.value.step <= start + 10

    def after(steps):
        first = single.init_state(experiment)
        state = single.train_block(key, numbers, first, steps, program=program)
        return bool(single.is_finite(state.learner.params))

    assert after(caught.value.step - 1)
    assert not after(caught.value.step)


def test_a_compilation_that_failed_once_is_tried_again(monkeypatch):
    on_devices = devices._on_devices
    failures = iter(range(2))  # ahead of time, and when it is needed

    class FailsAtFirst:
        def lower(self, function, *arguments):
            if function.name[0] == "block" and next(failures, None) is not None:
                raise RuntimeError("the compiler ran out of something")
            return on_devices.lower(function, *arguments)

    monkeypatch.setattr(devices, "_on_devices", FailsAtFirst())
    with pytest.raises(RuntimeError, match="ran out of something"):
        hmjax.train(SMALL)
    chex.assert_tree_all_finite(hmjax.train(SMALL).params)


def test_what_was_compiled_goes_when_jax_is_told_to_let_it_go():
    def programs() -> int:
        gc.collect()
        return len(jax.devices()[0].client.live_executables())

    jax.clear_caches()
    before = programs()
    for steps in (50, 60, 70):
        experiment = dataclasses.replace(SMALL, steps=steps)
        hmjax.train(experiment)
        hmjax.train_population(experiment, [1, 2])
    assert programs() > before + 6
    jax.clear_caches()
    assert programs() <= before


@pytest.mark.parametrize("hidden", [(), (6, 5), slow((5, 4, 3))], ids=len)
def test_deep_and_shallow_machines_train(hidden):
    machine = hmjax.Machine(hidden=hidden, top=3)
    progress = hmjax.train(with_evaluation(1200, machine=machine))
    assert np.isfinite(progress.curves["exact_nll_bits"]).all()
    assert jnp.isfinite(progress.params.prior.bias).all()


def test_a_step_stays_a_few_kernels():
    # The shifter's own sizes: 8 products with layers, 5 outer ones and 4 biases, each fused with
    # what is around it. A draw that moves into the loop, or a rule that stops fusing, shows here
    # before it shows in the bench.
    experiment = hmjax.Experiment("counted")
    state = jax.eval_shape(functools.partial(single.init_state, experiment))
    key = jax.eval_shape(lambda: single.keys_of(1).steps)
    program, numbers = split(experiment)
    block = single.train_block.lower(key, numbers, state, 1000, program=program)
    computations = re.split(r"\n}\n", block.compile().as_text())
    kernels = [len(re.findall(r" (?:fusion|dot|custom-call)\(", body)) for body in computations]
    assert 17 <= max(kernels) <= 28
    assert " dot(" not in block.compile().as_text()
