import dataclasses
import itertools

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import random_params

import hmjax
from hmjax import InvalidInput, Restarts, restarts

EXPERIMENT = hmjax.Experiment(
    "again",
    task=hmjax.Shifter(width=4),
    machine=hmjax.Machine((6,), 2),
    evaluation=hmjax.Evaluation(every=500),
    restarts=Restarts(until=3_000, units=3, tries=2),
    steps=4_000,
)


@pytest.mark.parametrize("sizes", [(5, 4, 2), (4, 3, 3, 2)])
def test_units_made_anew_have_all_their_weights_from_the_new_machine(sizes):
    old, new = (random_params(jax.random.key(k), sizes) for k in (0, 1))
    chosen = np.zeros(sum(sizes[1:]), bool)
    chosen[[0, -2]] = True
    mixed = restarts.renewed(old, new, jnp.asarray(chosen))
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
    """`restart` at a step."""
    arguments = params, best, jnp.asarray(nll, jnp.float32), jnp.asarray(step), NEW
    return restarts.restart(jax.random.key(0), *arguments, restarts=settings)


def test_a_restart_goes_on_from_the_better_machine():
    settings = Restarts(until=100, units=2)
    _, best = after(GOOD, 9.0, restarts.none_yet(BAD), 50, settings)
    assert best.of_try.nll_bits == best.of_all.nll_bits == 9
    chex.assert_trees_all_equal(best.of_try.params, GOOD)
    for worse in (9.5, float("nan")):
        params, best = after(BAD, worse, best, 60, settings)
        chex.assert_trees_all_equal(best.of_try.params, GOOD)
        kept = (params.generative[0].weight == GOOD.generative[0].weight).all(axis=1)
        kept_top = params.prior.bias == GOOD.prior.bias
        assert 1 <= 6 - kept.sum() - kept_top.sum() <= 2
    params, _ = after(BAD, 9.5, best, 100, settings)  # the last restart makes nothing anew
    chex.assert_trees_all_equal(params, GOOD)


def test_top_units_can_be_spared():
    settings = Restarts(until=100, units=4, top=False)
    _, best = after(GOOD, 9.0, restarts.none_yet(BAD), 50, settings)
    for key in range(20):
        arguments = BAD, best, jnp.float32(9.5), jnp.asarray(60), NEW
        params, _ = restarts.restart(jax.random.key(key), *arguments, restarts=settings)
        chex.assert_trees_all_equal(params.prior, GOOD.prior)
        assert (params.generative[0].weight != GOOD.generative[0].weight).any()


def test_a_new_try_starts_from_a_new_machine_and_the_best_of_all_tries_is_gone_on_from():
    settings = Restarts(until=100, units=2, tries=2)
    params, best = after(GOOD, 9.0, restarts.none_yet(BAD), 50, settings)
    chex.assert_trees_all_equal(params, NEW)
    assert np.isinf(best.of_try.nll_bits)
    _, best = after(BAD, 9.5, best, 60, settings)
    chex.assert_trees_all_equal(best, restarts.Best(*map(restarts.Found, (9.5, 9.0), (BAD, GOOD))))
    params, _ = after(BAD, 9.7, best, 100, settings)
    chex.assert_trees_all_equal(params, GOOD)


@pytest.mark.parametrize("hidden", [6, 40])
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
    assert hmjax.training.init_state(plain).best is None
    assert hmjax.training.init_state(EXPERIMENT).best is not None


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
