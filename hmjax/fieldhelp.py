"""What settings say of their fields, put where `help` looks for it.

The string below a field says what the field is. The command line and the pages of the API read it
from the source; Python itself drops it.
"""

import ast
import dataclasses
import inspect
import itertools
import textwrap
from typing import Any


class FieldHelp:
    """The `__doc__` of a dataclass: its own docstring, and what stands below each of its fields.

    It is put together when someone asks for it, and not when the class is made.
    """

    def __init__(self, docstring: str) -> None:
        self.docstring = docstring
        self.whole: str | None = None

    def __get__(self, instance: object, kind: type) -> str:
        if "__match_args__" not in vars(kind):  # the decorator is at work on it, and asks
            return self.docstring
        if self.whole is None:
            self.whole = inspect.cleandoc(self.docstring) + _attributes(kind)
        return self.whole


def help_of_fields(kind: type) -> dict[str, str]:
    """The strings below the fields of a dataclass, by field; none where there is no source."""
    found: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if "__dataclass_fields__" in vars(each):
            found |= _strings_below_fields(each)
    return {field.name: found[field.name] for field in _fields(kind) if field.name in found}


def _attributes(kind: type) -> str:
    """The section of a docstring on the fields of a dataclass; empty if nothing is known."""
    lines = [
        textwrap.indent(f"{name}: {textwrap.indent(inspect.cleandoc(said), '  ').strip()}", "  ")
        for name, said in help_of_fields(kind).items()
    ]
    return "\n".join(["\n\nAttributes:", *lines]) if lines else ""


def _strings_below_fields(kind: type) -> dict[str, str]:
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    body = getattr(tree, "body", [])
    return {
        field.target.id: below.value.value
        for field, below in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(below, ast.Expr)
        and isinstance(below.value, ast.Constant)
        and isinstance(below.value.value, str)
    }


def _fields(kind: Any) -> tuple[dataclasses.Field, ...]:
    return dataclasses.fields(kind)
