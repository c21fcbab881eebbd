"""Settings: frozen dataclasses whose fields are of the types they are annotated with; as JSON too.

What a value plainly means is taken for it: a list for a tuple, 1e3 for 1000, a number of NumPy's
for one of Python's. Anything else is refused where the settings are made, and not where they are
used.
"""

import dataclasses
import functools
import json
import operator
import types
import typing
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import numpy as np

from hmjax.errors import InvalidInput
from hmjax.fieldhelp import FieldHelp

T = TypeVar("T")

SCHEMA = 6
"""Of `config.json`. The first had no number, and `results.json` beside it was not sealed; in the
second, exact EM was called Oracle; in the third, experiments could restart; in the fourth, weights
had no prior and there were no images of one's own; in the fifth, no measure was balanced between
classes.

A field that is newer than the first schema carries the schema that it came with, and the value that
stands for what was done before, where that is not its default:
`field(default=..., metadata={"since": 3, "before": ...})`.
"""


class Settings:
    """What settings inherit; a `__post_init__` of theirs begins with this one.

    Attributes:
      OPTIONS: what their fields' names begin with in messages, as they do on the command line.
      FORMERLY: what the class was called in earlier schemas.
      GONE: fields that it no longer has, and the last schema that they were in.
    """

    OPTIONS: ClassVar[str] = ""
    FORMERLY: ClassVar[tuple[str, ...]] = ()
    GONE: ClassVar[Mapping[str, int]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if cls.__doc__ is not None:  # as it is where Python leaves docstrings out
            cls.__doc__ = typing.cast(str, FieldHelp(cls.__doc__))

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, annotation in _hints(kind).items():
            value = getattr(self, name)
            taken = as_type(annotation, value, self.OPTIONS + name.replace("_", "-"))
            if taken is not value:
                object.__setattr__(self, name, taken)


def as_type(annotation: Any, value: Any, name: str) -> Any:
    """A value as one of a type, if it plainly is one.

    Args:
      annotation: a number or another class, a `Literal` of strings, a tuple of any length of these,
        or a union of them.
      value: to be taken for it.
      name: of the value, for messages.

    Raises:
      InvalidInput: if it is not.
    """
    try:
        return _taken(annotation, value)
    except (_Wrong, TypeError, ValueError, OverflowError):  # as converting it may raise
        raise InvalidInput(_not_valid(name, value, annotation)) from None


def to_json(settings: Any) -> dict[str, Any]:
    """A dataclass of settings as JSON values, each with the name of its class as `kind`.

    A value that has a `to_json` of its own is what that gives.
    """

    def plain(value: Any) -> Any:
        if hasattr(value, "to_json"):
            return value.to_json()
        if not dataclasses.is_dataclass(value):
            return list(value) if isinstance(value, tuple) else value
        fields = {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"kind": type(value).__name__} | fields

    return plain(settings)


def from_json(kind: type[T], path: Path, content: Any) -> T:
    """The settings that `to_json` gave, in this version or an earlier one.

    Args:
      kind: their class.
      path: the file they come from, for messages.
      content: JSON values; with their `schema` among them, or of the first.

    Raises:
      InvalidInput: if a field is missing, unknown, of another type or out of range, or a later
        version wrote them.
    """
    schema = schema_of(content, path)
    if isinstance(content, Mapping):
        content = {name: value for name, value in content.items() if name != "schema"}
    try:
        return _built(kind, content, kind.__name__.lower(), schema)
    except InvalidInput as error:
        raise InvalidInput(f"{path}: {error}") from None


def schema_of(content: Any, path: Path) -> int:
    """The schema of JSON values.

    Raises:
      InvalidInput: if it is none that this version knows.
    """
    schema = content.get("schema", 1) if isinstance(content, Mapping) else 1
    if type(schema) is not int or schema < 1:
        raise InvalidInput(f"{path}: schema is {schema!r}, must be 1 to {SCHEMA}")
    if schema > SCHEMA:
        raise InvalidInput(
            f"{path} is of schema {schema}, which a later version of hmjax wrote; this one reads "
            f"1 to {SCHEMA}: install that version"
        )
    return schema


class _Wrong(Exception):
    pass


def _taken(annotation: Any, value: Any) -> Any:
    if type(value) is annotation:
        return value
    options = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case typing.Union | types.UnionType:
            for option in options:
                try:
                    return _taken(option, value)
                except _Wrong:
                    continue
        case typing.Literal:
            if isinstance(value, str) and value in options:
                return value
        case origin if origin is tuple:
            if isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping | Set):
                return tuple(_taken(options[0], item) for item in value)
        case None:
            return _taken_for_class(annotation, value)
    raise _Wrong


