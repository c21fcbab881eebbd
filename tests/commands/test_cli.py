import collections
import dataclasses
import json
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from helpers import ROOT, slow, start
from PIL import Image

import configs
import hmjax
import run
from analysis import dream, table
from commands.arguments import parse_named, with_rule
from commands.naming import differing
from commands.train import Train

PICTURES = [
    "training_curves",
    "layer3_selectivity",
    "layer2_receptive_fields",
    "generated_samples",
    "reconstructions",
    "nets",
    "weights",
    "hidden_units",
]
TINY_BARS = [
    "--steps",
    "600",
    "--evaluation.every",
    "200",
    "--evaluation.held-out",
    "16",
    "--side",
    "3",
]


@pytest.mark.parametrize(
    ("arguments", "extra"),
    [
        (["train", "debug"], set()),
        slow(["train", "bars", *TINY_BARS], {"recognition_codes.png"}),
    ],
    ids=["debug", "bars"],
)
def test_train_makes_a_whole_run_folder(arguments, extra, tmp_path, capsys):
    folder = tmp_path / "run"
    assert run.main([*arguments, "--out", str(folder)]) == 0
    printed = capsys.readouterr().out
    for heading in ("measure", "this run", "floor / best", "NLL, exact (bits)"):
        assert heading in printed
    pictures = {f"{name}.png" for name in PICTURES} | {"dream.gif"} | extra
    assert {path.name for path in (folder / "figures").iterdir()} == pictures
    evaluations = len(np.load(folder / "metrics.npz")["step"])
    for name in pictures:
        with Image.open(folder / "figures" / name) as image:
            assert min(image.size) > 200
            assert len(set(image.convert("L").tobytes())) > 8, f"{name} is blank"
            if name == "dream.gif":
                assert image.n_frames == evaluations
                assert image.info["duration"] == 200


def test_published_figures_stand_beside_their_own_settings_alone():
    results = collections.defaultdict(lambda: None)
    results |= {"entropy_bits": 8.0, "is_nll_bits": 9.0}
    results |= {"classes": [], "shown_given_top_exact": [], "fantasies": {}}
    experiment = dataclasses.replace(configs.load("shifter"), seed=9)
    assert "9.36" in table.render(experiment, results)
    for changes in ({"steps": 10}, {"rule": hmjax.Reweighted()}, {"task": hmjax.Shifter(p_on=0.2)}):
        shown = table.render(dataclasses.replace(experiment, **changes), results)
        assert "9.36" not in shown
        assert "hinton-problems" not in shown


def test_figures_draws_again_without_training(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "run"
    assert run.main(["train", "debug", "--no-figures", "--out", str(folder)]) == 0
    assert not (folder / "figures").exists()
    before = {path: path.read_bytes() for path in folder.iterdir()}
    monkeypatch.setattr("analysis.dream.FRAMES", 3)
    assert run.main(["figures", str(folder), "--fps", "20"]) == 0
    assert {path: path.read_bytes() for path in before} == before
    with Image.open(folder / "figures" / "dream.gif") as image:
        assert image.info["duration"] == 50
        assert image.n_frames == 3
        image.seek(2)
        assert image.info["duration"] == dream.HELD
    assert run.main(["resume", str(folder)]) == 0
    assert "is finished" in capsys.readouterr().out


@pytest.fixture
def untrained(monkeypatch):
    """A `train` that makes its folder and stops there."""
    monkeypatch.setattr("commands.train.finish", lambda *_, **__: None)


def test_options_reach_the_experiment(untrained, tmp_path):
    folder = tmp_path / "run"
    options = "--seed 7 --steps 100 --rule.learning-rate 0.2 --machine.hidden 5 3 --machine.top 2"
    options += " --p-on 0.4 --shifts -2 1 --rule.optimiser momentum --rule.batch 2"
    arguments = ["train", "debug", *options.split(), "--no-figures", "--out", str(folder)]
    assert run.main(arguments) == 0
    config = json.loads((folder / "config.json").read_text())
    assert (config["seed"], config["steps"]) == (7, 100)
    assert config["rule"]["learning_rate"] == 0.2
    assert config["rule"]["optimiser"] == "momentum"
    assert config["machine"]["hidden"] == [5, 3]
    assert config["task"]["p_on"] == 0.4
    assert config["task"]["shifts"] == [-2, 1]


def test_rule_chooses_the_rule_and_keeps_what_all_rules_share(untrained, tmp_path):
    folder = tmp_path / "run"
    options = "--steps 50 --rule.batch 2 --rule reweighted --rule.samples 3 --no-figures"
    assert run.main(["train", "debug", *options.split(), "--out", str(folder)]) == 0
    rule = json.loads((folder / "config.json").read_text())["rule"]
    assert (rule["kind"], rule["batch"], rule["samples"]) == ("Reweighted", 2, 3)


def test_the_default_folder_is_named_after_the_experiment(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run.main(["train", "debug", "--seed", "3", "--steps", "10", "--no-figures"]) == 0
    # With what is otherwise than in the config, so that two runs do not want the same folder.
    assert (tmp_path / "runs" / "debug-steps10-seed3" / "results.json").is_file()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("", ""),
        ("--seed 5", ""),
        ("--rule reweighted", "-reweighted"),
        ("--rule reweighted --rule.samples 5 --steps 2e5", "-reweighted-samples5-steps200000"),
        ("--machine.hidden 16 8 --p-on 0.2", "-p-on0.2-hidden16_8"),
    ],
)
def test_folders_are_named_after_what_is_otherwise(options, name):
    named, made = parse_named(Train, Train, ["shifter", *options.split()], "train")
    assert differing(made.experiment, named) == name


