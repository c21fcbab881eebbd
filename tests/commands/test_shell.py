import contextlib
import io
import subprocess

import pytest

import configs
import run
from commands import COMMANDS
from hmjax.rules import RULES


@pytest.fixture(scope="module")
def script(tmp_path_factory):
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        assert run.main(["completion", "bash"]) == 0
    path = tmp_path_factory.mktemp("completion") / "script"
    path.write_text(said.getvalue())
    return path


def offered(script, line: str) -> list[str]:
    """What the shell offers in place of the last word of a line."""
    asked = (
        f'source {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _hmjax; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    words = line.split(" ")
    done = subprocess.run(["bash", "-c", asked, "bash", *words], capture_output=True, text=True)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_shell_completes_commands_names_options_and_choices(script):
    experiments = configs.names(configs.EXPERIMENTS)
    assert offered(script, "python run.py ") == [*COMMANDS, "help"]
    assert offered(script, "python3 ./run.py pop") == ["population"]
    assert offered(script, "run.py train ") == experiments
    assert offered(script, "python run.py compare one") == ["one_top"]
    assert offered(script, "python run.py train tees --p-") == ["--p-place"]
    assert offered(script, "python run.py train bars_best --p-") == ["--p-on", "--p-vertical"]
    assert offered(script, "python run.py train shifter --rule ") == list(RULES)
    assert "--rule.samples" in offered(script, "python run.py population shifter --rule.s")
    assert offered(script, "python run.py population shifter --seed") == [
        *("--seeds", "--seeds-at-once")
    ]
    assert offered(script, "python run.py train bars --rule.optimiser m") == ["momentum"]


def test_files_and_other_programs_are_left_to_the_shell(script):
    assert offered(script, "python other.py tr") == []
    assert offered(script, "python run.py figures runs/") == []
    assert run.main(["completion", "zsh"]) == 0
    assert run.main(["completion", "fish"]) == 2
