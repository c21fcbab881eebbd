"""Joint stochastic approximation: its chain, its memory, and the hold."""

import dataclasses

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import as_index, assert_frequencies, every_state, random_params, slow

import hmjax
from hmjax import Bars, InvalidInput, JointStochastic, Machine, Shifter, WakeSleep, machine
from hmjax.rules import Batch, joint, memory
from hmjax.runtime.cipher import uniforms


@pytest.mark.parametrize("remembers", [True, slow(False)])
def test_proposals_leave_the_posterior_as_it_is(remembers):
    # With a memory the chain begins in the posterior; without, it comes to it, as q is near enough.
    sizes, n, samples = (5, 3, 2), 30_000, 2 if remembers else 80
    params = random_params(jax.random.key(0), sizes, 0.3)
    states = every_state(sizes)
    image = np.array([1, 0, 1, 1, 0], np.float32)
    posterior = np.exp(np.asarray(machine.log_joint(params, states), float))
    posterior *= (np.asarray(states[0]) == image).all(axis=1)
    posterior /= posterior.sum()
    begin = None
    if remembers:
        drawn = np.random.default_rng(0).choice(len(posterior), n, p=posterior)
        begin = tuple(x[drawn] for x in states[1:])
    after = jax.jit(joint.interpreted)(
        uniforms(jax.random.key(1), (n, 5 * samples)),
        uniforms(jax.random.key(2), (n, samples + remembers)),
        params,
        jnp.broadcast_to(image, (n, 5)),
        begin,
    )
    assert_frequencies(as_index(after), posterior, sigmas=5)