def test_long_names_are_cut_and_still_differ():
    many = "--machine.hidden 16 8 --evaluation.every 100 --rule.hold 30 --p-on 0.2"
    names = set()
    for rate in ("0.1", "0.2"):
        options = ["shifter", *many.split(), "--rule.hold-rate", rate, "--rule.hold-bias", rate]
        named, made = parse_named(Train, Train, options, "train")
        names.add(differing(made.experiment, named))
    assert len(names) == 2
    assert max(map(len, names)) <= 60


@pytest.mark.parametrize("steps", ["1000", "1_000", "1e3", "1.0E3"])
def test_whole_numbers_are_read_as_people_write_them(steps):
    _, made = parse_named(Train, Train, ["debug", "--steps", steps], "train")
    assert made.experiment.steps == 1000


def test_list_names_every_experiment_comparison_and_race_on_a_line(capsys):
    assert run.main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    folders = ROOT / "configs", ROOT / "configs" / "comparisons", ROOT / "configs" / "costs"
    known = [sorted(path.stem for path in folder.glob("[!_]*.py")) for folder in folders]
    named = [line.split()[0] for line in lines if line.startswith("  ")]
    assert named == [name for names in known for name in names]


def test_it_says_which_version_it_is_and_helps_by_word(capsys):
    assert run.main(["--version"]) == 0
    assert capsys.readouterr().out == f"hmjax {hmjax.__version__}\n"
    assert run.main(["help"]) == 0
    assert "python run.py train NAME" in capsys.readouterr().out
    assert run.main(["help", "replay"]) == 0
    assert "--setting" in capsys.readouterr().out


