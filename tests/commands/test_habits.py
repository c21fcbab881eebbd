"""run.py among people's habits: Ctrl-C at once, closed pipes, -OO, a Matplotlib of their own."""

import os
import shutil
import signal
import subprocess
import sys
import time

import matplotlib
import pytest
from helpers import ROOT, slow, start

import run

LONG = ["train", "debug", "--steps", "60000000", "--evaluation.every", "3000", "--no-figures"]
SHORT = ["train", "debug", "--steps", "600", "--out"]
MANY = ["population", "debug", "--steps", "600", "--seeds", "3", "--top", "1", "2", "--out"]


@pytest.mark.parametrize("module", ["argparse", "numpy", "jax", "optax", "tyro", "configs"])
def test_ctrl_c_while_it_is_imported_ends_it_quietly(module, tmp_path):
    command = [sys.executable, "-X", "importtime", str(ROOT / "run.py"), *LONG, "--out"]
    process = subprocess.Popen(
        [*command, str(tmp_path / "run")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if line.endswith(f" {module}\n"):
            break
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in said[1]
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("again", [False, True])
def test_ctrl_c_while_it_compiles_ends_it_quietly(again, tmp_path):
    folder = tmp_path / "run"
    process = start(*LONG, "--out", str(folder))
    while not folder.exists():
        assert process.poll() is None
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    if again:
        time.sleep(0.05)
        process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "Traceback" not in said
    assert (folder / "config.json").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize("command", [["list"], ["--help"], ["train", "shifter", "--help"]])
def test_a_closed_pipe_is_no_error(command):
    process = start(*command)
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE


def test_a_run_whose_output_no_one_reads_is_kept(tmp_path):
    process = start(*SHORT, str(tmp_path / "run"), "--no-figures")
    process.stdout.close()
    assert "Traceback" not in process.stderr.read()
    assert process.wait(timeout=60) == 128 + signal.SIGPIPE
    assert (tmp_path / "run" / "results.json").exists()


@pytest.mark.slow
def test_nothing_is_lost_where_docstrings_and_assertions_are(tmp_path, capsys):
    assert run.main(["list"]) == 0
    with_docstrings = capsys.readouterr().out
    script = (
        "import sys, run; status = [run.main(line.split()) for line in sys.argv[1:]]; "
        "sys.exit(max(status))"
    )
    commands = ["list", "--help", "train debug --help", " ".join([*SHORT, str(tmp_path / "run")])]
    done = subprocess.run(
        [sys.executable, "-OO", "-c", script, *commands],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert with_docstrings in done.stdout
    for words in ("train NAME [options]", "Learning rate of the generative net", "NLL, exact"):
        assert words in done.stdout
    assert (tmp_path / "run" / "figures" / "dream.gif").exists()


@pytest.mark.slow
@pytest.mark.parametrize("command", [SHORT, MANY], ids=lambda command: command[0])
def test_pictures_are_the_same_under_any_matplotlibrc(command, tmp_path):
    matplotlibrc = tmp_path / "matplotlibrc"
    matplotlibrc.write_text(
        "text.usetex: True\nfont.size: 40\nfont.family: nothing\nsavefig.dpi: 20\nimage.cmap: jet\n"
        "axes.grid: True\nfigure.autolayout: True\nlines.linewidth: 9\nfigure.figsize: 2, 2\n"
    )
    plain, theirs = tmp_path / "plain", tmp_path / "theirs"
    assert run.main([*command, str(plain)]) == 0
    shutil.copytree(plain, theirs, ignore=lambda *_: ["figures"])
    settings = {"MPLBACKEND": "rubbish", "MATPLOTLIBRC": str(matplotlibrc)}
    process = start("figures", str(theirs), env=os.environ | settings)
    said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    pictures = sorted(path.name for path in (plain / "figures").iterdir())
    assert pictures == sorted(path.name for path in (theirs / "figures").iterdir())
    for picture in pictures:
        same = (plain / "figures" / picture).read_bytes()
        assert (theirs / "figures" / picture).read_bytes() == same, picture


def test_the_users_backend_stays_what_it_was_asked_to_be():
    script = "import analysis, matplotlib.pyplot as plt; print(plt.get_backend())"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONPATH": str(ROOT), "MPLBACKEND": "svg"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "svg\n"


def test_the_users_matplotlib_stays_as_it_is(tmp_path):
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 33}):
        assert run.main([*SHORT, str(tmp_path / "run")]) == 0
        assert matplotlib.rcParams["font.size"] == 33
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("missing", [slow("all"), "dream.gif", slow("weights.png")])
def test_pictures_that_are_missing_are_drawn_when_it_is_resumed(missing, tmp_path, capsys):
    folder = tmp_path / "run"
    assert run.main([*SHORT, str(folder)]) == 0
    if missing == "all":
        shutil.rmtree(folder / "figures")
        (folder / "figures").mkdir()
    else:
        (folder / "figures" / missing).unlink()
    before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert run.main(["resume", str(folder)]) == 0
    assert "pictures in" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in before} == before
    assert run.main(["resume", str(folder)]) == 0
    assert "is finished" in capsys.readouterr().out


def test_ctrl_c_that_is_lost_where_nothing_can_be_raised_comes_again():
    script = (
        "import sys, time, run\n"
        "class Lost:\n"
        "    def __del__(self): raise KeyboardInterrupt\n"
        "def main(_):\n"
        "    Lost()\n"
        "    for _ in range(1000): time.sleep(0.01)\n"
        "run.main = lambda _: guarded()\n"
        "def guarded():\n"
        "    try: main(0)\n"
        "    except KeyboardInterrupt: return 130\n"
        "run.program()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (130, "")
