import dataclasses
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_params, slow

import hmjax
from hmjax import InvalidInput, Restarts, Reweighted, WakeSleep, machine
from hmjax.experiment import split
from hmjax.training import restarts, single

EXPERIMENT = hmjax.Experiment(
    "again",
    task=hmjax.Shifter(width=4),
    machine=hmjax.Machine((6,), 2),
    evaluation=hmjax.Evaluation(every=500),
    restarts=Restarts(until=3_000, units=3, tries=2),
    steps=4_000,
)


def learner_of(params, rule=WakeSleep()):  # noqa: B008
    return rule.build(machine.sizes_of(params)).init(params)


@pytest.mark.parametrize("sizes", [(5, 4, 2), (4, 3, 3, 2)])
def test_units_made_anew_have_all_their_weights_from_the_new_machine(sizes):
    old, new = (learner_of(random_params(jax.random.key(k), sizes)) for k in (0, 1))
    chosen = np.zeros(sum(sizes[1:]), bool)
    chosen[[0, -2]] = True
    mixed = restarts.renewed(old, new, jnp.asarray(chosen)).params
    old, new = old.params, new.params
    layers = [np.zeros(sizes[0], bool), *np.split(chosen, np.cumsum(sizes[1:-1]))]
    for level, (below, above) in enumerate(itertools.pairwise(layers)):
        for nets, inputs, outputs in (
            ("generative", above, below),
            ("recognition", below, above),
        ):
            was, other, now = (getattr(each, nets)[level] for each in (old, new, mixed))
            touched = inputs[:, None] | outputs[None]
            np.testing.assert_array_equal(now.weight, np.where(touched, other.weight, was.weight))
            np.testing.assert_array_equal(now.bias, np.where(outputs, other.bias, was.bias))
    prior = np.where(layers[-1], new.prior.bias, old.prior.bias)
    np.testing.assert_array_equal(mixed.prior.bias, prior)


GOOD, BAD, NEW = (random_params(jax.random.key(k), (5, 4, 2)) for k in (1, 2, 3))


def after(params, nll, best, step, settings):
    """`restart` of plain sgd at a step: the machine that is gone on from, and the best."""
    bits, step = jnp.asarray(nll, jnp.float32), jnp.asarray(step)
    arguments = learner_of(params), best, bits, step, learner_of(NEW)
    learner, best = restarts.restart(jax.random.key(0), *arguments, restarts=settings)
    return learner.params, best


def test_a_restart_goes_on_from_the_better_machine():
    settings = Restarts(until=100, units=2)
    _, best = after(GOOD, 9.0, restarts.none_yet(learner_of(BAD)), 50, settings)
    assert best.of_try.nll_bits == best.of_all.nll_bits == 9
    chex.assert_trees_all_equal(best.of_try.learner.params, GOOD)
    for worse in (9.5, float("nan")):
        params, best = after(BAD, worse, best, 60, settings)
        chex.assert_trees_all_equal(best.of_try.learner.params, GOOD)
        kept = (params.generative[0].weight == GOOD.generative[0].weight).all(axis=1)
        kept_top = params.prior.bias == GOOD.prior.bias
        assert 1 <= 6 - kept.sum() - kept_top.sum() <= 2
    params, _ = after(BAD, 9.5, best, 100, settings)  # the last restart makes nothing anew
    chex.assert_trees_all_equal(params, GOOD)


def test_top_units_can_be_spared():
    settings = Restarts(until=100, units=4, top=False)
    _, best = after(GOOD, 9.0, restarts.none_yet(learner_of(BAD)), 50, settings)
    for key in range(20):
        arguments = learner_of(BAD), best, jnp.float32(9.5), jnp.asarray(60), learner_of(NEW)
        learner, _ = restarts.restart(jax.random.key(key), *arguments, restarts=settings)
        params = learner.params
        chex.assert_trees_all_equal(params.prior, GOOD.prior)
        assert (params.generative[0].weight != GOOD.generative[0].weight).any()


def test_a_new_try_starts_from_a_new_machine_and_the_best_of_all_tries_is_gone_on_from():
    settings = Restarts(until=100, units=2, tries=2)
    params, best = after(GOOD, 9.0, restarts.none_yet(learner_of(BAD)), 50, settings)
    chex.assert_trees_all_equal(params, NEW)
    assert np.isinf(best.of_try.nll_bits)
    _, best = after(BAD, 9.5, best, 60, settings)
    chex.assert_trees_all_equal(
        best, restarts.Best(*map(restarts.Candidate, (9.5, 9.0), map(learner_of, (BAD, GOOD))))
    )
    params, _ = after(BAD, 9.7, best, 100, settings)
    chex.assert_trees_all_equal(params, GOOD)


RULES = [
    WakeSleep(optimiser="momentum", learning_rate=0.01, decay_at=2_000, decay_over=500),
    WakeSleep(optimiser="adam", learning_rate=0.003),
    Reweighted(samples=2, optimiser="momentum", learning_rate=0.01, recognition_rate=0.02),
    Reweighted(samples=2, optimiser="adam", learning_rate=0.003, decay_at=500),
    WakeSleep(decay_at=500),
]


