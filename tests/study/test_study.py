import csv
import dataclasses
import json
import shutil
import signal
import time

import chex
import jax
import numpy as np
import pytest
from helpers import start
from PIL import Image

import configs
import hmjax
import run
from analysis import populations
from hmjax import settings
from hmjax.store import checkpoints, studies, work
from hmjax.study import sweeps
from hmjax.study.sweeps import Study, Sweep
from hmjax.training import loop, population

EXPERIMENT = dataclasses.replace(configs.load("debug"), steps=1000)
SWEPT = Study(
    EXPERIMENT, seeds=3, first_seed=5, top=(1, 2), sweep=Sweep(p_on=(0.3, 0.2)), seeds_at_once=4
)
COMMAND = "population debug --steps 1000 --seeds 3 --first-seed 5 --top 1 2 --sweep.p-on 0.3 0.2"


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """A study of four settings, trained in parts of at most four machines by the command."""
    folder = tmp_path_factory.mktemp("study") / "swept"
    assert run.main([*COMMAND.split(), "--seeds-at-once", "4", "--out", str(folder)]) == 0
    return folder


def test_every_combination_is_a_setting_and_shapes_stay_together():
    settings = sweeps.settings_of(SWEPT)
    assert [setting.name for setting in settings] == [
        "top 1, p-on 0.3",
        "top 1, p-on 0.2",
        "top 2, p-on 0.3",
        "top 2, p-on 0.2",
    ]
    assert [setting.experiment.sizes[-1] for setting in settings] == [1, 1, 2, 2]
    assert [setting.experiment.task.p_on for setting in settings] == [0.3, 0.2, 0.3, 0.2]
    parts = sweeps.parts_of(SWEPT)
    assert [len(part.members) for part in parts] == [4, 2, 4, 2]
    assert [(m.seed, m.sizes[-1], m.task.p_on) for part in parts for m in part.members] == [
        (seed, top, p_on) for top in (1, 2) for p_on in (0.3, 0.2) for seed in (5, 6, 7)
    ]


def test_the_folder_opens_in_plain_numpy_and_agrees_with_itself(swept):
    names = {path.name for path in swept.iterdir()}
    assert names == {
        "config.json",
        "environment.json",
        "params.npz",
        "population.npz",
        "machines.csv",
        "metrics.npz",
        "results.json",
        "figures",
    }
    assert work.read_settings(swept) == SWEPT
    rows, curves = np.load(swept / "population.npz"), np.load(swept / "metrics.npz")
    assert {len(array) for array in rows.values()} == {12}
    with (swept / "machines.csv").open(newline="") as file:
        flat = list(csv.DictReader(file))
    assert [int(row["seed"]) for row in flat] == rows["seed"].tolist()
    assert [row["top"] for row in flat] == ["1"] * 6 + ["2"] * 6
    assert [float(row["sweep.p-on"]) for row in flat] == [0.3] * 3 + [0.2] * 3 + [0.3] * 3 + [
        0.2
    ] * 3
    nll = np.array([float(row["exact_nll_bits"]) for row in flat])
    np.testing.assert_allclose(nll, rows["exact_nll_bits"], rtol=1e-6)
    assert rows["seed"].tolist() == [5, 6, 7] * 4
    assert rows["setting"].tolist() == np.repeat(range(4), 3).tolist()
    assert np.isnan(rows["selectivity_exact"][:6, 1]).all()  # there is no second top unit
    np.testing.assert_array_equal(curves["exact_nll_bits"][-1], rows["exact_nll_bits"])
    assert curves["step"].tolist() == [0, 100, 200, 500, 1000]
    results = json.loads((swept / "results.json").read_text())
    for index, setting in enumerate(results["settings"]):
        mine = rows["exact_nll_bits"][rows["setting"] == index]
        assert setting["exact_nll_bits"]["median"] == pytest.approx(np.median(mine))
        best = setting["exact_nll_bits"]["best"]
        assert best["value"] == pytest.approx(mine.min())
        assert best["seed"] == 5 + int(mine.argmin())
        mine = rows["setting"] == index
        assert setting["broken"] == int(rows["broken"][mine].sum())
        by_contrast = np.nanmax(np.abs(rows["direction_contrast_exact"][mine]), axis=1) >= 0.1
        assert setting["by_contrast"]["broken"] == int(by_contrast.sum())
        np.testing.assert_array_equal(rows["broken_by_contrast"][mine], by_contrast)
        above = rows["balanced_accuracy_exact"] > rows["balanced_accuracy_null_exact"]
        assert setting["above_null"]["above"] == int(above[mine].sum())
    assert len(results["differences"]) == 3


@pytest.mark.slow  # tests/training shows the same of populations, and a replay below
def test_every_machine_of_a_study_is_the_one_it_would_be_alone(swept):
    read = studies.read(swept)
    for index, setting in enumerate(read.settings):
        for place, seed in enumerate((5, 6, 7)):
            alone = hmjax.train(dataclasses.replace(setting.experiment, seed=seed))
            mine = jax.tree.map(lambda leaf, i=place: leaf[i], read.params[index])
            chex.assert_trees_all_equal(mine, alone.params)


