import dataclasses

import chex
import jax
import numpy as np
import pytest
from helpers import slow

import hmjax
from hmjax.experiment import split, varying
from hmjax.training import loop, population

TASK = hmjax.Shifter(width=4)
TASKS = pytest.mark.parametrize(
    "task",
    [TASK, slow(hmjax.Bars(side=3))],
    ids=lambda task: type(task).__name__,
)
SEEDS = [3, 2**32 - 1, 5, 3, 0, 12, 7]


def experiment(task) -> hmjax.Experiment:
    return hmjax.Experiment(
        "small",
        task=task,
        machine=hmjax.Machine(hidden=(6,), top=2),
        evaluation=hmjax.Evaluation(every=400, early=False),
        steps=1100,
    )


@TASKS
def test_a_member_is_the_machine_its_seed_gives_alone(task):
    assert jax.local_device_count() >= 2
    seen = []
    seven = hmjax.train_population(experiment(task), SEEDS, seen.append)
    assert [each.step for each in seen] == [0, 400, 800, 1100]
    assert repr(seven).startswith("Population(step=1100, machines=7, exact_nll_bits=")
    assert len(repr(seven)) < 300
    one = hmjax.train_population(experiment(task), SEEDS[1:2])
    for i, seed in enumerate(SEEDS):
        alone = hmjax.train(dataclasses.replace(experiment(task), seed=seed))
        member = jax.tree.map(lambda leaf, i=i: leaf[i], seven.params)
        chex.assert_trees_all_equal(member, alone.params)
        np.testing.assert_allclose(
            seven.curves["exact_nll_bits"][:, i], alone.curves["exact_nll_bits"], rtol=1e-5
        )
    chex.assert_trees_all_equal(
        jax.tree.map(lambda leaf: leaf[1], (seven.params, seven.measures)),
        jax.tree.map(lambda leaf: leaf[0], (one.params, one.measures)),
    )
    np.testing.assert_array_equal(seven.seeds, SEEDS)
    assert seven.curves["step"].tolist() == [0, 400, 800, 1100]


@pytest.mark.slow
@TASKS
def test_members_that_differ_in_numbers_are_the_machines_they_would_be_alone(task):
    # Evaluated once, at the end, as every one of them alone is another program.
    base = dataclasses.replace(experiment(task), evaluation=hmjax.Evaluation(every=1100))
    members = [
        dataclasses.replace(
            base,
            seed=seed,
            task=dataclasses.replace(task, p_on=p_on),
            rule=hmjax.WakeSleep(
                learning_rate=rate,
                recognition_rate=recognition,
                decay_at=500,
                decay_over=400,
                hold=200,
            ),
            machine=dataclasses.replace(base.machine, weight_scale=scale),
        )
        for seed, p_on, rate, recognition, scale in (
            (1, 0.3, 0.1, None, 0.1),
            (1, 0.2, 0.1, None, 0.1),
            (2, 0.3, 0.03, 0.2, 0.1),
            (3, 0.4, 0.3, None, 0.5),
        )
    ]
    assert set(varying(members)) == {"p_on", "learning_rate", "recognition_rate"}
    programs = {split(member, varying(members))[0] for member in members}
    assert len(programs) == 1
    progress = loop.start(members)
    for latest in loop.advance(members, progress):
        progress = latest
    for i, member in enumerate(members):
        alone = hmjax.train(member)
        mine = jax.tree.map(lambda leaf, i=i: leaf[i], progress.state.learner.params)
        chex.assert_trees_all_equal(mine, alone.params)
        for name in ("exact_nll_bits", "kl_bits", "direction_recovery_exact"):
            np.testing.assert_allclose(
                progress.curves[name][:, i], alone.curves[name], rtol=1e-4, atol=1e-5
            )


def test_a_population_saved_and_carried_on_gives_the_same_bits():
    rule = hmjax.JointStochastic(memory=True, hold=500)  # whose state holds the most
    members = population.members_of(dataclasses.replace(experiment(TASK), rule=rule), range(3))
    ahead = loop.advance(members, loop.start(members))
    saved = next(ahead)
    *_, whole = ahead
    *_, resumed = loop.advance(members, jax.tree.map(np.array, saved))
    chex.assert_trees_all_equal(whole._replace(train_seconds=0), resumed._replace(train_seconds=0))


