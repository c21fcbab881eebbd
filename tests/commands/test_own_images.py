"""Images of one's own from the command line: trained on, classified, completed, refused."""

import dataclasses
import io
import json
import shutil

import chex
import jax
import numpy as np
import pytest

import hmjax
import run
from hmjax.errors import InvalidInput
from hmjax.store import runs, studies, work
from hmjax.tasks.reading import read

RNG = np.random.default_rng(0)
# Two kinds of images: the left half is on, or the right; every pixel is turned with 0.1.
LABELS = RNG.integers(0, 2, 120)
HALVES = np.where(LABELS[:, None, None] == 1, [[1, 1, 0, 0]] * 3, [[0, 0, 1, 1]] * 3)
IMAGES = (HALVES ^ (RNG.random((120, 3, 4)) < 0.1)).astype(np.uint8)
SMALL = ["--steps", "400", "--machine.hidden", "5", "--machine.top", "2"]
SMALL += ["--evaluation.every", "200", "--evaluation.no-early"]


def saved(array, **more):
    """The bytes of a `.npy` file, or of a `.npz` file of several arrays."""
    file = io.BytesIO()
    np.savez(file, **array, **more) if isinstance(array, dict) else np.save(file, array)
    return file.getvalue()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run, and the file that it was made of."""
    folder = tmp_path_factory.mktemp("own")
    np.savez(folder / "halves.npz", images=IMAGES, labels=LABELS)
    arguments = ["train", "--images", str(folder / "halves.npz"), "--held-out", "0.25", *SMALL]
    assert run.main([*arguments, "--out", str(folder / "run")]) == 0
    return folder


def test_a_run_on_images_of_ones_own_is_whole_and_keeps_them(trained, tmp_path):
    finished = runs.read(trained / "run")
    assert finished.experiment.name == "halves"
    task = finished.experiment.task
    assert task == hmjax.Images(IMAGES, LABELS, held_out=0.25)
    results = finished.results
    assert results["exact_held_out_nll_bits"] == finished.curves["exact_held_out_nll_bits"][-1]
    # Exact over the images, as the mean of log p(v) of each.
    for name, images in (
        ("exact_nll_bits", task.drawn.images[task.drawn.which]),
        ("exact_held_out_nll_bits", task.drawn.held_out),
    ):
        log_prob = hmjax.exact_log_prob(finished.params, images)
        assert results[name] == pytest.approx(-np.asarray(log_prob).mean() / np.log(2), rel=1e-5)
    assert results["kl_bits"] == pytest.approx(results["exact_nll_bits"] - task.entropy_bits)
    baselines = results["baselines"]
    assert baselines["mixture_bits"] < baselines["independent_pixels_bits"]
    pictures = {path.name for path in (trained / "run" / "figures").iterdir()}
    assert {"nearest_images.png", "top_units.png", "dream.gif"} <= pictures
    assert "layer3_selectivity.png" not in pictures
    # Gone on with where the file that it came from is gone.
    unfinished = dataclasses.replace(finished.experiment, steps=200)
    work.create(unfinished, tmp_path / "run")
    assert run.main(["resume", str(tmp_path / "run"), "--no-figures"]) == 0
    chex.assert_trees_all_equal(
        runs.read(tmp_path / "run").params, jax.tree.map(lambda x: x[1], finished.snapshots)
    )


@pytest.mark.slow
def test_training_stops_where_images_to_validate_on_say_so(trained, tmp_path, capsys):
    # So few images that a machine of 12-5-2 soon knows them too well.
    arguments = ["--images", str(trained / "halves.npz"), "--held-out", "0.6", *SMALL]
    arguments += ["--validation", "0.4", "--evaluation.patience", "3", "--evaluation.every", "50"]
    arguments += ["--steps", "20000", "--rule.weight-decay", "0", "--rule.learning-rate", "0.3"]
    out = tmp_path / "run"
    assert run.main(["train", *arguments, "--no-figures", "--out", str(out)]) == 0
    made, printed = runs.read(out), capsys.readouterr().out
    step, validated = made.curves["step"], made.curves["validation_nll_bits"]
    best = int(np.argmin(validated))
    assert step[-1] < 20_000
    assert len(step) - 1 - best == 3
    assert made.results["kept_at_step"] == step[best]
    assert f"{step[best]:,}" in printed
    chex.assert_trees_all_equal(made.params, jax.tree.map(lambda x: x[best], made.snapshots))
    assert made.results["exact_nll_bits"] == pytest.approx(made.curves["exact_nll_bits"][best])
    images = made.experiment.task.drawn.validation
    assert len(images) == round(0.4 * 48)
    exact = -np.asarray(hmjax.exact_log_prob(made.params, images)).mean() / np.log(2)
    assert validated[best] == pytest.approx(exact, rel=1e-5)
    # A study stops when all of its machines do, and keeps the best of each.
    many = tmp_path / "many"
    arguments += ["--no-figures", "--seeds", "3", "--first-seed", "0", "--out", str(many)]
    assert run.main(["population", *arguments]) == 0
    study = studies.read(many)
    validated = study.curves["validation_nll_bits"]
    at = np.argmin(validated, axis=0)
    np.testing.assert_array_equal(study.rows["kept_at_step"], study.curves["step"][at])
    assert len(validated) - 1 - at.max() == 3
    np.testing.assert_array_equal(
        study.rows["exact_nll_bits"], study.curves["exact_nll_bits"][at, np.arange(3)]
    )
    chex.assert_trees_all_equal(study.machine(0, 1), made.params)
    # Resumed where it is over, it is as it was.
    (out / "results.json").unlink()
    assert run.main(["resume", str(out), "--no-figures"]) == 0
    chex.assert_trees_all_equal(runs.read(out).params, made.params)


def test_patience_needs_images_to_validate_on(capsys):
    assert run.main(["train", "debug", "--evaluation.patience", "3"]) == 2
    assert "evaluation.patience is 3: must be 0 without images to" in capsys.readouterr().err


def test_images_that_were_changed_are_found(trained, tmp_path, capsys):
    shutil.copytree(trained / "run", tmp_path / "run")
    data = dict(np.load(tmp_path / "run" / "data.npz"))
    data["images"] = data["images"] ^ 1
    np.savez(tmp_path / "run" / "data.npz", **data)
    for damage, said in (
        (lambda path: None, "does not hold the images that config.json beside it names"),
        (lambda path: path.write_bytes(b"PK"), "is not a readable .npz file"),
        (lambda path: np.savez(path, images=[1]), "holds no images"),
        (lambda path: path.unlink(), "cannot be read: No such file"),
    ):
        damage(tmp_path / "run" / "data.npz")
        assert run.main(["figures", str(tmp_path / "run")]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1


@pytest.mark.slow
def test_labels_of_machines_side_by_side_classify_what_is_held_out(trained, tmp_path, capsys):
    arguments = ["population", "--images", str(trained / "halves.npz"), "--held-out", "0.25"]
    arguments += [*SMALL, "--per-class", "--seeds", "3", "--out", str(tmp_path / "both")]
    assert run.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "error on 30 images held out" in printed
    made = studies.read(tmp_path / "both")
    of = made.results["classification"]
    assert of["images"] == np.sum(of["confusion"]) == 30
    assert of["error"] == np.median(of["errors"]) <= 0.1
    wrong = 1 - np.trace(of["confusion"]) / 30
    assert wrong in of["errors"]
    assert of["interval"][0] <= wrong <= of["interval"][1]
    # By hand: whose machine, of the same seed, gives the image more.
    task = made.study.experiment.task
    log_prob = np.stack(
        [hmjax.exact_log_prob(made.machine(k, 1), task.drawn.held_out) for k in (0, 1)]
    )
    log_prob += np.log(np.bincount(task.drawn.labels - 1) / len(task.drawn.labels))[:, None]
    named = np.argmax(log_prob, axis=0) + 1
    assert np.mean(named != task.drawn.held_out_labels) == pytest.approx(of["errors"][1])
    # Each is the machine that it is alone, on the images of its label.
    assert run.main(["replay", str(tmp_path / "both"), "--seed", "2", "--setting", "1"]) == 0
    alone = runs.read(tmp_path / "both" / "replay-setting1-seed2")
    assert alone.experiment.task.only == "1"
    chex.assert_trees_all_equal(alone.params, made.machine(1, 2))


@pytest.mark.parametrize(
    "extra", [["--only", "1"], ["--held-out", "0.2", "--top", "1", "2"], ["--seeds", "2"]]
)
def test_classes_are_of_all_labels_and_of_nothing_else(trained, extra, tmp_path, capsys):
    arguments = ["population", "--images", str(trained / "halves.npz"), *SMALL]
    arguments += ["--out", str(tmp_path / "unmade")]
    assert run.main([*arguments, "--per-class", *extra]) == 2
    assert "per-class" in capsys.readouterr().err


def test_what_is_not_known_is_drawn_as_the_machine_has_it(trained, tmp_path, capsys):
    images = HALVES[:10].astype(float)
    images[:, :, 2:] = np.nan
    np.save(tmp_path / "known.npy", images)
    arguments = ["complete", str(trained / "run"), "--images", str(tmp_path / "known.npy")]
    arguments += ["--draws", "20", "--out", str(tmp_path / "drawn.npz")]
    assert run.main(arguments) == 0
    made = np.load(tmp_path / "drawn.npz")
    assert made["completions"].shape == (10, 20, 3, 4)
    np.testing.assert_array_equal(made["known"], np.isfinite(images))
    drawn = made["completions"][:, :, :, 2:].mean(axis=(1, 2, 3))
    assert (np.abs(drawn - (1 - HALVES[:10, 0, 0])) < 0.35).all()  # the half that the other is not
    assert (tmp_path / "drawn.png").exists()
    assert run.main(arguments) == 2
    assert "is there already" in capsys.readouterr().err
    # The same half as empty cells of a table, and of whole images, hidden.
    cells = np.where(np.isfinite(images), HALVES[:10].astype(str), "").reshape(10, -1)
    (tmp_path / "cells.csv").write_text("\n".join(map(",".join, cells)))
    np.save(tmp_path / "whole.npy", HALVES[:10])
    for name, hide in (("cells.csv", []), ("whole.npy", ["--hide", "right"])):
        arguments[3] = str(tmp_path / name)
        assert run.main([*arguments, *hide, "--overwrite"]) == 0
        again = np.load(tmp_path / "drawn.npz")
        np.testing.assert_array_equal(again["completions"], made["completions"])


CSV = "a,b,label\n0,1,x\n1,1,y\n"
MALFORMED = {
    "missing.npy": (None, "does not exist"),
    "images.txt": (b"0 1", "is none of .npy, .npz, .csv"),
    "empty.npy": (b"", "cannot be read"),
    "cut.npy": (saved(IMAGES)[:200], "cannot be read"),
    "cut.npz": (saved({"images": IMAGES})[:-40], "cannot be read"),
    "pickled.npy": (saved(np.array([{}, []], object)), "cannot be read"),
    "other.npz": (saved({"pixels": IMAGES}), "holds no array 'images', but pixels"),
    "none.npz": (saved({}), "holds no array 'images', but none"),
    "renamed.npy": (saved({"images": IMAGES}), "is a .npz file by another name"),
    "empty.csv": (b"", "is empty"),
    "names.csv": (b"a,b,c\n", "images are of shape [0, 3]"),
    "ragged.csv": (b"0,1,1\n0,1\n", "cannot be read"),
    "words.csv": (b"0,1\nno,1\n", "cannot be read: could not convert string 'no'"),
    "gap.csv": (b"0,1\n,1\n", "images: number 1, counted from 0, is not finite"),
    "binary.csv": (b"\xff\xfe\x00\x01", "cannot be read"),
    "nan.csv": (b"0,1\nnan,1\n", "images: number 1, counted from 0, is not finite"),
    "grey.npy": (saved(IMAGES * 7), "images have values from 0 to 7: must be 0 and 1 alone"),
    "flat.npy": (saved(IMAGES[0, 0]), "images are of shape [4]: must be"),
    "deep.npy": (saved(IMAGES[:, None]), "images are of shape [120, 1, 3, 4]: must be"),
    "no_images.npy": (saved(IMAGES[:0]), "images are of shape [0, 3, 4]: must be one or more"),
    "words.npy": (saved(np.array(["a", "b"])), "images are of type <U1"),
    "nan.npy": (saved(np.where(IMAGES == 1, np.nan, 0)), "is not finite"),
    "short.npz": (saved({"images": IMAGES, "labels": LABELS[:5]}), "labels are of shape [5]"),
    "odd.npz": (saved({"images": IMAGES, "labels": LABELS * 1j}), "labels are of type complex128"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_one_line_and_nothing_is_written(name, tmp_path, monkeypatch, capsys):
    content, said = MALFORMED[name]
    if content is not None:
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert run.main(["train", "--images", name]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"error: {name}")
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


def test_a_folder_in_the_place_of_a_file_is_one_line(tmp_path):
    (tmp_path / "folder.npy").mkdir()
    with pytest.raises(InvalidInput, match=r"folder\.npy is not a file"):
        read(tmp_path / "folder.npy")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--held-out", "2"], "held-out is '2.0': needs --images FILE"),
        (["--threshold", "1"], "threshold is '1.0': needs --images FILE"),
        (["--images"], "--images"),
        (["--images", "x.npy", "--binarise", "dither"], "binarise"),
    ],
)
def test_options_of_images_need_images(arguments, said, capsys):
    assert run.main(["train", "debug", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_files_of_every_kind_hold_the_same(tmp_path):
    (tmp_path / "some.csv").write_text(CSV)
    content = read(tmp_path / "some.csv")
    np.testing.assert_array_equal(content.images, [[0, 1], [1, 1]])
    assert content.labels.tolist() == ["x", "y"]
    rows = IMAGES.reshape(120, -1)
    np.savetxt(tmp_path / "plain.csv", rows, fmt="%d", delimiter=",")
    np.save(tmp_path / "plain.npy", rows)
    np.savez(tmp_path / "plain.npz", images=rows)
    header = ",".join(["label", *(f"p{k}" for k in range(12))])
    table = np.column_stack([LABELS, rows])
    np.savetxt(tmp_path / "named.csv", table, fmt="%d", delimiter=",", header=header, comments="")
    for name in ("plain.csv", "plain.npy", "plain.npz", "named.csv"):
        content = read(tmp_path / name)
        np.testing.assert_array_equal(content.images, rows)
        assert (content.labels is None) == (name != "named.csv")
    np.testing.assert_array_equal(content.labels, LABELS)


@pytest.mark.slow
def test_another_experiment_takes_images_too(trained, tmp_path):
    arguments = ["train", "shifter", "--images", str(trained / "halves.npz"), *SMALL]
    arguments += ["--no-figures", "--out", str(tmp_path / "run")]
    assert run.main(arguments) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["name"] == "shifter-halves"
    assert config["rule"]["kind"] == "WakeSleep"
    assert config["task"]["data"] == {
        "kind": "Table", "images": 120, "digest": config["task"]["data"]["digest"]
    }  # fmt: skip
