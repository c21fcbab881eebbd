"""Command-line options as dataclasses, read by tyro, its complaints on one line."""

import contextlib
import io
import re
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import tyro

from hmjax.errors import InvalidInput

T = TypeVar("T")


def parse(kind: Callable[..., T], arguments: Sequence[str], program: str, **default: Any) -> T:
    """Tyro's parser, with its complaints on one line.

    Raises:
      InvalidInput: if the arguments are wrong.
    """
    complaint = io.StringIO()
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(
                kind,
                args=arguments,
                prog=program,
                config=(tyro.conf.AvoidSubcommands,),
                **default,
            )
    except SystemExit as stop:
        if stop.code in (0, None):  # --help
            raise
        raise InvalidInput(unboxed(complaint.getvalue())) from None


def unboxed(text: str) -> str:
    """What a box of tyro's says, without its title and its pointer to --help, on one line."""
    plain = re.sub(r"\x1b\[[0-9;]*m|[│╭╮╰╯]", "", text)
    _title, *parts = (" ".join(part.split()) for part in re.split(r"[─-]{5,}", plain))
    return "; ".join(part for part in parts if part and not part.startswith("For full helptext"))
