"""Rooms know only those below them, and files can be read in one sitting."""

from helpers import ROOT
from importlinter.cli import lint_imports

PACKAGES = ("hmjax", "commands", "configs", "analysis", "benchmarks", "examples")


def test_no_import_runs_against_the_arrows(monkeypatch):
    monkeypatch.chdir(ROOT)
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml")) == 0


def test_files_are_short_and_every_room_says_what_it_is_for():
    # The machine is read beside the papers, in one go.
    longest = {"machine.py": 280}
    for package in PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            text = path.read_text()
            assert text.startswith('"""'), path
            assert len(text.splitlines()) <= longest.get(path.name, 250), path
    assert len((ROOT / "run.py").read_text().splitlines()) < 150
