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
    restarts=Restarts(until=3_000, units=3),
    steps=4_000,
)


@pytest.mark.parametrize("sizes", [(5, 4, 2), (4, 3, 3, 2)])
def test_units_made_anew_have_all_their_weights_from_the_new_machine(sizes):
    old, new = (random_params(jax.random.key(k), sizes) for k in (0, 1))
    chosen = np.zeros(sum(sizes[1:-1]), bool)
    chosen[[0, -1]] = True
    mixed = restarts.renewed(old, new, jnp.asarray(chosen))
    layers = [
        np.zeros(sizes[0], bool),
        *np.split(chosen, np.cumsum(sizes[1:-2])),
        np.zeros(sizes[-1], bool),
    ]
    for level, (below, above) in enumerate(itertools.pairwise(layers)):
        for nets, inputs, outputs in (
            ("generative", above, below),
            ("recognition", below, above),
        ):
            was, other, now = (getattr(each, nets)[level] for each in (old, new, mixed))
            touched = inputs[:, None] | outputs[None]
            np.testing.assert_array_equal(now.weight, np.where(touched, other.weight, was.weight))
            np.testing.assert_array_equal(now.bias, np.where(outputs, other.bias, was.bias))
    chex.assert_trees_all_equal(mixed.prior, old.prior)


def test_a_restart_goes_on_from_the_better_machine():
    key, settings = jax.random.key(0), Restarts(until=100, units=2)
    good, bad = (random_params(jax.random.key(k), (5, 4, 2)) for k in (1, 2))
    scale = jnp.asarray(0.1)

    def after(params, nll, best, step):
        step, nll = jnp.asarray(step), jnp.asarray(nll)
        return restarts.restart(key, params, best, nll, step, scale, restarts=settings)

    _, best = after(good, 9.0, restarts.none_yet(bad), 50)
    assert best.nll_bits == 9
    chex.assert_trees_all_equal(best.params, good)
    for worse in (9.5, float("nan")):
        params, best = after(bad, worse, best, 60)
        chex.assert_trees_all_equal(best.params, good)
        changed = (params.generative[0].weight != good.generative[0].weight).any(axis=1)
        assert 1 <= changed.sum() <= 2
    params, _ = after(bad, 9.5, best, 100)  # the last restart makes nothing anew
    chex.assert_trees_all_equal(params, good)


def test_a_population_restarts_as_each_of_its_machines_does_alone():
    population = hmjax.train_population(EXPERIMENT, range(3))
    for seed in range(3):
        alone = hmjax.train(dataclasses.replace(EXPERIMENT, seed=seed))
        mine = jax.tree.map(lambda leaf, i=seed: leaf[i], population.params)
        chex.assert_trees_all_equal(mine, alone.params)


def test_without_restarts_nothing_is_carried_for_them():
    plain = dataclasses.replace(EXPERIMENT, restarts=Restarts())
    assert hmjax.training.init_state(plain).best is None
    assert hmjax.training.init_state(EXPERIMENT).best is not None


def test_what_cannot_restart_is_refused():
    with pytest.raises(InvalidInput, match=r"^restarts.until is 5000: must be a multiple"):
        dataclasses.replace(EXPERIMENT, restarts=Restarts(until=5_000))
    with pytest.raises(InvalidInput, match=r"^restarts.units is 7: must be 1 to 6"):
        dataclasses.replace(EXPERIMENT, restarts=Restarts(until=500, units=7))
    with pytest.raises(InvalidInput, match=r"^restarts.until is 500: must be 0 where"):
        dataclasses.replace(
            EXPERIMENT, machine=hmjax.Machine((40,), 2), restarts=Restarts(until=500)
        )