def test_help_explains_the_commands_and_every_option(capsys):
    assert run.main(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(usage in printed for usage in ("train NAME", "resume DIR", "figures DIR", "list"))
    assert run.main(["train", "shifter", "--help"]) == 0
    printed = capsys.readouterr().out
    for words in ("--rule.learning-rate FLOAT", "default: 0.1", "--p-on", "--machine.top", "steps"):
        assert words in printed


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("train shiftr", "experiment is 'shiftr': did you mean 'shifter'?"),
        ("trian shifter", "command is 'trian': did you mean 'train'?"),
        ("train", "train needs the name of an experiment"),
        ("train debug --steps -5", "steps is -5: must be 1 to 2147483647"),
        ("train shifter_best --steps 9000", "rule.hold is 150000: must be less than steps, 9000"),
        ("train debug --rule joint-stochastic --rule.sweeps -1", "rule.sweeps is -1: must be 0"),
        ("train debug --steps 10.5", "--steps.*'10.5'.*INT"),
        ("train debug --steps many", "--steps.*'many'.*INT"),
        ("train debug --p-on 1.7", "p-on is 1.7: must be a probability between 0 and 1"),
        ("train debug --rule.learning-rate 0", "rule.learning-rate is 0.0: must be above 0"),
        ("train debug --rule.learning-rate nan", "rule.learning-rate is nan: must be above 0"),
        ("train debug --rule.optimiser magic", "magic.*--rule.optimiser.*'sgd'"),
        ("train debug --machine.hidden 0", r"machine.hidden is \(0,\): every layer must have"),
        ("train debug --machine.top -1", "machine.top is -1: must be 1 to"),
        ("train debug --width 40", "width is 40: must be 2 to 32 pixels"),
        ("train debug --shifts 1 7", r"shifts is \(1, 7\): must be two or more shifts"),
        ("train debug --seed -1", "seed is -1: must be 0 to"),
        ("train debug --name ../up", "name is '../up': must be"),
        (
            "train debug --rule magic",
            "--rule must be one of wake-sleep, reweighted, joint-sto",
        ),
        ("train debug --rule exact-em --machine.hidden 40", "rule is 'exact-em': must be another"),
        ("train debug --machine.visible-bias inf", "machine.visible-bias is inf: must be finite"),
        ("train debug --fps 0", "fps is 0.0: must be above 0"),
        ("train debug --lerning-rate 1", "Unrecognized options: --lerning-rate"),
        ("train debug --rule.samples 5", "--rule.samples needs --rule reweighted or --rule joint-"),
        ("population debug --top 1 2 --machine.top 3", "machine.top is 3: must be left to --top"),
        ("train debug --out taken", "out is 'taken': is there already and is no run folder"),
        ("train debug --out taken/file/run", "out is 'taken/file/run': cannot be written"),
        ("resume", "Missing"),
        ("resume nowhere", "DIR is 'nowhere': is not a folder"),
        ("resume taken", r"taken/config.json does not exist"),
        ("figures taken", r"taken/config.json does not exist"),
        ("list everything", "Unrecognized options: everything"),
    ],
)
def test_bad_input_gets_one_line_and_status_2(arguments, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("precious")
    assert run.main(arguments.split()) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert re.fullmatch(r"error: [^\n]*\n", said.err)
    assert re.search(complaint, said.err), said.err
    found = [str(path.relative_to(tmp_path)) for path in sorted(tmp_path.rglob("*"))]
    assert found == ["taken", "taken/file"]


def test_a_rule_is_known_by_its_former_name(capsys):
    experiment = configs.load("debug")
    _, now = with_rule(["--rule", "exact-em"], experiment)
    rest, formerly = with_rule(["--rule", "oracle", "--steps", "9"], experiment)
    assert (rest, formerly) == (["--steps", "9"], now)
    assert capsys.readouterr().err == "note: --rule oracle is called exact-em now\n"


def test_a_run_that_diverges_says_when_and_keeps_the_last_good_state(tmp_path, capsys):
    folder = tmp_path / "run"
    options = "--rule.learning-rate 3e38 --rule.optimiser momentum --evaluation.every 10"
    arguments = ["train", "debug", *options.split(), "--no-figures", "--out", str(folder)]
    assert run.main(arguments) == 1
    complaint = capsys.readouterr().err.splitlines()[-1]
    step = int(re.search(r"stopped being finite at step (\d+)", complaint).group(1))
    checkpoint = np.load(folder / "checkpoint.npz")
    assert step - 10 <= int(checkpoint["progress/state/step"]) < step
    assert all(np.isfinite(checkpoint[name]).all() for name in checkpoint if "params" in name)
    assert not (folder / "results.json").exists()


LONG = ["train", "debug", "--steps", "4000000", "--evaluation.every", "3000", "--no-figures"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert run.main([*LONG, "--out", str(folder)]) == 0
    return folder


def test_a_killed_run_resumes_to_the_same_bits(uninterrupted, tmp_path):
    folder = tmp_path / "run"
    # Before anything is trained, at the first checkpoint, and at whatever happens some time in.
    moments = [(folder.exists, 60), ((folder / "checkpoint.npz").exists, 60)]
    moments += [(lambda: False, 3.0)]
    command, kills = [*LONG, "--out", str(folder)], 0
    for is_time, at_most in moments:
        process = start(*command)
        deadline = time.monotonic() + at_most
        while not is_time() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
        if (folder / "results.json").exists():
            break
        command = ["resume", str(folder), "--no-figures"]
    assert kills >= 2
    process = start("resume", str(folder), "--no-figures")
    assert process.wait(timeout=300) == 0
    for name in ("params.npz", "snapshots.npz", "metrics.npz"):
        assert (folder / name).read_bytes() == (uninterrupted / name).read_bytes(), name


def test_ctrl_c_saves_says_how_to_resume_and_exits_130(uninterrupted, tmp_path):
    folder = tmp_path / "run"
    process = start(*LONG, "--out", str(folder))
    while not (folder / "checkpoint.npz").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert f"python run.py resume {folder}" in said
    assert "Traceback" not in said
    assert 0 < int(np.load(folder / "checkpoint.npz")["progress/state/step"]) < 4_000_000
    assert run.main(["resume", str(folder), "--no-figures"]) == 0
    assert (folder / "params.npz").read_bytes() == (uninterrupted / "params.npz").read_bytes()


def test_a_full_disk_is_one_line(tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    folder = tmp_path / "run"
    monkeypatch.setattr(os, "fsync", full)
    assert run.main(["train", "debug", "--out", str(folder)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
