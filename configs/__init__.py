"""Named experiments: each file defines `experiment`, and says in its docstring what it is.

Those of `configs.comparisons` define `comparison`, studies side by side, and those of
`configs.costs` `race`, what each rule has to move.
"""

import ast
import difflib
import importlib
import inspect
import pkgutil
from types import ModuleType
from typing import Any

from hmjax import Experiment, InvalidInput
from hmjax.study.comparison import Comparison

EXPERIMENTS = "configs"
COMPARISONS = "configs.comparisons"
COSTS = "configs.costs"


def names(package: str = EXPERIMENTS) -> list[str]:
    """The names that a package defines: `EXPERIMENTS`, `COMPARISONS` or `COSTS`."""
    path = importlib.import_module(package).__path__
    return sorted(module.name for module in pkgutil.iter_modules(path) if not module.ispkg)


def load(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
      InvalidInput: if there is none of that name.
    """
    return _module(name, EXPERIMENTS, "experiment").experiment


def load_comparison(name: str) -> Comparison:
    """The comparison of a name.

    Raises:
      InvalidInput: if there is none of that name.
    """
    return _module(name, COMPARISONS, "comparison").comparison


def load_race(name: str) -> Any:
    """The race of a name.

    Raises:
      InvalidInput: if there is none of that name.
    """
    return _module(name, COSTS, "race").race


def summary(name: str, package: str = EXPERIMENTS) -> str:
    """One line on what a file of a package defines, which it begins with."""
    # Not its __doc__, which is not there where Python is told to leave such things out.
    source = inspect.getsource(_module(name, package, "name"))
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0]


def _module(name: str, package: str, kind: str) -> ModuleType:
    known = names(package)
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InvalidInput(f"{kind} is {name!r}: {hint}must be one of {', '.join(known)}")
    return importlib.import_module(f"{package}.{name}")
