import dataclasses
import re

import numpy as np
import pytest
from PIL import Image

import configs
import hmjax
import run
from hmjax import InvalidInput, comparison, training
from hmjax.comparison import Arm, Comparison, Goal
from hmjax.study import Study

SMALL = hmjax.Experiment(
    "small",
    task=hmjax.Shifter(width=4, copies=1),
    machine=hmjax.Machine((4,), 2),
    evaluation=hmjax.Evaluation(every=200, held_out=32, samples=5),
    steps=400,
)
LARGE = dataclasses.replace(SMALL, machine=hmjax.Machine((40,), 2))
TINY = Comparison(
    title="A tiny one",
    about="Nothing is asked.",
    arms=(
        Arm("once", Study(SMALL, seeds=3)),
        Arm("best of 2", Study(SMALL, seeds=6), best_of=2),
        Arm("large, sampled", Study(LARGE, seeds=3)),
    ),
    measures=("nll", "sampled", "recovery", "by_state", "gap", "selectivity"),
    goals=(Goal("once", "nll", "median", 100), Goal("best of 2", "recovery", "best", 1.5)),
)


@pytest.fixture
def tiny(monkeypatch, tmp_path):
    """The tiny comparison as one of the configs, in a folder to work in."""
    monkeypatch.setattr(configs, "load_comparison", lambda name: TINY)
    monkeypatch.setattr(configs, "names", lambda package="": ["tiny"])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def files_under(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_comparison_is_trained_once_and_its_section_is_kept_up_to_date(tiny, capsys):
    assert run.main(["compare", "tiny"]) == 0
    printed = capsys.readouterr().out
    assert "| best of 2 | 3 | 400 x 2 |" in printed
    assert "once: median NLL (bits) under 100 asked" in printed
    trained = files_under(tiny / "runs")
    assert run.main(["compare", "tiny"]) == 0
    again = files_under(tiny / "runs")
    assert {k: v for k, v in again.items() if k.suffix != ".png"} == {
        k: v for k, v in trained.items() if k.suffix != ".png"
    }
    (tiny / "RESULTS.md").write_text("# Mine\n\n<!-- tiny -->\nold\n<!-- /tiny -->\nkept\n")
    assert run.main(["results"]) == 0
    page = (tiny / "RESULTS.md").read_text()
    assert page.startswith("# Mine\n")
    assert page.endswith("<!-- /tiny -->\nkept\n")
    assert "old" not in page
    assert "## A tiny one" in page
    rows = [line for line in page.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1  # as many cells in each
    assert "](docs/results/tiny.png)" in page
    with Image.open(tiny / "docs" / "results" / "tiny.png") as picture:
        assert len(set(picture.convert("L").tobytes())) > 8


def test_of_machines_that_cost_one_together_the_one_of_least_nll_counts(tiny):
    assert run.main(["compare", "tiny"]) == 0
    once, best, large = comparison.read_all(TINY, tiny / "runs" / "compare-tiny")
    folder = comparison.folder_of(TINY, TINY.arms[1], tiny / "runs" / "compare-tiny")
    rows = np.load(folder / "population.npz")
    nll, recovery = (
        rows[name].reshape(3, 2) for name in ("exact_nll_bits", "direction_recovery_exact")
    )
    np.testing.assert_array_equal(best.values["nll"], nll.min(axis=1))
    chosen = recovery[np.arange(3), nll.argmin(axis=1)]
    np.testing.assert_array_equal(best.values["recovery"], chosen)
    np.testing.assert_array_equal(once.values["nll"], nll.ravel()[:3])
    assert (once.values["gap"] > 0).all()
    for reached, experiment in ((once, SMALL), (large, LARGE)):
        state = hmjax.train(dataclasses.replace(experiment, seed=2)).state
        alone = training.measure(dataclasses.replace(experiment, seed=2), state, final=True)
        np.testing.assert_allclose(reached.values["sampled"][2], alone["is_nll_bits"], rtol=1e-6)
    assert np.isnan(large.values["gap"]).all()
    assert np.isfinite(large.values["nll"]).all()
    assert large.selective == -1
    assert comparison.value_of(TINY.goals[0], [once, best, large]) == np.median(once.values["nll"])
    assert comparison.value_of(TINY.goals[1], [once, best, large]) == chosen.max()


def test_another_study_in_its_folder_is_refused(tiny, capsys):
    assert run.main(["compare", "tiny", "--seeds", "1"]) == 0
    assert run.main(["compare", "tiny"]) == 2
    assert "holds another study than 'once'; remove it first" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["compare"], "compare needs the name of a comparison: one of bars"),
        (["compare", "barz"], "comparison is 'barz': did you mean 'bars'?"),
        (["compare", "bars", "--seeds", "0"], "seeds is 0: must be at least 1"),
    ],
)
def test_what_cannot_be_compared_is_refused_on_one_line(arguments, said, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")] if len(arguments) > 1 else []
    assert run.main([*arguments, *out]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_arm_is_one_setting_whose_seeds_can_be_shared_out():
    with pytest.raises(InvalidInput, match="best_of is 2: must divide the 3 seeds"):
        Arm("odd", Study(SMALL, seeds=3), best_of=2)
    with pytest.raises(InvalidInput, match="must have one setting"):
        Arm("two", Study(SMALL, top=(1, 2)))


@pytest.mark.parametrize("name", configs.names(configs.COMPARISONS))
def test_the_comparisons_hold_together(name):
    it = configs.load_comparison(name)
    arms = [arm.name for arm in it.arms]
    assert len(set(arms)) == len(arms)
    assert set(it.measures) <= set(comparison.MEASURES)
    assert {goal.arm for goal in it.goals} <= set(arms)
    assert {goal.measure for goal in it.goals} <= set(it.measures)
    assert all(arm.study.seeds // arm.best_of >= 64 for arm in it.arms)
    assert "\n" not in it.about
