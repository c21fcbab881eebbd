import dataclasses
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

import configs
import hmjax
import run
from analysis import results
from hmjax import InvalidInput
from hmjax.store import comparisons
from hmjax.study import comparison
from hmjax.study.comparison import Arm, Comparison, Goal
from hmjax.study.criteria import CRITERIA, Machines
from hmjax.study.sweeps import Study

SMALL = hmjax.Experiment(
    "small",
    task=hmjax.Shifter(width=4, copies=1),
    machine=hmjax.Machine((4,), 2),
    evaluation=hmjax.Evaluation(every=200, held_out=32, samples=5),
    steps=400,
)
LARGE = dataclasses.replace(
    SMALL,
    machine=hmjax.Machine((40,), 2),
    evaluation=dataclasses.replace(SMALL.evaluation, annealed_runs=4, temperatures=5),
)
FOUR = dataclasses.replace(SMALL, task=hmjax.Shifter(width=4, copies=1, shifts=(-1, 0, 1, 2)))
TINY = Comparison(
    title="A tiny one",
    about="Nothing is asked.",
    arms=(
        Arm("once", Study(SMALL, seeds=3)),
        Arm("four directions", Study(FOUR, seeds=2)),
        Arm("large, sampled", Study(LARGE, seeds=3)),
    ),
    measures=("nll", "sampled", "recovery", "posterior", "gap", "selectivity", "causes"),
    goals=(
        Goal("once", "nll", "median", 100),
        Goal("once", "recovery", "best", 1.5),
        Goal("once", "selectivity", "share", 0.5, at=0.0),
        Goal("once", "nll", "share", 0.5, at=0.0),
    ),
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
    assert "| four directions | 2 | 400 |" in printed
    assert "once: median NLL (bits) at most 100 asked" in printed
    selective = "share of strongest |selectivity|, exact >= 0"
    assert f"once: {selective} at least 0.5 asked, 1.000 reached: **met**" in printed
    assert "once: share of NLL <= 0 at least 0.5 asked, 0.000 reached: **missed**" in printed
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


def test_an_outcome_is_what_its_folder_holds(tiny):
    once, four, large = comparisons.read_all(TINY, tiny / "runs" / "compare-tiny")
    folder = comparisons.folder_of(TINY, TINY.arms[0], tiny / "runs" / "compare-tiny")
    rows = np.load(folder / "population.npz")
    np.testing.assert_array_equal(once.values["nll"], rows["exact_nll_bits"])
    assert (once.values["gap"] > 0).all()
    assert comparison.value_of(TINY.goals[0], [once, four, large]) == np.median(once.values["nll"])
    best = rows["direction_recovery_exact"].max()
    assert comparison.value_of(TINY.goals[1], [once, four, large]) == best
    assert comparison.reaching(once, "selectivity", 0.0) == (3, 3)
    assert np.isnan(four.values["selectivity"]).all()
    assert comparison.reaching(four, "selectivity", 0.0) == (0, 0)
    # Of what cannot be enumerated the NLL is annealed, and near the importance-sampled one.
    assert np.isnan(large.values["gap"]).all()
    assert (np.abs(large.values["nll"] - large.values["sampled"]) < 2).all()
    assert np.isnan(once.values["sampled"]).all()
    large_rows = np.load(
        comparisons.folder_of(TINY, TINY.arms[2], folder.parent) / "population.npz"
    )
    np.testing.assert_array_equal(large.values["nll"], large_rows["annealed_nll_bits"])
    assert (large_rows["annealed_error_bits"] > 0).all()
    # So is its posterior, where otherwise that is exact.
    for each, end in ((once, "posterior"), (large, "annealed")):
        of = rows if each is once else large_rows
        np.testing.assert_array_equal(each.values["posterior"], of[f"direction_recovery_{end}"])
        assert (each.values["posterior"] >= 0.5).all()


def test_a_cause_is_found_if_a_hidden_unit_draws_it():
    task = hmjax.Shifter(width=4, copies=1)
    causes = task.causes
    params = hmjax.init(jax.random.key(0), (8, 8, 2), weight_scale=0.0)
    first = params.generative[0]
    bias = first.bias - 3

    def share(weight):
        layer = first._replace(weight=jnp.asarray(weight, jnp.float32), bias=bias)
        machines = params._replace(generative=(layer, params.generative[1]))
        every = jax.tree.map(lambda leaf: leaf[None], machines)
        return CRITERIA["causes"].of(Machines(dataclasses.replace(SMALL), {}, every))[0]

    assert share(5 * causes) == 1
    assert share(5 * causes * (np.arange(8) < 6)[:, None]) == 6 / 8
    assert share(0 * causes) == 0
    # A unit that draws a pixel alone, and not where it moves to, is none.
    assert share(5 * np.eye(8)) == 0


@pytest.mark.slow
def test_an_arm_whose_machines_all_diverged_is_shown_as_such(tmp_path, monkeypatch, capsys):
    wild = hmjax.WakeSleep(learning_rate=3e38, optimiser="momentum")
    arms = (
        Arm("tame", Study(SMALL, seeds=2)),
        Arm("wild", Study(dataclasses.replace(SMALL, rule=wild), seeds=2)),
    )
    goals = tuple(Goal(arms[1].name, "nll", of, 9.0, at=9) for of in ("median", "best", "share"))
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
        (["compare"], "compare needs the name of a comparison: one of ablation"),
        (["compare", "barz"], "comparison is 'barz': did you mean 'bars'?"),
        (["compare", "bars", "--seeds", "0"], "seeds is 0: must be at least 1"),
    ],
)
def test_what_cannot_be_compared_is_refused_on_one_line(arguments, said, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")] if len(arguments) > 1 else []
    assert run.main([*arguments, *out]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"measures": ("nil",)}, "measures is 'nil': must be one of nll"),
        ({"goals": (Goal("onse", "nll", "best", 1),)}, "goals is 'onse': must be the name of an"),
        ({"goals": (Goal("once", "kl", "best", 1),)}, "goals is 'kl': must be one of nll"),
    ],
)
def test_a_comparison_that_cannot_be_told_is_refused_before_training(changes, said):
    with pytest.raises(InvalidInput, match=said):
        dataclasses.replace(TINY, **changes)


def test_an_arm_is_one_setting():
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
    assert all(arm.study.seeds >= (16 if name == "digits" else 64) for arm in it.arms)
    assert "\n" not in it.about
    page = (ROOT / "RESULTS.md").read_text()
    section = page[page.index(f"<!-- {name} -->") : page.index(f"<!-- /{name} -->")]
    assert it.about in section
    # The table is what the code writes: its columns, a row an arm, and an interval with a share.
    header, _, *rows = [cells_of(line) for line in section.splitlines() if line.startswith("|")]
    assert header == results.columns(it)
    assert [row[0] for row in rows] == arms
    assert {len(row) for row in rows} == {len(header)}
    spread = re.compile(r"-|[\d.-]+ \([\d.-]+ to [\d.-]+\)")
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        for name, cell in cells.items():
            if name.endswith("(quartiles)"):
                assert spread.fullmatch(cell), (row[0], name)
            if name.startswith("share of") and cell != "-":
                machines = int(cells["machines"])
                assert cell == results._share(round(float(cell.split()[0]) * machines), machines)


def cells_of(line: str) -> list[str]:
    """The cells of a row of a table in Markdown."""
    cells = re.split(r"(?<!\\)\|", line.removeprefix("|").removesuffix("|"))
    return [cell.strip().replace("\\|", "|") for cell in cells]