def moments_of(learner) -> list:
    """What the optimisers remember of each parameter, laid out like the machine."""
    of_nets = [
        [moment for state in net for moment in state if isinstance(moment, tuple)]
        for net in (learner.generative, learner.recognition)
    ]
    pairs = zip(*of_nets, strict=True)
    return [machine.Params(*generative, recognition) for generative, recognition in pairs]


def counts_of(learner) -> list[int]:
    leaves = jax.tree.leaves((learner.generative, learner.recognition))
    return [int(leaf) for leaf in leaves if leaf.ndim == 0]


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_what_is_kept_goes_on_with_its_moments_and_what_is_made_anew_with_none(rule):
    experiment = dataclasses.replace(EXPERIMENT, rule=rule)
    program, numbers = split(experiment)
    keys = single.keys_of(3)

    def trained(state, steps):
        return single.train_block(keys.steps, numbers, state, steps, program=program)

    def restarted(state, nll):
        return single.restarted(keys.restarts, numbers, state, nll, program=program)

    kept = trained(single.init_state(experiment), 500)
    after_first = restarted(kept, jnp.float32(9))  # the best so far
    worse = trained(after_first, 500)
    again = restarted(worse, jnp.float32(10))
    same = jax.tree.map(lambda a, b: np.asarray(a == b), again.learner.params, kept.learner.params)
    anew = [~leaf for leaf in jax.tree.leaves(same)]
    assert any(leaf.any() for leaf in anew)
    assert not all(leaf.all() for leaf in anew)
    mine, theirs = moments_of(again.learner), moments_of(kept.learner)
    assert len(mine) == {"momentum": 1, "adam": 2, "sgd": 0}[rule.optimiser]
    for moments, before in zip(mine, theirs, strict=True):
        for moment, was, is_new in zip(*map(jax.tree.leaves, (moments, before)), anew, strict=True):
            np.testing.assert_array_equal(moment, np.where(is_new, 0, was))
    scheduled = rule.decay_at is not None
    by_adam = [500] * 2 * (rule.optimiser == "adam")
    assert sorted(counts_of(again.learner)) == sorted(by_adam + [1000] * 2 * scheduled)
    # A new try has nothing to remember, but the step.
    ended = restarted(trained(again, 500), jnp.float32(9.5))
    assert all(not leaf.any() for leaf in jax.tree.leaves(moments_of(ended.learner)))
    by_adam = [0] * 2 * (rule.optimiser == "adam")
    assert sorted(counts_of(ended.learner)) == sorted(by_adam + [1500] * 2 * scheduled)
    # The last restart goes on from the best of all as it was.
    last = again._replace(step=jnp.int32(3_000))
    chosen = restarted(last, jnp.float32(9.7)).learner
    chex.assert_trees_all_equal(chosen.params, kept.learner.params)
    chex.assert_trees_all_equal(moments_of(chosen), moments_of(kept.learner))


@pytest.mark.parametrize("hidden", [6, slow(40)])
def test_a_population_restarts_as_each_of_its_machines_does_alone(hidden):
    machine = hmjax.Machine((hidden,), 2)
    experiment = dataclasses.replace(EXPERIMENT, machine=machine)
    assert experiment.is_exact == (hidden == 6)
    population = hmjax.train_population(experiment, range(3))
    for seed in range(3):
        alone = hmjax.train(dataclasses.replace(experiment, seed=seed))
        mine = jax.tree.map(lambda leaf, i=seed: leaf[i], population.params)
        chex.assert_trees_all_equal(mine, alone.params)
        # What restarts go by has to be the same bits, however it was compiled.
        nll = experiment.nll
        np.testing.assert_array_equal(population.curves[nll][:, seed], alone.curves[nll])


def test_without_restarts_nothing_is_carried_for_them():
    plain = dataclasses.replace(EXPERIMENT, restarts=Restarts())
    assert single.init_state(plain).best is None
    assert single.init_state(EXPERIMENT).best is not None


def test_what_cannot_restart_is_refused():
    with pytest.raises(InvalidInput, match=r"^restarts.until is 5000: must be a multiple"):
        dataclasses.replace(EXPERIMENT, restarts=Restarts(until=5_000))
    with pytest.raises(
        InvalidInput, match=r"^restarts.until is 2000: must be a multiple of .*1500"
    ):
        dataclasses.replace(EXPERIMENT, restarts=Restarts(until=2_000, tries=3))
    with pytest.raises(InvalidInput, match=r"^restarts.until is 4000: .* less than steps, 4000"):
        dataclasses.replace(EXPERIMENT, restarts=Restarts(until=4_000))
    with pytest.raises(InvalidInput, match=r"^restarts.units is 9: must be 1 to 8"):
        dataclasses.replace(EXPERIMENT, restarts=Restarts(until=500, units=9))
    with pytest.raises(InvalidInput, match=r"^restarts.units is 7: must be 1 to 6"):
        dataclasses.replace(EXPERIMENT, restarts=Restarts(until=500, units=7, top=False))
    with pytest.raises(InvalidInput, match=r"^restarts.top is False: needs hidden units"):
        dataclasses.replace(
            EXPERIMENT,
            machine=hmjax.Machine((), 2),
            restarts=Restarts(until=500, units=1, top=False),
        )
