import dataclasses
import json

import chex
import jax
import numpy as np
import pytest

import hmjax
import run
from analysis import table

TASKS = [hmjax.Shifter(width=4), hmjax.Bars(side=3)]
SEEDS = [3, 2**32 - 1, 5, 3, 0, 12, 7]


def experiment(task) -> hmjax.Experiment:
    return hmjax.Experiment(
        "small",
        task=task,
        machine=hmjax.Machine(hidden=(6,), top=2),
        evaluation=hmjax.Evaluation(every=400),
        steps=1100,
    )


@pytest.mark.parametrize("task", TASKS, ids=lambda task: type(task).__name__)
def test_a_member_is_the_machine_its_seed_gives_alone(task):
    assert jax.local_device_count() >= 2
    blocks = []
    seven = hmjax.train_population(experiment(task), SEEDS, blocks.append)
    assert blocks == [400, 800, 1100]
    one = hmjax.train_population(experiment(task), SEEDS[1:2])
    for i, seed in enumerate(SEEDS):
        alone = hmjax.train(dataclasses.replace(experiment(task), seed=seed))
        member = jax.tree.map(lambda leaf, i=i: leaf[i], seven.params)
        chex.assert_trees_all_equal(member, alone.params)
        np.testing.assert_allclose(
            seven.measures["exact_nll_bits"][i], alone.curves["exact_nll_bits"][-1], rtol=1e-5
        )
    chex.assert_trees_all_equal(
        jax.tree.map(lambda leaf: leaf[1], (seven.params, seven.measures)),
        jax.tree.map(lambda leaf: leaf[0], (one.params, one.measures)),
    )
    np.testing.assert_array_equal(seven.seeds, SEEDS)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [([], "seeds is 0"), ([-1], "seed is -1"), ([0, 2**32], "seed is 4294967296")],
)
def test_wrong_seeds_are_refused(seeds, said):
    with pytest.raises(hmjax.InvalidInput, match=said):
        hmjax.train_population(experiment(TASKS[0]), seeds)


def test_the_command_leaves_machines_and_measures_by_seed(tmp_path, capsys):
    folder = tmp_path / "population"
    command = ["population", "debug", "--steps", "300", "--seeds", "3", "--first-seed", "5"]
    assert run.main([*command, "--out", str(folder)]) == 0
    assert "NLL, exact (bits)" in capsys.readouterr().out
    results = json.loads((folder / "results.json").read_text())
    assert results["seeds"] == [5, 6, 7]
    arrays = np.load(folder / "params.npz")
    assert {array.shape[0] for array in arrays.values()} == {3}
    for name in ("exact_nll_bits", "selectivity_exact", "direction_recovery_exact"):
        assert len(results[name]) == 3

    alone = tmp_path / "alone"
    command = ["train", "debug", "--steps", "300", "--seed", "6", "--no-figures"]
    assert run.main([*command, "--out", str(alone)]) == 0
    for name, array in np.load(alone / "params.npz").items():
        np.testing.assert_array_equal(arrays[name][1], array)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "0"], "seeds is 0"),
        (["--seeds", "-3"], "seeds is -3"),
        (["--first-seed", "4294967296"], "first-seed is 4294967296"),
        (["--seeds", "3", "--first-seed", "4294967294"], "seeds is 3"),
        (["--seed", "4"], "seed is 4: must be left to --first-seed"),
    ],
)
def test_bad_seeds_are_one_line_and_change_nothing(options, said, tmp_path, capsys):
    folder = tmp_path / "population"
    assert run.main(["population", "debug", *options, "--out", str(folder)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_machine_that_diverged_is_named_and_left_out():
    results = {
        "seeds": [4, 5, 6],
        "exact_nll_bits": [9.0, None, 10.0],
        "elbo_bits": [-9.5, None, -10.5],
        "direction_recovery_exact": [None, None, None],
        "selectivity_exact": [[0.1, -0.2], [None, None], [0.0, 0.3]],
        "train_seconds": 1.0,
        "microseconds_per_seed_and_step": 0.5,
    }
    printed = table.render_population(results)
    assert "left out: seeds 5" in printed
    assert "recovery" not in printed
    assert "9.500" in printed
