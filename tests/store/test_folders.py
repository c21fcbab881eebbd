"""Folders have one writer, hold together, and outlive versions."""

import contextlib
import dataclasses
import fcntl
import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading

import chex
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from helpers import DATA, ROOT, refusal, slow, start

import configs
import hmjax
import run
from hmjax import InvalidInput
from hmjax.store import checkpoints, environment, files, folders, locks, runs, studies, work
from hmjax.study import sweeps
from hmjax.study.criteria import CRITERIA, Machines
from hmjax.study.sweeps import Part, Study
from hmjax.training import population
from hmjax.training.programs import laid_out
from hmjax.training.progress import EVERYTHING

SMALL = dataclasses.replace(configs.load("debug"), steps=600)
TRAIN = ["train", "debug", "--steps", "600", "--no-figures", "--out"]
POPULATION = ["population", "debug", "--steps", "600", "--seeds", "2", "--no-figures", "--out"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Two runs and two populations, which differ in their seeds alone."""
    folder = tmp_path_factory.mktemp("finished")
    for name, seed in (("run", 1), ("other run", 2)):
        work.create(dataclasses.replace(SMALL, seed=seed), folder / name)
        work.carry_out(folder / name)
    for name, seed in (("population", 1), ("other population", 2)):
        study = Study(SMALL, seeds=2, first_seed=seed)
        work.create(study, folder / name)
        work.carry_out(folder / name, what=study)
    return folder


def contents(folder) -> dict:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def named(folder) -> dict:
    return {path.name: content for path, content in contents(folder).items()}


# One writer


@contextlib.contextmanager
def owner_of(*paths):
    """A process that has taken folders, until it is no longer wanted."""
    script = (
        "import sys, contextlib, pathlib; from hmjax.store.locks import taken\n"
        "with contextlib.ExitStack() as stack:\n"
        "    for path in sys.argv[1:]: stack.enter_context(taken(pathlib.Path(path)))\n"
        "    print('taken', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, *map(str, paths)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout.readline() == "taken\n"
        yield process
        process.stdin.close()


def test_whoever_comes_second_is_told_who_is_first_and_touches_nothing(finished, tmp_path, capsys):
    new, old, many = tmp_path / "new", tmp_path / "run", tmp_path / "population"
    shutil.copytree(finished / "run", old)
    shutil.copytree(finished / "population", many)
    (old / "results.json").unlink()  # something for resume to do
    before = contents(tmp_path)
    commands = [
        [*TRAIN, str(new)],
        [*TRAIN, str(old), "--overwrite"],
        [*POPULATION, str(new)],
        [*POPULATION, str(many), "--overwrite"],
        ["resume", str(old)],
        ["resume", str(many)],
        ["figures", str(many)],
        ["replay", str(many), "--seed", "1", "--out", str(new)],
        ["compare", "bars", "--seeds", "1", "--out", str(new)],
    ]
    with owner_of(new, old, many) as owner:
        for command in commands:
            assert run.main(command) == 2, command
            said = capsys.readouterr().err
            assert said.count("\n") == 1
            assert f"being written by process {owner.pid} on {socket.gethostname()}" in said
            found = {p: c for p, c in contents(tmp_path).items() if p.suffix != ".lock"}
            assert found == before, command
        with pytest.raises(InvalidInput, match=f"process {owner.pid} on"):
            work.carry_out(old)
    assert contents(tmp_path) == before  # the locks are gone with their owner
    assert run.main(["resume", str(old), "--no-figures"]) == 0


def test_the_lock_of_a_killed_owner_stops_no_one(finished, tmp_path):
    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    with owner_of(tmp_path / "run") as owner:
        owner.send_signal(signal.SIGKILL)
        owner.wait()
        assert (tmp_path / ".run.lock").exists()
        assert run.main(["resume", str(tmp_path / "run"), "--no-figures"]) == 0
    assert not (tmp_path / ".run.lock").exists()


@pytest.mark.parametrize(
    ("command", "overwrite"),
    [(TRAIN, False), slow(TRAIN, True), slow(POPULATION, False), (POPULATION, True)],
)
def test_of_several_that_start_at_once_one_has_the_folder(command, overwrite, finished, tmp_path):
    folder = tmp_path / "runs" / "one"
    if overwrite:
        shutil.copytree(finished / "run", folder)
    option, name = ("--seed", "seed") if command is TRAIN else ("--first-seed", "first_seed")
    seeds = range(10, 13)
    each = {
        seed: start(*command, str(folder), option, str(seed), *["--overwrite"] * overwrite)
        for seed in seeds
    }
    said = {seed: process.communicate(timeout=120) for seed, process in each.items()}
    status = {seed: process.returncode for seed, process in each.items()}
    assert set(status.values()) <= {0, 2}, said
    done = [seed for seed in seeds if status[seed] == 0]
    assert len(done) == 1 or overwrite  # one may overwrite what another has finished
    for seed in set(seeds) - set(done):
        line = said[seed][1].splitlines()[-1]
        assert re.search(r"being written by process \d+ on|is there already", line), line
    config = json.loads((folder / "config.json").read_text())
    assert config[name] in done
    read = runs.read(folder) if command is TRAIN else studies.read(folder)
    assert read.results["config"] == environment.fingerprint(config)
    assert [path.name for path in folder.parent.iterdir()] == ["one"]


def test_a_thread_may_take_again_what_it_has_and_no_other_may(tmp_path):
    folder = tmp_path / "deep" / "folder"
    refused = []

    def other():
        try:
            with locks.taken(folder, new=True):
                pass
        except InvalidInput as error:
            refused.append(str(error))

    with locks.taken(folder, new=True):
        with locks.taken(folder), contextlib.chdir(tmp_path), locks.taken(folder):
            thread = threading.Thread(target=other)
            thread.start()
            thread.join()
        assert (folder.parent / ".folder.lock").exists()
    assert len(refused) == 1
    assert f"process {os.getpid()} on" in refused[0]
    other()
    assert len(refused) == 1
    assert not list(folder.parent.iterdir())


def test_what_a_killed_overwrite_left_is_swept_up(tmp_path):
    of_another = ".run.2.0123abcd-new"
    for name in (".run.0123abcd-new", ".run.4567cdef-old", of_another):
        (tmp_path / name).mkdir()
    (tmp_path / "run").mkdir()
    work.create(SMALL, tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == [of_another, "run"]


def test_a_run_whose_overwriting_was_killed_half_way_is_put_back(finished, tmp_path):
    shutil.copytree(finished / "run", tmp_path / ".run.0123abcd-old")
    (tmp_path / ".run.0123abcd-new").mkdir()
    with pytest.raises(InvalidInput, match="is there already; --overwrite"):
        work.create(SMALL, tmp_path / "run")
    assert named(tmp_path / "run") == named(finished / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_an_overwrite_that_cannot_be_undone_either_loses_nothing(finished, tmp_path, monkeypatch):
    shutil.copytree(finished / "run", tmp_path / "run")
    rename = type(tmp_path).rename
    calls = iter([rename])

    def fails(path, target):
        return next(calls, _no_more)(path, target)

    def _no_more(path, target):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(type(tmp_path), "rename", fails)
        with pytest.raises(InvalidInput, match="cannot be written"):
            work.create(SMALL, tmp_path / "run", overwrite=True)
    with pytest.raises(InvalidInput, match="is there already; --overwrite"):
        work.create(SMALL, tmp_path / "run")
    assert named(tmp_path / "run") == named(finished / "run")


def test_a_link_to_a_folder_stays_one(finished, tmp_path):
    (tmp_path / "disk").mkdir()
    shutil.copytree(finished / "run", tmp_path / "disk" / "run")
    (tmp_path / "link").symlink_to(tmp_path / "disk" / "run")
    for seed in (7, 8):
        work.create(dataclasses.replace(SMALL, seed=seed), tmp_path / "link", overwrite=True)
        assert (tmp_path / "link").is_symlink()
        assert work.read_settings(tmp_path / "disk" / "run").seed == seed


@pytest.mark.parametrize("place", [".", "..", "/", "x/.."])
def test_folders_that_cannot_be_made_are_one_line(place, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    said = refusal(work.create, SMALL, place)
    assert said.startswith(f"out is {place!r}: ")
    assert "\n" not in said
    assert not list((tmp_path / "here").iterdir())


def test_a_folder_in_which_another_is_written_is_not_replaced(finished, tmp_path):
    shutil.copytree(finished / "population", tmp_path / "many")
    inner = tmp_path / "many" / "replay-setting0-seed1"
    with locks.taken(inner, new=True):
        before = contents(tmp_path)
        with pytest.raises(InvalidInput, match=rf"{inner} is being written by process"):
            work.create(Study(SMALL, seeds=2), tmp_path / "many", overwrite=True)
        assert contents(tmp_path) == before
    work.create(Study(SMALL, seeds=2), tmp_path / "many", overwrite=True)


def test_a_lock_that_cannot_be_had_or_signed_is_one_line_and_is_free_again(tmp_path, monkeypatch):
    folder = tmp_path / "run"

    def fails(*_):
        raise OSError(28, "No space left on device")

    for where, name in ((type(tmp_path), "write_text"), (fcntl, "flock")):
        with monkeypatch.context() as patch:
            patch.setattr(where, name, fails)
            with pytest.raises(InvalidInput, match="run': cannot be written: "):
                work.create(SMALL, folder)
        with locks.taken(folder):
            pass
    assert not list(tmp_path.iterdir())


def test_nothing_is_made_where_there_is_nothing(tmp_path):
    for carry_out in (work.carry_out, functools.partial(work.carry_out, what=Study(SMALL))):
        assert "\n" not in refusal(carry_out, tmp_path / "no" / "folder")
    assert not list(tmp_path.iterdir())


def test_an_overwrite_that_fails_leaves_the_old_folder(finished, tmp_path, monkeypatch):
    shutil.copytree(finished / "run", tmp_path / "run")
    before, rename = contents(tmp_path), type(tmp_path).rename

    def fails(path, target):
        if json.loads((path / "config.json").read_text())["seed"] == 7:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(type(tmp_path), "rename", fails)
    with pytest.raises(InvalidInput, match="cannot be written"):
        work.create(dataclasses.replace(SMALL, seed=7), tmp_path / "run", overwrite=True)
    assert contents(tmp_path) == before


# Files that belong together


@pytest.mark.parametrize("name", ["params.npz", "metrics.npz", "snapshots.npz", "results.json"])
def test_a_file_of_another_run_is_found(name, finished, tmp_path):
    shutil.copytree(finished / "run", tmp_path / "run")
    shutil.copy(finished / "other run" / name, tmp_path / "run")
    with pytest.raises(InvalidInput, match=rf"{name} (is not the file|does not belong)"):
        runs.read(tmp_path / "run")


@pytest.mark.parametrize("name", ["params.npz", "metrics.npz", "population.npz", "results.json"])
def test_a_file_of_another_population_is_found(name, finished, tmp_path):
    shutil.copytree(finished / "population", tmp_path / "population")
    shutil.copy(finished / "other population" / name, tmp_path / "population")
    with pytest.raises(InvalidInput, match=rf"{name} (is not the file|does not belong)"):
        studies.read(tmp_path / "population")


@pytest.mark.parametrize("what", ["run", "population"])
def test_a_finished_folder_of_mixed_files_is_not_called_finished(what, finished, tmp_path):
    shutil.copytree(finished / what, tmp_path / what)
    shutil.copy(finished / f"other {what}" / "results.json", tmp_path / what)
    study = Study(SMALL, seeds=2, first_seed=1)
    carry_out = work.carry_out if what == "run" else functools.partial(work.carry_out, what=study)
    assert "does not belong" in refusal(carry_out, tmp_path / what)
    path = tmp_path / what / "results.json"
    unsealed = json.loads((finished / what / "results.json").read_text()) | {"files": {}}
    path.write_text(json.dumps(unsealed))
    assert "is not the file" in refusal(carry_out, tmp_path / what)


@pytest.mark.parametrize(
    "wrong", [{"resumed": 5}, {"resumed": [5]}, {"versions": [1]}, {"resumed": [{"versions": 1}]}]
)
def test_an_environment_that_says_nothing_is_one_line(wrong, finished, tmp_path):
    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    path = tmp_path / "run" / "environment.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | wrong))
    assert "environment.json does not say" in refusal(work.carry_out, tmp_path / "run")


@pytest.mark.parametrize("name", ["checkpoint.npz", "environment.json"])
def test_a_run_does_not_go_on_from_the_file_of_another(name, finished, tmp_path):
    shutil.copytree(finished / "run", tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    shutil.copy(finished / "other run" / name, tmp_path / "run")
    before = contents(tmp_path)
    with pytest.raises(InvalidInput, match=rf"{name} (belongs to another|does not belong)"):
        work.carry_out(tmp_path / "run")
    assert contents(tmp_path) == before


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (
            ["replay", "run", "--seed", "1"],
            "run is the folder of a run, of one machine, and not of",
        ),
        (["replay", "nowhere", "--seed", "1"], "DIR is 'nowhere': is not a folder"),
        (["figures", "."], r"config\.json does not exist"),
    ],
)
def test_a_folder_of_another_kind_is_named(command, said, finished, monkeypatch, capsys):
    monkeypatch.chdir(finished)
    assert run.main(command) == 2
    error = capsys.readouterr().err
    assert re.search(said, error)
    assert error.count("\n") == 1


def test_what_holds_no_one_machine_is_named(finished, capsys):
    swept = SCHEMA_1 / "population" / "params.npz"  # of two sizes
    for path in (finished / "population" / "params.npz", swept):
        with pytest.raises(InvalidInput, match=r"the machines of a population.*replay .* --seed K"):
            hmjax.load_params(path)
    with pytest.raises(InvalidInput, match=r"is a folder: name the params\.npz in it"):
        hmjax.load_params(finished / "run")
    with pytest.raises(InvalidInput, match="is the folder of a population, and not of a run"):
        runs.read(finished / "population")
    with pytest.raises(InvalidInput, match="is the folder of a run, of one machine"):
        studies.read(finished / "run")


def test_a_study_is_not_carried_out_in_the_folder_of_another(finished):
    with pytest.raises(InvalidInput, match="holds another study"):
        work.carry_out(finished / "population", what=Study(SMALL, seeds=3))


damage = st.one_of(
    st.tuples(st.just("cut"), st.floats(0, 1), st.just(b"")),
    st.tuples(st.just("put"), st.floats(0, 1), st.binary(min_size=1, max_size=40)),
    st.tuples(st.just("all"), st.just(0.0), st.binary(max_size=200)),
)
NAMES = {
    "run": ("config.json", "results.json", "params.npz", "metrics.npz", "snapshots.npz"),
    "population": ("config.json", "results.json", "params.npz", "metrics.npz", "population.npz"),
}


@contextlib.contextmanager
def damaged(path, how: str, where: float, new: bytes):
    """A file with something cut off, put over it, or put in its place, for as long."""
    content = path.read_bytes()
    place = int(where * len(content))
    changed = {"cut": content[:place], "put": content[:place] + new + content[place + len(new) :]}
    path.write_bytes(changed.get(how, new))
    try:
        yield
    finally:
        path.write_bytes(content)


@pytest.mark.parametrize("what", NAMES)
@hypothesis.given(data=st.data(), damage=damage)
def test_whatever_is_in_a_file_it_is_read_or_refused_on_one_line(what, data, damage, finished):
    path = finished / what / data.draw(st.sampled_from(NAMES[what]))
    with damaged(path, *damage):
        said = refusal(runs.read if what == "run" else studies.read, path.parent)
    assert "\n" not in said
    assert path.name in said or not said


@hypothesis.given(damage=damage)
def test_whatever_is_in_a_checkpoint_it_is_gone_on_from_or_refused(damage, finished):
    path = finished / "run" / "checkpoint.npz"
    config, experiment = folders.read_config(path.parent), work.read_settings(path.parent)
    with damaged(path, *damage):
        part = Part([experiment], np.zeros(1))
        said = refusal(checkpoints.restore, path, path.read_bytes(), config, part, EVERYTHING)
    assert "\n" not in said
    assert path.name in said or not said


# Versions

SCHEMA_1 = DATA / "folders" / "schema-1"
SCHEMA_2 = DATA / "folders" / "schema-2"
SCHEMA_3 = DATA / "folders" / "schema-3"
SCHEMA_4 = DATA / "folders" / "schema-4"
SCHEMA_5 = DATA / "folders" / "schema-5"


@pytest.fixture
def old(tmp_path):
    shutil.copytree(SCHEMA_1, tmp_path / "old")
    return tmp_path / "old"


def test_folders_of_the_first_schema_are_read(old):
    read = runs.read(old / "run")
    assert read.experiment.name == "debug"
    assert read.results["exact_nll_bits"] == pytest.approx(
        float(read.curves["exact_nll_bits"][-1]), rel=1e-6
    )
    images = read.experiment.task.support()
    bits = -hmjax.exact_log_prob(read.params, images.images) / np.log(2)
    assert images.probabilities @ bits == pytest.approx(read.results["exact_nll_bits"], rel=1e-5)
    many = studies.read(old / "population")
    assert many.study.seeds == 2
    assert [setting.values for setting in many.settings] == [{"top": 1}, {"top": 2}]
    assert many.machine(1, 6).prior.bias.shape == (2,)


def test_folders_of_the_first_schema_are_drawn_and_found_finished(old, capsys):
    for name in ("run", "population"):
        assert run.main(["figures", str(old / name)]) == 0
        assert run.main(["resume", str(old / name)]) == 0
        assert "is finished" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:.* goes on where")
def test_folders_of_the_first_schema_are_gone_on_with(old):
    # By the draws of this version, which says that bits may differ.
    work.carry_out(old / "run-unfinished")
    ours, theirs = runs.read(old / "run-unfinished"), runs.read(old / "run")
    for name in ("step", "exact_nll_bits"):
        assert ours.curves[name].shape == theirs.curves[name].shape
    assert ours.results["exact_nll_bits"] < ours.curves["exact_nll_bits"][0] - 5
    study = work.read_settings(old / "population-unfinished")
    work.carry_out(old / "population-unfinished", what=study)
    ours, theirs = studies.read(old / "population-unfinished"), studies.read(old / "population")
    chex.assert_trees_all_equal_shapes(ours.params, theirs.params)
    assert np.isfinite(ours.rows["exact_nll_bits"]).all()


@pytest.mark.slow
def test_folders_of_the_second_schema_know_exact_em_by_its_former_name(tmp_path, capsys):
    shutil.copytree(SCHEMA_2, tmp_path / "old")
    finished, unfinished = tmp_path / "old" / "oracle", tmp_path / "old" / "oracle-unfinished"
    assert runs.read(finished).experiment.rule == hmjax.ExactEM(learning_rate=0.2, batch=2)
    assert run.main(["resume", str(finished), "--no-figures"]) == 0
    assert "is finished" in capsys.readouterr().out
    with pytest.warns(UserWarning, match="goes on where"):
        work.carry_out(unfinished)
    made = runs.read(unfinished)
    assert made.curves["step"].tolist() == [0, 100, 200]
    assert made.results["exact_nll_bits"] < made.curves["exact_nll_bits"][0]


def test_folders_of_the_third_schema_have_no_restarts_and_no_final_measures(tmp_path, capsys):
    shutil.copytree(SCHEMA_3, tmp_path / "old")
    read = runs.read(tmp_path / "old" / "run")
    assert "restarts" in json.loads((SCHEMA_3 / "run" / "config.json").read_text())
    assert read.experiment.rule.hold == 0
    assert read.results["annealed_nll_bits"] is None
    assert run.main(["figures", str(tmp_path / "old" / "run")]) == 0
    assert run.main(["resume", str(tmp_path / "old" / "run")]) == 0
    assert "is finished" in capsys.readouterr().out


@pytest.mark.slow
def test_folders_of_the_fourth_schema_have_no_prior_and_no_patience(tmp_path, capsys):
    shutil.copytree(SCHEMA_4, tmp_path / "old")
    whole, unfinished = (runs.read(tmp_path / "old" / "run"), tmp_path / "old" / "run-unfinished")
    assert whole.experiment.rule.weight_decay == 0
    assert whole.experiment.evaluation.patience == 0
    assert whole.results["direction_recovery_annealed"] is None
    with pytest.warns(UserWarning, match="goes on where"):
        work.carry_out(unfinished)
    made = runs.read(unfinished)
    assert made.curves["step"].tolist() == whole.curves["step"].tolist()
    assert made.experiment.rule.memory
    # Of a population that cannot be enumerated.
    many = tmp_path / "old" / "population"
    machines = Machines(studies.read(many).settings[0].experiment, studies.read(many).rows, None)
    assert np.isnan(CRITERIA["posterior"].of(machines)).all()
    assert np.isfinite(CRITERIA["nll"].of(machines)).all()
    assert run.main(["replay", str(many), "--seed", "1", "--no-figures"]) == 0
    assert "is not the one" not in capsys.readouterr().out


def test_folders_of_the_fifth_schema_have_no_balanced_measures(tmp_path, capsys):
    shutil.copytree(SCHEMA_5, old := tmp_path / "old")
    whole = runs.read(old / "run")
    assert whole.results["balanced_accuracy_exact"] is None
    assert np.isnan(whole.curves["direction_contrast_exact"]).all()
    many = studies.read(old / "population")
    machines = Machines(many.settings[0].experiment, many.rows, many.params[0])
    for name in ("balanced", "contrast"):
        assert np.isnan(CRITERIA[name].of(machines)).all()
    assert run.main(["figures", str(old / "population")]) == 0
    for name in ("run", "population"):
        assert run.main(["resume", str(old / f"{name}-unfinished"), "--no-figures"]) == 0
    printed = capsys.readouterr().out
    assert "balanced accuracy, exact" in printed
    # What comes after is measured, and what was measured before is as it was.
    on, known = runs.read(old / "run-unfinished"), [False, False, True]
    np.testing.assert_array_equal(np.isfinite(on.curves["balanced_accuracy_exact"]), known)
    for name in ("exact_nll_bits", "selectivity_exact"):
        np.testing.assert_allclose(on.curves[name], whole.curves[name], rtol=1e-5, atol=1e-6)
    # One part of it was finished then, and the other half way: nothing is known of the one.
    resumed = studies.read(old / "population-unfinished")
    rows, (one, other) = resumed.rows, resumed.results["settings"]
    known = [False, False, True, True]
    np.testing.assert_array_equal(np.isfinite(rows["strongest_contrast"]), known)
    assert (one["by_contrast"], one["broken_of"]) == (None, 2)
    assert other["by_contrast"]["broken_of"] == 2
    (difference,) = resumed.results["differences"]
    assert difference["broken_share"] is not None
    assert difference["broken_share_by_contrast"] is None
    old_rows = many.rows["selectivity_exact"]
    np.testing.assert_allclose(rows["selectivity_exact"], old_rows, rtol=1e-5, atol=1e-6)


def test_a_folder_that_was_to_restart_is_not_gone_on_with(old, capsys):
    assert run.main(["resume", str(old / "restarts-unfinished")]) == 2
    error = capsys.readouterr().err
    assert "was trained with restarts, which this version of hmjax no longer has" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("what", ["run", "population"])
@pytest.mark.parametrize(
    ("schema", "said"),
    [(99, "which a later version of hmjax wrote"), (0, "schema is 0"), ("x", "schema is 'x'")],
)
def test_a_schema_that_is_not_known_is_one_line(what, schema, said, finished, tmp_path, capsys):
    shutil.copytree(finished / what, tmp_path / what)
    path = tmp_path / what / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema": schema}))
    for command in ("resume", "figures"):
        assert run.main([command, str(tmp_path / what)]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_modes_follow_the_umask(umask, tmp_path):
    before = os.umask(umask)
    try:
        work.create(SMALL, tmp_path / "run")
        files.write_json(tmp_path / "run" / "config.json", {})
    finally:
        os.umask(before)
    for path, mode in (("run", 0o777), ("run/config.json", 0o666), ("run/environment.json", 0o666)):
        assert (tmp_path / path).stat().st_mode & 0o777 == mode & ~umask


# Full disks


def limited(size: int, *arguments: str) -> subprocess.CompletedProcess:
    """Runs run.py where no file can be larger than a number of bytes."""
    script = (
        "import resource, sys, run; "
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); "
        "sys.exit(run.main(sys.argv[1:]))"
    )
    # What JAX compiles is a file too.
    off = {"PYTHONPATH": str(ROOT), "JAX_ENABLE_COMPILATION_CACHE": "0"}
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        env=os.environ | off,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "name", "size"),
    [(TRAIN, "checkpoint.npz", 16_000), (POPULATION, "part-0.npz", 8_000)],
    ids=["train", "population"],
)
@pytest.mark.slow
def test_a_full_disk_names_the_file_and_how_to_go_on(command, name, size, tmp_path):
    folder = tmp_path / "run"
    done = limited(size, *command, str(folder))
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert f"'{folder / name}'" in line
    assert f"python run.py resume {folder}" in line
    assert "Traceback" not in done.stderr
    assert not list(folder.glob(".*"))
    assert run.main(["resume", str(folder), "--no-figures"]) == 0
    assert run.main([*command, str(tmp_path / "whole")]) == 0
    params = (folder / "params.npz").read_bytes()
    assert params == (tmp_path / "whole" / "params.npz").read_bytes()


def test_pictures_that_do_not_fit_are_named_and_drawn_later(finished, tmp_path):
    shutil.copytree(finished / "population", tmp_path / "run")
    done = limited(5_000, "figures", str(tmp_path / "run"))
    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert ".png'" in line
    assert f"python run.py figures {tmp_path / 'run'}" in line


def test_other_processes_and_hosts_are_not_asked_for_parts(tmp_path):
    # Parts are those of any device, so that a study begun on one kind goes on on another.
    study = Study(SMALL, seeds=3)
    sizes = {len(part.members) for part in sweeps.parts_of(study)}
    assert sizes == {3}
    members = population.members_of(SMALL, range(3))
    assert laid_out(members).together == 1