@hypothesis.given(st.data())
@hypothesis.settings(max_examples=3, deadline=None)
def test_what_is_remembered_is_recalled(data):
    sizes = tuple(data.draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    n, lanes = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([(), (1,), (3,)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    images = 6
    empty = memory.empty(images, sum(sizes))
    assert empty.nbytes == memory.bytes_of(images, sum(sizes))
    whole = jnp.zeros((*empty.shape, *lanes), jnp.uint32)
    states = [jnp.asarray(rng.integers(0, 2, (n, size, *lanes)), jnp.float32) for size in sizes]
    numbers = jnp.asarray(rng.integers(0, images, (n, *lanes)), jnp.int32)
    kept = memory.remember(whole, numbers, states)
    recalled = memory.recall(kept, numbers, sizes)
    expected = np.zeros((images, sum(sizes), *lanes))
    rows = np.concatenate([np.asarray(x) for x in states], axis=1)
    for place in np.ndindex(n, *lanes):
        at = (int(numbers[place]), slice(None), *place[1:])
        expected[at] = rows[(place[0], slice(None), *place[1:])]  # the last of equal ones
    everything = [
        memory.recall(kept, jnp.full((1, *lanes), image, jnp.int32), sizes)
        for image in range(images)
    ]
    found = np.concatenate([np.concatenate(layers, axis=1) for layers in everything])
    np.testing.assert_array_equal(found, expected)
    assert [x.shape for x in recalled] == [x.shape for x in states]


def test_a_memory_is_part_of_the_state_and_follows_its_image():
    task = Bars(side=3)
    sizes = (9, 4, 2)
    rule = JointStochastic(memory=True, sweeps=1)
    functions = rule.build(sizes, images=task.images)
    state = functions.init(random_params(jax.random.key(0), sizes))
    assert state.memory.shape == (task.images, 1)
    image = task.support().images[3:4]
    noise = uniforms(jax.random.key(1), (1, functions.draws))
    after = jax.jit(functions.step)(state, Batch(image, jnp.array([5])), noise)
    assert (after.memory[5] != 0).any()
    assert (np.delete(after.memory, 5, axis=0) == 0).all()


def test_a_memory_of_too_many_images_is_refused_on_one_line():
    wide = hmjax.Experiment("wide", task=Shifter(width=16), rule=JointStochastic(memory=True))
    assert wide.rule.memory
    with pytest.raises(InvalidInput, match=r"^rule.memory is True: must be False for 8,5"):
        dataclasses.replace(wide, task=Shifter(width=32))


@pytest.mark.parametrize("hidden", [(4,), slow((4, 3)), slow(())])
def test_only_visible_weights_learn_while_held_and_hidden_biases_as_one(hidden):
    rule = WakeSleep(hold=3, hold_rate=0.5, hold_cap=0.2, hold_bias=0.1, learning_rate=0.05)
    experiment = hmjax.Experiment(
        "held", task=Shifter(width=4), machine=Machine(hidden, 2), rule=rule, steps=10
    )
    sizes = experiment.sizes
    held, free = rule.build(sizes), dataclasses.replace(rule, hold=0).build(sizes)
    params = random_params(jax.random.key(0), sizes, 0.1)
    image = experiment.task.sample(jax.random.key(1), 1)[0]
    noise = uniforms(jax.random.key(2), (1, held.draws))
    state = held.init(params)
    moved = jax.tree.map(
        jnp.subtract, jax.jit(free.step)(free.init(params), Batch(image), noise).params, params
    )
    after = jax.jit(held.step)(state, Batch(image), noise).params
    first, (visible, *layers) = params.generative[0], after.generative
    expected = np.clip(first.weight + 0.5 / 0.05 * moved.generative[0].weight, -0.2, 0.2)
    np.testing.assert_allclose(visible.weight, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(visible.bias, first.bias)
    biases = [
        (a.bias, b.bias, m.bias)
        for a, b, m in zip(
            (*layers, after.prior),
            (*params.generative[1:], params.prior),
            (*moved.generative[1:], moved.prior),
            strict=True,
        )
    ]
    tied = biases[0][1] + 0.1 * 0.5 / 0.05 * biases[0][2].mean()
    np.testing.assert_allclose(biases[0][0], tied, rtol=1e-4, atol=1e-6)
    for now, before, _ in biases[1:]:
        np.testing.assert_array_equal(now, before)
    for now, before in zip(layers, params.generative[1:], strict=True):
        np.testing.assert_array_equal(now.weight, before.weight)
    # The third step is the last that is held.
    counts = []
    for _ in range(5):
        before = state.params.prior.bias if hidden else state.params.generative[0].bias
        state = jax.jit(held.step)(state, Batch(image), noise)
        now = state.params.prior.bias if hidden else state.params.generative[0].bias
        counts.append(bool((now != before).any()))
    assert counts == [False, False, False, True, True]


def test_a_memory_has_to_know_how_many_images_there_are():
    with pytest.raises(ValueError, match="has to be told how many images"):
        JointStochastic(memory=True).build((4, 3, 2))


def test_a_hold_goes_with_no_factors_on_the_rates_of_layers():
    with pytest.raises(InvalidInput, match=r"^rule.layer-rates is .*: must be none with a hold"):
        JointStochastic(hold=5, layer_rates=(1.0, 1.0, 1.0))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"hidden": (0,)}, r"machine.hidden is \(0,\): every layer must have"),
        ({"hidden": 24}, "hidden is 24, not a valid"),
        ({"top": 0}, "machine.top is 0: must be"),
        ({"steps": -5}, "steps is -5: must be 1 to"),
        ({"steps": "many"}, 'steps is "many", not a valid int'),
    ],
)
def test_a_recipe_refuses_what_it_cannot_cook(changes, said):
    with pytest.raises(InvalidInput, match=said):
        hmjax.recipe("odd", Shifter(), **changes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("samples", 0),
        ("sweeps", -1),
        ("hold", -1),
        ("hold_rate", 0.0),
        ("hold_cap", float("inf")),
        ("hold_bias", -0.1),
    ],
)
def test_impossible_settings_are_refused(field, value):
    with pytest.raises(InvalidInput, match=f"^rule.{field.replace('_', '-')} is .*: must be "):
        JointStochastic(**{field: value})


@pytest.mark.slow
def test_the_recipe_finds_every_cause_of_a_small_shifter():
    # 32-16-4 in a hundredth of the published steps.
    task = Shifter()
    experiment = hmjax.recipe("found", task, (16,), steps=15_000)
    assert experiment.rule.memory == (task.images * 100 <= 15_000)
    seeds = hmjax.train_population(experiment, range(2))
    assert np.median(seeds.measures["exact_nll_bits"]) < 9.0
    assert np.median(seeds.measures["direction_recovery_exact"]) > 0.9