@pytest.mark.slow  # one is among seven above
@pytest.mark.parametrize(
    "rule",
    [
        hmjax.WakeSleep(),
        hmjax.Reweighted(samples=3),
        hmjax.JointStochastic(samples=2, memory=True, hold=300, decay_at=500, decay_over=400),
        hmjax.JointStochastic(batch=3, recognition="both", optimiser="adam", hold=300),
        hmjax.WakeSleep(batch=5, optimiser="adam"),
        hmjax.WakeSleep(batch=70),
        hmjax.Reweighted(samples=10, optimiser="momentum"),
        hmjax.ExactEM(),
    ],
    ids=lambda rule: type(rule).__name__,
)
@pytest.mark.parametrize("together", [3, 16])
def test_members_stepped_together_are_the_machines_they_are_in_turn(together, rule):
    small = dataclasses.replace(
        experiment(TASK), rule=rule, evaluation=hmjax.Evaluation(every=1100)
    )
    seeds = [*SEEDS, *range(20, 20 + 2 * together)]  # groups of which the last is not full
    in_turn = hmjax.train_population(small, seeds, together=1)
    side_by_side = hmjax.train_population(small, seeds, together=together)
    chex.assert_trees_all_equal(side_by_side.params, in_turn.params)


@pytest.mark.parametrize("together", [0, -3, 2.5, "2"])
def test_groups_that_cannot_be_are_refused(together):
    with pytest.raises(hmjax.InvalidInput, match="together is"):
        hmjax.train_population(experiment(TASK), [1], together=together)


def test_a_machine_that_diverges_is_nan_and_leaves_the_others_alone():
    base = experiment(TASK)
    wild = hmjax.WakeSleep(learning_rate=3e38, optimiser="momentum")
    tame = dataclasses.replace(base, seed=4, rule=hmjax.WakeSleep(optimiser="momentum"))
    members = [tame, dataclasses.replace(tame, rule=wild)]
    *_, last = loop.advance(members, loop.start(members))
    assert np.isfinite(last.curves["exact_nll_bits"][:, 0]).all()
    for name in ("exact_nll_bits", "direction_recovery_exact", "selectivity_exact"):
        assert np.isnan(last.curves[name][-1, 1]).all()
    mine = jax.tree.map(lambda leaf: leaf[0], last.state.learner.params)
    chex.assert_trees_all_equal(mine, hmjax.train(tame).params)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [([], "seeds is 0"), ([-1], "seed is -1"), ([0, 2**32], "seed is 4294967296")],
)
def test_wrong_seeds_are_refused(seeds, said):
    with pytest.raises(hmjax.InvalidInput, match=said):
        hmjax.train_population(experiment(TASK), seeds)


@pytest.mark.parametrize(
    ("count", "devices"),
    [(1, 1), slow(1, 2), slow(7, 1), (7, 2), slow(64, 1), slow(64, 2), slow(256, 1), slow(256, 2)],
)
def test_a_member_does_not_depend_on_the_population_around_it(count, devices, monkeypatch):
    few = jax.local_devices()[:devices]
    monkeypatch.setattr(jax, "local_devices", lambda: few)
    small = dataclasses.replace(experiment(TASK), steps=50)
    population = hmjax.train_population(small, range(count))
    for seed in {0, count // 2, count - 1}:
        alone = hmjax.train(dataclasses.replace(small, seed=seed))
        mine = jax.tree.map(lambda leaf, i=seed: leaf[i], population.params)
        chex.assert_trees_all_equal(mine, alone.params)


@pytest.mark.slow
def test_what_is_annealed_at_the_end_is_of_the_data_of_each_member():
    # Members that differ in p_on share a program, which knows their numbers alone.
    evaluation = hmjax.Evaluation(
        every=1100, held_out=16, samples=2, fantasies=2, annealed_runs=2, temperatures=3
    )
    base = hmjax.Experiment(
        "large",
        task=hmjax.Shifter(width=4),
        machine=hmjax.Machine((30,), 2),
        evaluation=evaluation,
        steps=100,
    )
    tasks = [hmjax.Shifter(width=4, p_on=p_on) for p_on in (0.2, 0.5, 0.2)]
    members = [
        dataclasses.replace(base, task=task, seed=seed) for seed, task in enumerate(tasks, 1)
    ]
    *_, last = loop.advance(members, loop.start(members))
    together = loop.final_measures(members, last)
    # The last, of the same data as the first: measured beside it, and put back in its place.
    *_, progress = loop.advance(members[2:], loop.start(members[2:]))
    alone = loop.final_measures(members[2:], progress)
    for name in ("annealed_nll_bits", "annealed_error_bits", "is_nll_bits"):
        np.testing.assert_allclose(together[name][2], alone[name][0], rtol=1e-5)
        assert together[name][1] != together[name][2]
