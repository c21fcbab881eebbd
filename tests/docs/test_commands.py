"""The commands of README and of the guide run as they stand, in their order, in a fresh clone.

What is scaled down, so that all of it takes two minutes: the configs of the clone have a hundredth
of their steps, and so have the numbers of steps in the commands; populations have four seeds for
64, comparisons two, and there are ten fantasies for 1000. The bench, which has tests of its own, is
asked for its help.
"""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT

SHARE = 100
PAGES = "README.md", "docs/guide/commands.md"
FEWER = {
    "--seeds 64": "--seeds 4",
    "-seeds0-63": "-seeds0-3",
    "--seed 17": "--seed 2",
    "--count 1000": "--count 10",
    "bench --quick": "bench --help",
}


def commands_of(clone: Path) -> list[str]:
    """The lines of the pages' blocks that run Python, each once."""
    blocks = re.findall(r"```bash\n(.*?)```", "".join((clone / p).read_text() for p in PAGES), re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    found = [match[1] for line in lines if (match := re.search(r"(?:^|/)python ((?!-m).*)", line))]
    return list(dict.fromkeys(re.sub(r"\s+# .*", "", command) for command in found))


def scaled(command: str) -> str:
    """A command with a hundredth of its steps, and fewer machines."""
    for many, few in FEWER.items():
        command = command.replace(many, few)
    command = re.sub(r"(?<=steps)( ?)(\d+)", lambda m: f"{m[1]}{int(m[2]) // SHARE}", command)
    return f"{command} --seeds 2" if "run.py compare" in command else command


def with_fewer_steps(source: str) -> str:
    """Settings in which every number of steps is a hundredth."""
    number = re.compile(r"\b(steps(?:: int)? ?= ?)(\d[\d_]*)")
    return number.sub(lambda m: f"{m[1]}{max(1, int(m[2]) // SHARE)}", source)


@pytest.mark.slow
def test_every_command_runs_in_its_order(tmp_path):
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", ROOT, clone], check=True)
    settings = [clone / "hmjax" / name for name in ("experiment.py", "recipes.py")]
    for path in [*settings, *(clone / "configs").rglob("*.py")]:
        path.write_text(with_fewer_steps(path.read_text()))
    commands = commands_of(clone)
    assert len(commands) > 15
    assert commands[0] == "run.py train shifter"
    for command in map(scaled, commands):
        done = subprocess.run(
            [sys.executable, *shlex.split(command)],
            cwd=clone,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
