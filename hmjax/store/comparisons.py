"""The folders of a comparison: one of each of its studies."""

from collections.abc import Sequence
from pathlib import Path

from hmjax.errors import InvalidInput
from hmjax.store.folders import settings_here
from hmjax.store.studies import FinishedStudy, read
from hmjax.study.comparison import Arm, Comparison, Outcome, outcome
from hmjax.study.criteria import Machines


def folder_of(comparison: Comparison, arm: Arm, folder: Path) -> Path:
    """The folder of an arm within that of its comparison."""
    name = "".join(letter if letter.isalnum() else "-" for letter in arm.name.lower())
    return folder / f"{comparison.arms.index(arm):02}-{'-'.join(filter(None, name.split('-')))}"


def check(comparison: Comparison, folder: Path) -> None:
    """Refuses to go on with what is not the comparison's.

    Raises:
      InvalidInput: if the folder of an arm is there and does not hold its study.
    """
    for arm in comparison.arms:
        of_arm = folder_of(comparison, arm, folder)
        if of_arm.exists() and settings_here(of_arm) != arm.study:
            raise InvalidInput(f"{of_arm} holds another study than {arm.name!r}; remove it first")


def read_all(comparison: Comparison, folder: Path) -> list[Outcome]:
    """What every arm of a comparison came to.

    Raises:
      InvalidInput: if one is another study, is not finished or cannot be read.
    """
    check(comparison, folder)
    return [
        outcome_of(arm, read(folder_of(comparison, arm, folder)), comparison.measures)
        for arm in comparison.arms
    ]


def outcome_of(arm: Arm, studied: FinishedStudy, measures: Sequence[str]) -> Outcome:
    """What a finished arm came to, by some of `CRITERIA`."""
    machines = Machines(studied.settings[0].experiment, studied.rows, studied.params[0])
    return outcome(arm, machines, studied.results["train_seconds"], measures)