def test_every_picture_is_drawn(swept):
    pictures = {path.name: path for path in (swept / "figures").iterdir()}
    assert set(pictures) == {
        "gallery.png",
        "population_curves.png",
        "selectivity_distribution.png",
        "sweep.png",
        "symmetry_breaking.png",
        "time_to_break.png",
    }
    for name, path in pictures.items():
        with Image.open(path) as image:
            assert len(set(image.convert("L").tobytes())) > 8, f"{name} is blank"


def test_a_picture_shows_the_best_settings_and_says_so_where_not_all_fit(swept, monkeypatch):
    studied = studies.read(swept)
    monkeypatch.setattr(populations, "PANELS", 2)
    figure = populations.population_curves(studied)
    assert figure.get_suptitle().endswith("the best 2 of 4 settings by median NLL")
    summaries = studied.results["settings"]
    best = sorted(summaries, key=lambda each: each[each["nll"]]["median"])[:2]
    titles = [axes.get_title() for axes in figure.axes]
    for title, summary in zip(titles, best, strict=True):
        assert title.startswith(summary["name"])


def test_replay_trains_a_member_to_the_same_bits(swept, tmp_path, capsys):
    out = tmp_path / "one"
    command = ["replay", str(swept), "--seed", "6", "--setting", "3", "--no-figures"]
    assert run.main([*command, "--out", str(out)]) == 0
    assert "bit for bit those of seed 6" in capsys.readouterr().out
    assert (out / "snapshots.npz").exists()
    assert json.loads((out / "config.json").read_text())["task"]["p_on"] == 0.2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seed", "8"], "seed is 8: must be 5 to 7"),
        (["--seed", "5", "--setting", "4"], "setting is 4: must be 0 to 3"),
        ([], "--seed"),
    ],
)
def test_replay_of_what_is_not_there_is_refused(swept, options, said, capsys):
    assert run.main(["replay", str(swept), *options]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.slow  # the same of a run is shown in tests/commands
def test_a_killed_study_resumes_to_the_same_bits(tmp_path):
    command = "population debug --steps 300000 --evaluation.every 10000 --seeds 4 --top 2 1"
    command += " --seeds-at-once 2 --no-figures --out"
    whole, folder = tmp_path / "whole", tmp_path / "killed"
    assert run.main([*command.split(), str(whole)]) == 0
    arguments, kills = [*command.split(), str(folder)], 0
    moments = [(folder / "part-0.npz").exists, (folder / "part-2.npz").exists]
    for is_time in moments:
        process = start(*arguments)
        while not is_time() and process.poll() is None:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        arguments = ["resume", str(folder), "--no-figures"]
    assert kills == 2
    assert run.main(["resume", str(folder), "--no-figures"]) == 0
    for name in ("params.npz", "population.npz", "metrics.npz"):
        assert (folder / name).read_bytes() == (whole / name).read_bytes(), name
    assert not list(folder.glob("part-*"))


def test_a_finished_study_is_drawn_again_and_not_trained_again(swept, capsys):
    before = (swept / "results.json").read_bytes()
    assert run.main(["resume", str(swept)]) == 0
    assert "is finished" in capsys.readouterr().out
    assert run.main(["figures", str(swept)]) == 0
    shutil.rmtree(swept / "figures")
    (swept / "figures").mkdir()
    assert run.main(["resume", str(swept)]) == 0
    assert "the best: python run.py replay " in capsys.readouterr().out
    assert (swept / "figures" / "gallery.png").exists()
    assert (swept / "results.json").read_bytes() == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("results.json", b"garbage", "results.json"),
        ("results.json", b"{}", "does not belong"),
        ("results.json", b"", "results.json"),
        ("population.npz", None, "population.npz"),
    ],
)
def test_a_damaged_study_is_named_on_one_line(swept, tmp_path, name, content, said, capsys):
    folder = tmp_path / "damaged"
    shutil.copytree(swept, folder)
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    for command in (["figures", str(folder)], ["replay", str(folder), "--seed", "5"]):
        assert run.main(command) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


def test_an_empty_part_is_refused_and_kept(tmp_path, capsys):
    folder = tmp_path / "empty"
    work.create(Study(hmjax.Experiment("small", steps=10), seeds=2), folder)
    (folder / "part-0.npz").touch()
    assert run.main(["resume", str(folder), "--no-figures"]) == 2
    assert "part-0.npz" in capsys.readouterr().err
    assert (folder / "part-0.npz").exists()


def test_what_is_not_known_is_said_to_be_so(tmp_path):
    experiment = hmjax.Experiment(
        "three",
        task=hmjax.Shifter(width=4, shifts=(-1, 0, 1)),
        machine=hmjax.Machine((3,), 2),
        steps=20,
    )
    folder = tmp_path / "three"
    what = Study(experiment, seeds=2)
    work.create(what, folder)
    (setting,) = work.carry_out(folder, what=what)["settings"]
    assert setting["broken_share"] is None
    assert setting["by_contrast"] is None
    assert setting["exact_nll_bits"] is not None
    rows = np.load(folder / "population.npz")
    assert not rows["selectivity_known"].any()
    assert (rows["selective_units"] == -1).all()
    assert np.isnan(rows["broke_at_step"]).all()


