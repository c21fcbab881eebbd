import chex
import jax
import numpy as np
import pytest
from helpers import random_params

import hmjax
import run
from benchmarks import baselines
from benchmarks import speed as bench
from benchmarks.reweighted import numpy_reweighted_step, torch_reweighted_step
from hmjax import exact, machine
from hmjax.rules import Batch
from hmjax.runtime.cipher import uniforms


def test_the_floor_counts_a_step():
    bound = bench.floor((32, 16, 4), flops_a_second=2e9)
    weights = 32 * 16 + 16 * 4
    # Wake and sleep each sample one net, predict the other and move it.
    assert bound["multiply_adds"] == 6 * weights
    assert bound["sigmoids"] == (32 + 16 + 4) + (16 + 4)
    assert bound["parameter_bytes"] == 4 * (2 * weights + (32 + 16 + 4) + (16 + 4))
    assert bound["microseconds_all_cores"] == pytest.approx(6 * weights / 1e9 * 1e6)


def test_the_floor_counts_the_measures():
    bound = bench.measures_floor((4, 3, 2), images=10, flops_a_second=1e9)
    # Two sums an image and state of the hidden layer, for 1 and for each of two top units; and two
    # a hidden state and top state.
    assert bound["multiply_adds"] == (10 * 8 + 8 * 4) * 2 * 3
    assert bound["milliseconds_all_cores"] == pytest.approx(2 * 672 / 1e9 * 1e3)


def test_the_table_names_every_row_and_says_what_is_missing():
    report = {
        "rows": [
            {
                "name": name,
                "unit": "us",
                "median": 0.5,
                "least": 0.4,
                "most": 0.6,
                "compile_seconds": 1.0,
            }
            for name in ("one machine", "population of 64", "every exact measure")
        ],
        "cold": {"import_to_first_block": 2.0, "the_same_from_the_cache": 1.0},
        "floor": bench.floor((32, 16, 4), flops_a_second=1e12),
        "measures_floor": bench.measures_floor((32, 16, 4), 508, flops_a_second=1e12),
        "rounds": 3,
        "environment": {
            "processor": "one",
            "cores": 2,
            "device": {"kind": "cpu"},
            "python": "3",
            "versions": {"jax": "1"},
        },
    }
    table = bench.render(report)
    for part in ("one machine", "population of 64", "numba is not installed", "multiply-adds"):
        assert part in table


@pytest.mark.slow
def test_the_numba_loop_learns_as_wake_sleep_does():
    pytest.importorskip("numba")
    task = hmjax.Shifter(width=4)
    support = task.support()
    keys = jax.random.split(jax.random.key(0), 16)
    draw = jax.vmap(lambda key: hmjax.init(key, (16, 6, 2), p_on=0.3))
    params = jax.tree.map(np.array, draw(keys))
    baselines.numba_trainer()(params, 20_000, 0.1, 0.3)
    log_prob = jax.vmap(lambda p: exact.exact_log_prob(p, support.images))(params)
    kl = -np.asarray(log_prob) @ support.probabilities / np.log(2) - task.entropy_bits
    experiment = hmjax.Experiment("same", task=task, machine=hmjax.Machine((6,), 2), steps=20_000)
    ours = hmjax.train_population(experiment, range(16)).measures["kl_bits"]
    # Two samples of 16 seeds: within 4 standard errors of the difference of their means.
    error = np.sqrt((kl.var(ddof=1) + ours.var(ddof=1)) / 16)
    assert abs(kl.mean() - ours.mean()) < 4 * error


def test_a_report_that_cannot_be_written_is_refused_before_any_work(tmp_path, capsys):
    assert run.main(["bench", "--out", str(tmp_path / "none" / "report.json")]) == 2
    assert "must lie in a folder" in capsys.readouterr().err


SIZES, BATCH, SAMPLES = (12, 7, 3), 6, 4


def test_the_large_step_in_numpy_is_the_rules():
    rule = hmjax.Reweighted(samples=SAMPLES, batch=BATCH, learning_rate=0.3).build(SIZES)
    params = random_params(jax.random.key(0), SIZES)
    images = jax.random.bernoulli(jax.random.key(1), 0.5, (BATCH, 12)).astype(np.float32)
    noise = uniforms(jax.random.key(2), (BATCH, rule.draws))
    theirs = jax.tree.map(np.array, params)
    of_layers = [np.asarray(x) for x in machine.by_layer(noise, SIZES[1:] * SAMPLES + SIZES)]
    wake = [np.concatenate(of_layers[layer : 2 * SAMPLES : 2]) for layer in range(2)]
    numpy_reweighted_step(theirs, np.asarray(images), wake, of_layers[-3:], 0.3, SAMPLES)
    ours = jax.jit(rule.step)(rule.init(params), Batch(images), noise).params
    chex.assert_trees_all_close(ours, theirs, atol=1e-5)
    chex.assert_trees_all_equal_shapes(ours, theirs)
    moved = jax.tree.map(lambda new, old: float(np.abs(new - old).max()), ours, params)
    assert min(jax.tree.leaves(moved)) > 0.01


def test_the_large_step_in_pytorch_learns_as_the_rule_does():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    images = np.asarray(hmjax.Bars().sample(jax.random.key(0), 4000)[0])
    params = hmjax.init(jax.random.key(1), (16, 8, 1), p_on=0.2)
    theirs = jax.tree.map(lambda leaf: torch.tensor(np.array(leaf)), params)
    for batch in images.reshape(-1, 10, 16):
        torch_reweighted_step(theirs, torch.tensor(batch), 0.1, SAMPLES)
    learned = jax.tree.map(lambda leaf: leaf.numpy(), theirs)
    before, after = (-float(exact.exact_log_prob(p, images).mean()) for p in (params, learned))
    assert after < before - 1
