import dataclasses
import json

import chex
import jax
import numpy as np
import pytest

import configs
import hmjax
from hmjax import settings
from hmjax.errors import InvalidInput
from hmjax.measures.table import MEASURES
from hmjax.store import files, runs, work

EXPERIMENT = dataclasses.replace(configs.load("debug"), steps=1000)

EXPERIMENTS = [
    *map(configs.load, configs.names()),
    hmjax.Experiment(
        "odd",
        task=hmjax.Shifter(width=5, p_on=0.4, shifts=(-2, 1), copies=1),
        machine=hmjax.Machine(hidden=(), top=3),
        rule=hmjax.WakeSleep(recognition_rate=0.2, optimiser="adam", batch=3, decay_at=7),
        seed=0,
    ),
]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    work.create(EXPERIMENT, folder)
    work.carry_out(folder)
    return folder


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda e: e.name)
def test_an_experiment_round_trips_through_its_folder(experiment, tmp_path):
    work.create(experiment, tmp_path / "run")
    assert work.read_settings(tmp_path / "run") == experiment


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda c: c.pop("seed"), "lacks or does not know the field 'seed'"),
        (lambda c: c.update(extra=1), "lacks or does not know the field 'extra'"),
        (lambda c: c.update(steps=10.5), "steps is 10.5, not a valid int"),
        (lambda c: c.update(steps=True), "steps is true, not a valid int"),
        (lambda c: c.update(steps=-5), "steps is -5: must be 1 to"),
        (lambda c: c["task"].update(p_on="x"), 'p_on is "x", not a valid float'),
        (lambda c: c["task"].update(kind="Faces"), "task is .*Faces.*, not a valid"),
        (lambda c: c["rule"].update(optimiser="magic"), 'optimiser is "magic", not a valid'),
        (lambda c: c["machine"].update(hidden=3), "hidden is 3, not a valid"),
    ],
)
def test_a_config_that_is_no_experiment_is_refused_by_field(change, complaint, tmp_path):
    content = settings.to_json(EXPERIMENT)
    change(content)
    with pytest.raises(InvalidInput, match=complaint):
        settings.from_json(hmjax.Experiment, tmp_path / "config.json", content)


def test_the_folder_holds_what_it_should(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "config.json",
        "environment.json",
        "checkpoint.npz",
        "metrics.npz",
        "snapshots.npz",
        "params.npz",
        "results.json",
    }
    arrays = np.load(finished / "params.npz")
    assert {name: arrays[name].shape for name in arrays} == {
        "generative/0/weight": (8, 24),
        "generative/0/bias": (24,),
        "generative/1/weight": (2, 8),
        "generative/1/bias": (8,),
        "prior/bias": (2,),
        "recognition/0/weight": (24, 8),
        "recognition/0/bias": (8,),
        "recognition/1/weight": (8, 2),
        "recognition/1/bias": (2,),
    }
    assert np.load(finished / "metrics.npz")["step"].tolist() == [0, 100, 200, 500, 1000]
    environment = json.loads((finished / "environment.json").read_text())
    assert environment["versions"]["jax"] == jax.__version__


def test_results_hold_every_promised_measure(finished):
    results = json.loads((finished / "results.json").read_text())
    assert set(results) == {*runs.PROMISED, "config", "files"}
    unknown = {name for name, value in results.items() if value is None}
    assert unknown == {
        name for name, each in MEASURES.items() if each.is_annealed and not each.of_held_out
    }  # it is exact
    curves = np.load(finished / "metrics.npz")
    assert results["exact_nll_bits"] == pytest.approx(float(curves["exact_nll_bits"][-1]))
    assert sum(results["fantasies"].values()) == pytest.approx(1)
    assert len(results["p_right_given_top"]) == 3  # two one-hot states, and all off


def test_a_folder_reads_back_as_what_was_trained(finished):
    run = runs.read(finished)
    progress = hmjax.train(EXPERIMENT)
    assert run.experiment == EXPERIMENT
    chex.assert_trees_all_equal(run.params, progress.params)
    chex.assert_trees_all_equal(run.snapshots, progress.snapshots)
    chex.assert_trees_all_equal(run.curves, progress.curves)
    loaded = hmjax.load_params(finished / "params.npz")
    chex.assert_trees_all_equal(loaded, progress.params)
    chex.assert_trees_all_equal_structs(loaded, progress.params)