def test_a_machine_whose_measures_overflow_has_diverged(tmp_path):
    wild = hmjax.WakeSleep(learning_rate=1e38)
    experiment = dataclasses.replace(EXPERIMENT, name="wild", rule=wild, steps=50)
    what = Study(experiment, seeds=2)
    work.create(what, tmp_path / "wild")
    (setting,) = work.carry_out(tmp_path / "wild", what=what)["settings"]
    assert setting["diverged_seeds"] == [0, 1]
    assert setting["exact_nll_bits"] is None
    assert setting["broken_share"] is None


def test_a_part_of_another_study_is_refused_and_kept(tmp_path, capsys):
    folder, other = tmp_path / "a", tmp_path / "b"
    small = Study(EXPERIMENT, seeds=2)
    for path, seeds in ((folder, 2), (other, 3)):
        work.create(dataclasses.replace(small, seeds=seeds), path)
    part, *_ = sweeps.parts_of(small)
    progress = loop.start(part.members)
    checkpoints.write_checkpoint(other / "part-0.npz", settings.to_json(small), progress, 0.0)
    before = (other / "part-0.npz").read_bytes()
    assert run.main(["resume", str(other)]) == 2
    assert "belongs to another study" in capsys.readouterr().err
    assert (other / "part-0.npz").read_bytes() == before


def test_a_machine_that_diverges_is_named_counted_and_left_out(tmp_path, capsys):
    folder = tmp_path / "wild"
    command = "population debug --steps 1000 --seeds 2 --rule.optimiser momentum --no-figures"
    command += " --sweep.learning-rate 0.1 3e38"
    assert run.main([*command.split(), "--out", str(folder)]) == 0
    assert "diverged, and left out: seeds 0, 1" in capsys.readouterr().out
    tame, wild = json.loads((folder / "results.json").read_text())["settings"]
    assert tame["diverged_seeds"] == []
    assert np.isfinite(tame["exact_nll_bits"]["median"])
    assert wild["diverged_seeds"] == [0, 1]
    assert wild["exact_nll_bits"] is None
    assert wild["broken_share"] is None
    assert run.main(["figures", str(folder)]) == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--seeds 0", "seeds is 0"),
        ("--seeds -3", "seeds is -3"),
        ("--first-seed 4294967296", "first-seed is 4294967296"),
        ("--seeds 3 --first-seed 4294967294", "seeds is 3"),
        ("--seed 4", "--seed must be left to --first-seed"),
        ("--seeds-at-once -1", "seeds-at-once is -1"),
        ("--top 0", "machine.top is 0"),
        ("--top 2 2", "top is (2, 2): must be different"),
        ("--hidden 0", "machine.hidden is (0,)"),
        ("--sweep.learning-rate -0.1", "rule.learning-rate is -0.1"),
        ("--sweep.p-on 0.3 1.5", "p-on is 1.5"),
        ("--sweep.batch 2", "--sweep.batch"),
        ("--sweep.colour 2", "--sweep.colour"),
        ("--hosts.coordinator nowhere", "hosts.coordinator is 'nowhere'"),
        ("--hosts.coordinator= --hosts.count 2 --hosts.index 0", "hosts.coordinator is ''"),
        ("--hosts.coordinator a:1", "needs hosts.count and hosts.index"),
        ("--hosts.coordinator a:1 --hosts.count 2 --hosts.index 2", "hosts.index is 2"),
        ("--hosts.index 0", "need hosts.coordinator"),
    ],
)
def test_bad_options_are_one_line_and_change_nothing(options, said, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("hmjax.runtime.hosts.is_supervised", lambda: True)
    folder = tmp_path / "population"
    assert run.main(["population", "debug", *options.split(), "--out", str(folder)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_estimate_of_memory_is_that_of_what_is_there_and_bounds_a_part(monkeypatch):
    members = population.members_of(EXPERIMENT, range(5))
    *_, last = loop.advance(members, loop.start(members))
    state, curves = (
        sum(leaf.nbytes for leaf in jax.tree.leaves(tree)) / 5 for tree in (last.state, last.curves)
    )
    small = sweeps.bytes_a_member(EXPERIMENT)
    # Its state three times over and its measures twice, and at most one evaluation more of these.
    assert 3 * state + 2 * curves < small < 3 * state + 2 * curves * 4 / 3 + 100
    large = sweeps.bytes_a_member(hmjax.Experiment("shifter"))
    assert small < large
    monkeypatch.setattr(sweeps, "_MEMORY", 10 * small + small // 2)
    parts = sweeps.parts_of(Study(EXPERIMENT, seeds=32))
    assert [len(part.members) for part in parts] == [10, 10, 10, 2]
    monkeypatch.setattr(sweeps, "_MEMORY", 1)
    assert sweeps.automatic_at_once(EXPERIMENT) == 1
