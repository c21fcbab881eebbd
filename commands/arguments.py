"""Command-line options as dataclasses, read by tyro, its complaints on one line."""

import argparse
import contextlib
import io
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

import configs
from hmjax import Experiment, InvalidInput
from hmjax.errors import require
from hmjax.rules import FORMER_NAMES, RULES, Descent
from hmjax.study.sweeps import Study

T = TypeVar("T")


def _without_prefix(kind: type, field: str) -> None:
    """Has options of what a field holds named without the field's name before them."""
    hint = kind.__annotations__[field]
    kind.__annotations__[field] = Annotated[hint, tyro.conf.arg(name="")]


_without_prefix(Experiment, "task")
_without_prefix(Study, "experiment")


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


def parse_named(
    default: Callable[[Experiment], T], kind: type[T], arguments: Sequence[str], command: str
) -> tuple[str, T]:
    """The name of the experiment that comes first, and the options of a command on it.

    Raises:
      InvalidInput: if the name or the options are wrong.
    """
    name, *others = named_first(arguments, command, "experiment", configs.EXPERIMENTS)
    rest, experiment = with_rule(others, configs.load(name))
    return name, parse(kind, rest, f"run.py {command} {name}", default=default(experiment))


def named_first(arguments: Sequence[str], command: str, kind: str, package: str) -> Sequence[str]:
    """Arguments that begin with a name; to ask for help, any name will do.

    Raises:
      InvalidInput: if they do not.
    """
    if arguments and not arguments[0].startswith("-"):
        return arguments
    known = configs.names(package)
    if {"-h", "--help"} & set(arguments):
        return [known[0], *arguments]
    article = "an" if kind[0] in "aeiou" else "a"
    raise InvalidInput(f"{command} needs the name of {article} {kind}: one of {', '.join(known)}")


def with_rule(arguments: Sequence[str], experiment: Experiment) -> tuple[Sequence[str], Experiment]:
    """What `--rule NAME` among arguments chooses: the other arguments, and the experiment with it.

    Settings that all rules share are those of the experiment.

    Raises:
      InvalidInput: if there is no rule of that name.
    """
    chooser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    chooser.add_argument("--rule", choices=[*RULES, *FORMER_NAMES])
    try:
        chosen, others = chooser.parse_known_args(arguments)
    except argparse.ArgumentError:
        raise InvalidInput(f"--rule must be one of {', '.join(RULES)}") from None
    if chosen.rule is None:
        return others, experiment
    name = FORMER_NAMES.get(chosen.rule, chosen.rule)
    if name != chosen.rule:
        print(f"note: --rule {chosen.rule} is called {name} now", file=sys.stderr)
    if isinstance(experiment.rule, RULES[name]):
        return others, experiment
    shared = {each.name: getattr(experiment.rule, each.name) for each in fields(Descent)}
    return others, replace(experiment, rule=RULES[name](**shared))


def require_parent(out: Path) -> None:
    require(out.parent.is_dir(), "out", str(out), "must lie in a folder that is there")