def test_an_existing_run_is_left_alone_unless_told(tmp_path):
    folder = tmp_path / "run"
    work.create(EXPERIMENT, folder)
    (folder / "mine").write_text("precious")
    with pytest.raises(InvalidInput, match="is there already; --overwrite replaces it"):
        work.create(EXPERIMENT, folder)
    assert (folder / "mine").read_text() == "precious"
    work.create(dataclasses.replace(EXPERIMENT, seed=9), folder, overwrite=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "config.json",
        "environment.json",
        "run",
    ]
    assert work.read_settings(folder).seed == 9


def test_overwrite_never_replaces_what_is_no_run(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.png").write_text("cat")
    (tmp_path / "file").write_text("text")
    for name in ("photos", "file"):
        with pytest.raises(InvalidInput, match="is no run folder"):
            work.create(EXPERIMENT, tmp_path / name, overwrite=True)
    assert (tmp_path / "photos" / "cat.png").read_text() == "cat"
    (tmp_path / "empty").mkdir()
    work.create(EXPERIMENT, tmp_path / "empty")
    assert work.read_settings(tmp_path / "empty") == EXPERIMENT


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(InvalidInput, match="cannot be written"):
        work.create(EXPERIMENT, tmp_path / "file" / "run")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file.json"
    files.write_json(path, {"a": 1})

    def interrupted():
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files.read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["file.json"]


def test_what_a_killed_writer_left_is_swept_up(tmp_path):
    folder = tmp_path / "run"
    work.create(EXPERIMENT, folder)
    with files.replacing(folder / "checkpoint.npz") as temporary:
        left = folder / temporary.name.replace("partial-", "partial-killed")
        left.write_bytes(b"half")
        temporary.write_bytes(b"")
    (folder / "checkpoint.npz").unlink()
    work.carry_out(folder)
    assert not left.exists()


def corrupt(path, how):
    """Damages a file in one of the ways files get damaged."""
    content = path.read_bytes()
    match how:
        case "truncated":
            path.write_bytes(content[: len(content) // 2])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_text("not what you think")
        case "foreign" if path.suffix == ".json":
            path.write_text('{"apples": 3}')
        case "foreign":
            np.savez(path, apples=np.ones(3))
        case "array":
            np.save(path.with_suffix(".npy"), np.ones(3))
            path.with_suffix(".npy").replace(path)
        case "missing":
            path.unlink()


@pytest.mark.parametrize("how", ["truncated", "empty", "text", "foreign", "array", "missing"])
@pytest.mark.parametrize("name", ["params.npz", "metrics.npz", "snapshots.npz", "results.json"])
def test_a_damaged_file_is_named_on_one_line(finished, tmp_path, name, how):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in finished.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    corrupt(folder / name, how)
    with pytest.raises(InvalidInput, match=name) as caught:
        runs.read(folder)
    assert "\n" not in str(caught.value)
    if name == "params.npz":
        with pytest.raises(InvalidInput, match=name):
            hmjax.load_params(folder / name)


def test_a_machine_of_another_size_is_refused(finished, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for path in finished.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    other = hmjax.init(jax.random.key(0), (24, 9, 2))
    files.write_arrays(folder / "params.npz", other)
    with pytest.raises(InvalidInput, match=r"'generative/0/weight' is float32\[9, 24\], must be"):
        runs.read(folder)


@pytest.mark.parametrize("how", ["truncated", "empty", "text", "foreign", "array", "other seed"])
def test_a_checkpoint_that_does_not_belong_is_refused_and_kept(finished, tmp_path, how):
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.json", "checkpoint.npz"):
        (folder / name).write_bytes((finished / name).read_bytes())
    if how == "other seed":
        other = dataclasses.replace(EXPERIMENT, seed=2)
        files.write_json(folder / "config.json", settings.to_json(other))
    else:
        corrupt(folder / "checkpoint.npz", how)
    before = (folder / "checkpoint.npz").read_bytes()
    with pytest.raises(InvalidInput, match=r"checkpoint\.npz"):
        work.carry_out(folder)
    assert (folder / "checkpoint.npz").read_bytes() == before
    assert {path.name for path in folder.iterdir()} == {"config.json", "checkpoint.npz"}
