import dataclasses
import re

import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

import configs
import hmjax
import run
from analysis import results
from hmjax import InvalidInput
from hmjax.store import comparisons, studies
from hmjax.study import comparison
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.criteria import CRITERIA
from hmjax.study.sweeps import Study

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


def use_tiny(patch, folder):
    patch.setattr(configs, "load_comparison", lambda name: TINY)
    patch.setattr(configs, "names", lambda package="": ["tiny"])
    patch.chdir(folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the tiny comparison, trained."""
    folder = tmp_path_factory.mktemp("comparison")
    with pytest.MonkeyPatch.context() as patch:
        use_tiny(patch, folder)
        assert run.main(["compare", "tiny"]) == 0
    return folder


@pytest.fixture
def tiny(trained, monkeypatch):
    """The tiny comparison as one of the configs, trained, in a folder to work in."""
    use_tiny(monkeypatch, trained)
    return trained


def files_under(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_comparison_is_trained_once_and_its_section_is_kept_up_to_date(tiny, capsys):
    trained = files_under(tiny / "runs")
    assert run.main(["compare", "tiny"]) == 0
    printed = capsys.readouterr().out
    assert "| best of 2 | 3 | 400 x 2 |" in printed
    assert "once: median NLL (bits) under 100 asked" in printed
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
    once, best, large = comparisons.read_all(TINY, tiny / "runs" / "compare-tiny")
    folder = comparisons.folder_of(TINY, TINY.arms[1], tiny / "runs" / "compare-tiny")
    rows = np.load(folder / "population.npz")
    nll, recovery = (
        rows[name].reshape(3, 2) for name in ("exact_nll_bits", "direction_recovery_exact")
    )
    np.testing.assert_array_equal(best.values["nll"], nll.min(axis=1))
    chosen = recovery[np.arange(3), nll.argmin(axis=1)]
    np.testing.assert_array_equal(best.values["recovery"], chosen)
    np.testing.assert_array_equal(once.values["nll"], nll.ravel()[:3])
    assert (once.values["gap"] > 0).all()
    assert np.isnan(large.values["gap"]).all()
    assert np.isfinite(large.values["nll"]).all()
    assert large.selective == -1
    assert np.isfinite(large.values["sampled"]).all()
    assert comparison.value_of(TINY.goals[0], [once, best, large]) == np.median(once.values["nll"])
    assert comparison.value_of(TINY.goals[1], [once, best, large]) == chosen.max()


def test_the_sampled_nll_is_near_the_exact_one(tiny):
    once = comparisons.read_all(TINY, tiny / "runs" / "compare-tiny")[0]
    studied = studies.read(comparisons.folder_of(TINY, TINY.arms[0], tiny / "runs/compare-tiny"))
    support = SMALL.task.support()
    for seed in range(3):
        bits = -hmjax.exact_log_prob(studied.machine(0, seed), support.images) / np.log(2)
        nll = once.values["nll"][seed]
        deviation = np.sqrt(support.probabilities @ (bits - nll) ** 2)  # of one image
        error = np.abs(once.values["sampled"][seed] - nll)
        assert 0 < error < 4 * deviation / np.sqrt(SMALL.evaluation.held_out)


@pytest.mark.parametrize("by", ["recovery", "top_bits"])
def test_the_one_that_counts_can_be_the_best_by_another_measure(by, tiny):
    arm = dataclasses.replace(TINY.arms[1], best_by=by)
    studied = studies.read(comparisons.folder_of(TINY, TINY.arms[1], tiny / "runs/compare-tiny"))
    every = comparisons.reached_by(dataclasses.replace(arm, best_of=1), studied, (by, "nll"))
    pairs = every.values[by].reshape(3, 2)
    chosen = pairs.argmax(axis=1) if by == "recovery" else pairs.argmin(axis=1)
    reached = comparisons.reached_by(arm, studied, (by, "nll"))
    for name in (by, "nll"):
        expected = every.values[name].reshape(3, 2)[np.arange(3), chosen]
        np.testing.assert_array_equal(reached.values[name], expected)


def test_what_is_not_known_is_never_the_best(tiny, monkeypatch):
    arm = dataclasses.replace(TINY.arms[1], best_by="top_bits")
    studied = studies.read(comparisons.folder_of(TINY, TINY.arms[1], tiny / "runs/compare-tiny"))
    nan, inf = np.nan, np.inf
    known = CRITERIA["top_bits"]
    for of, chosen in (
        ([nan, 2, 3, nan, nan, nan], [1, 2]),
        ([2, 1, nan, nan, -inf, 5], [1, 5]),
        ([nan] * 6, []),
    ):
        measure = known._replace(of=lambda _, of=of: np.array(of))
        monkeypatch.setitem(CRITERIA, "top_bits", measure)
        reached = comparisons.reached_by(arm, studied, ("nll",))
        expected = studied.rows["exact_nll_bits"][chosen]
        np.testing.assert_array_equal(reached.values["nll"], expected)


@pytest.mark.slow
def test_an_arm_whose_machines_all_diverged_is_shown_as_such(tmp_path, monkeypatch, capsys):
    wild = hmjax.WakeSleep(learning_rate=3e38, optimiser="momentum")
    arms = (
        Arm("tame", Study(SMALL, seeds=2)),
        Arm("wild", Study(dataclasses.replace(SMALL, rule=wild), seeds=2)),
        Arm("wild, best of 2", Study(dataclasses.replace(SMALL, rule=wild), seeds=2), best_of=2),
    )
    goals = tuple(Goal(arms[1].name, "nll", of, 9.0) for of in ("median", "best", "share"))
    it = dataclasses.replace(TINY, arms=arms, goals=goals)
    use_tiny(monkeypatch, tmp_path)
    monkeypatch.setattr(configs, "load_comparison", lambda name: it)
    assert run.main(["compare", "tiny"]) == 0
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("| wild | 0 |"))
    assert set(row.split(" | ")[3:-2]) == {"-"}
    assert printed.count("**missed**") == 3
    assert run.main(["results"]) == 0


def test_another_study_in_its_folder_is_refused(tiny, capsys, monkeypatch):
    assert run.main(["compare", "tiny", "--seeds", "1"]) == 2
    assert "holds another study than 'once'; remove it first" in capsys.readouterr().err
    monkeypatch.setattr(configs, "load_comparison", lambda name: TINY.with_seeds(1))
    page = tiny / "other.md"
    assert run.main(["results", "--out", str(page)]) == 2
    assert "holds another study than 'once'" in capsys.readouterr().err
    assert not page.exists()


@pytest.mark.parametrize("option", ["runs", "out"])
def test_results_need_folders_that_are_there(option, tiny, capsys):
    before = files_under(tiny)
    assert run.main(["results", f"--{option}", "nowhere/page"]) == 2
    assert f"{option} is 'nowhere/page': must" in capsys.readouterr().err
    assert files_under(tiny) == before


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
    assert set(it.measures) <= set(CRITERIA)
    assert {goal.arm for goal in it.goals} <= set(arms)
    assert {goal.measure for goal in it.goals} <= set(it.measures)
    assert all(arm.study.seeds // arm.best_of >= 64 for arm in it.arms)
    assert {arm.best_by for arm in it.arms} <= set(CRITERIA)
    assert "\n" not in it.about
    page = (ROOT / "RESULTS.md").read_text()
    section = page[page.index(f"<!-- {name} -->") : page.index(f"<!-- /{name} -->")]
    assert it.about in section
    # The table is what the code writes: its columns, a row an arm, and an interval with a share.
    header, _, *rows = [cells_of(line) for line in section.splitlines() if line.startswith("|")]
    selective = any(name.startswith("share of selectivity") for name in header)
    assert header == results.columns(it, selective=selective)
    assert [row[0] for row in rows] == arms
    assert {len(row) for row in rows} == {len(header)}
    spread = re.compile(r"-|[\d.-]+ \([\d.-]+ to [\d.-]+\)")
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        for name, cell in cells.items():
            if name.endswith("(quartiles)"):
                assert spread.fullmatch(cell), (row[0], name)
            if name.startswith("share of selectivity") and cell != "-":
                machines = int(cells["machines"])
                assert cell == results._share(round(float(cell.split()[0]) * machines), machines)


def cells_of(line: str) -> list[str]:
    """The cells of a row of a table in Markdown."""
    cells = re.split(r"(?<!\\)\|", line.removeprefix("|").removesuffix("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells]