def _taken_for_class(kind: type, value: Any) -> Any:
    if kind in (int, float):
        if _is_number(value):
            if kind is float:
                return float(value)
            if np.issubdtype(np.asarray(value).dtype, np.integer):
                return operator.index(value)
            if float(value).is_integer():
                return int(value)
    elif isinstance(value, kind):
        return value
    elif kind is Path and isinstance(value, str):
        return Path(value)
    elif kind is bool and isinstance(value, np.bool_):
        return bool(value)
    raise _Wrong


def _is_number(value: Any) -> bool:
    """Whether a value is one real number, of Python's, NumPy's or JAX's, and no truth value."""
    if isinstance(value, bool | str | bytes):
        return False
    array = np.asarray(value)
    return array.ndim == 0 and np.issubdtype(array.dtype, np.number) and np.isrealobj(array)


def _built(annotation: Any, value: Any, name: str, schema: int) -> Any:
    """`value`, from JSON, as an instance of a type annotation."""
    if not isinstance(value, Mapping):
        return as_type(annotation, value, name)
    kinds: tuple[Any, ...] = typing.get_args(annotation) or (annotation,)
    for kind in kinds:
        is_settings = isinstance(kind, type) and issubclass(kind, Settings)
        if is_settings and value.get("kind") in (_name(kind), *kind.FORMERLY):
            gone = {"kind"} | {key for key, last in kind.GONE.items() if schema <= last}
            fields = {key: item for key, item in value.items() if key not in gone}
            known = {field.name: field for field in dataclasses.fields(kind)}
            for field in known.values():
                if field.name not in fields and field.metadata.get("since", 1) > schema:
                    fields[field.name] = _before(field)
            if odd := sorted(fields.keys() ^ known.keys()):
                raise InvalidInput(f"{name} lacks or does not know the field {odd[0]!r}")
            hints = _hints(kind)
            return kind(
                **{key: _built(hints[key], item, key, schema) for key, item in fields.items()}
            )
    raise InvalidInput(_not_valid(name, value, annotation))


def _before(field: dataclasses.Field) -> Any:
    """What stands for a field where there was none yet."""
    if "before" in field.metadata:
        return field.metadata["before"]
    factory = field.default_factory
    return field.default if factory is dataclasses.MISSING else factory()


def _not_valid(name: str, value: Any, annotation: Any) -> str:
    shown = json.dumps(value, default=repr)[:60]
    return f"{name} is {shown}, not a valid {_name(annotation)}: must be {_allowed(annotation)}"


def _name(annotation: Any) -> str:
    return getattr(annotation, "__name__", str(annotation))


def _allowed(annotation: Any) -> str:
    """What of a type is allowed, in words."""
    options = typing.get_args(annotation)
    match typing.get_origin(annotation):
        case typing.Union | types.UnionType:
            return " or ".join(map(_allowed, options))
        case typing.Literal:
            return f"one of {', '.join(options)}"
        case origin if origin is tuple:
            return f"a list, of which each is {_allowed(options[0])}"
    words = {int: "a whole number", float: "a number", types.NoneType: "None"}
    return words.get(annotation, f"a {_name(annotation)}")


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}
