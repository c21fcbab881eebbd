"""Named experiments: each file defines `experiment`, and says in its docstring what it is."""

import difflib
import importlib
import pkgutil

from hmjax import Experiment, InvalidInput


def names() -> list[str]:
    """The names of all experiments."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> Experiment:
    """The experiment of a name.

    Raises:
      InvalidInput: if there is none of that name.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InvalidInput(f"experiment is {name!r}: {hint}must be one of {', '.join(names())}")
    return importlib.import_module(f"{__name__}.{name}").experiment


def summary(name: str) -> str:
    """One line on an experiment."""
    return (importlib.import_module(f"{__name__}.{name}").__doc__ or "").strip().splitlines()[0]
