"""Command-line options as dataclasses, read by tyro, its complaints on one line."""

import argparse
import contextlib
import io
import math
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

import configs
from commands.options import OwnImages
from hmjax import Experiment, InvalidInput
from hmjax.errors import require
from hmjax.recipes import own_images
from hmjax.rules import FORMER_NAMES, RULES, AnyRule
from hmjax.study.sweeps import Study
from hmjax.tasks import Images

T = TypeVar("T")


def _marked(kind: type, field: str, mark: Any) -> None:
    """Tells tyro something of a field of settings."""
    kind.__annotations__[field] = Annotated[kind.__annotations__[field], mark]


# Options of what a field holds are named without the field's name before them.
_marked(Experiment, "task", tyro.conf.arg(name=""))
_marked(Study, "experiment", tyro.conf.arg(name=""))
# It comes from a file.
_marked(Images, "data", tyro.conf.Suppress)


@contextlib.contextmanager
def without(kind: type, field: str) -> Iterator[None]:
    """Has a command do without an option of settings that other commands have."""
    before = kind.__annotations__[field]
    _marked(kind, field, tyro.conf.Suppress)
    try:
        yield
    finally:
        kind.__annotations__[field] = before


_INTEGERS = tyro.constructors.ConstructorRegistry()


@_INTEGERS.primitive_rule
def _integer(
    info: tyro.constructors.PrimitiveTypeInfo,
) -> tyro.constructors.PrimitiveConstructorSpec | None:
    """Integers are read as people write them: 1000000, 1_000_000, 1e6."""
    if info.type is not int:
        return None
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs=1,
        metavar="INT",
        instance_from_str=lambda given: _as_integer(given[0]),
        is_instance=lambda value: type(value) is int,
        str_from_instance=lambda value: [str(value)],
    )


def _as_integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not number.is_integer():
        raise ValueError(f"{text!r} is not a whole number")
    return int(number)


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
                registry=_INTEGERS,
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
) -> tuple[Experiment, T]:
    """The experiment whose name comes first, as its config has it, and the options of a command.

    With images of one's own there need be none: it is then one by `recipes.own_images`.

    Raises:
      InvalidInput: if the name or the options are wrong.
    """
    asked = [each for each in arguments if each not in ("-h", "--help")]
    read: Any = parse(OwnImages, asked, f"run.py {command}", return_unknown_args=True)
    own: OwnImages = read[0]
    task = own.task()
    is_named = bool(arguments) and not arguments[0].startswith("-")
    if task is not None and not is_named:
        name, others, experiment = "", arguments, own_images(_plain(own.images), task)
    else:
        name, *others = named_first(arguments, command, "experiment", configs.EXPERIMENTS)
        experiment = configs.load(name)
        if task is not None:
            named = f"{experiment.name}-{_plain(own.images)}"
            experiment = replace(experiment, name=named, task=task)
    rest, chosen = with_rule(others, experiment)
    _check_rule(rest, chosen)
    program = " ".join(["run.py", command, *filter(None, [name])])
    return experiment, parse(kind, rest, program, default=default(chosen))


def _check_rule(arguments: Sequence[str], experiment: Experiment) -> None:
    """Refuses settings of another rule than an experiment's.

    Raises:
      InvalidInput: if there is one, with the rules that have it.
    """
    mine = {each.name for each in fields(experiment.rule)}
    for argument in arguments:
        option = argument.partition("=")[0]
        field = option.removeprefix("--rule.").replace("-", "_")
        if option.startswith("--rule.") and field not in mine:
            having = [
                name for name, rule in RULES.items() if field in {x.name for x in fields(rule)}
            ]
            if having:
                raise InvalidInput(f"{option} needs {' or '.join(f'--rule {x}' for x in having)}")


def _plain(path: Path | None) -> str:
    """The name of a file as that of an experiment."""
    return re.sub(r"[^\w-]+", "-", path.stem) if path else ""


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
    return others, by_rule(experiment, RULES[name])


def by_rule(experiment: Experiment, rule: type[AnyRule]) -> Experiment:
    """An experiment by a rule, with the settings that all rules share."""
    if isinstance(experiment.rule, rule):
        return experiment
    return replace(experiment, rule=rule(**experiment.rule.shared()))


def require_new_file(out: Path, suffix: str, *, overwrite: bool) -> None:
    """Refuses a file that cannot be written, or that is there unless it is to be replaced.

    Raises:
      InvalidInput: if it is such a file.
    """
    require(out.suffix == suffix, "out", str(out), f"must end in {suffix}")
    require_parent(out)
    free = overwrite or not out.exists()
    require(free, "out", str(out), "is there already; --overwrite replaces it")
    require(not out.is_dir(), "out", str(out), "must be no folder")


def require_new_with_picture(out: Path, suffix: str, *, overwrite: bool) -> None:
    """`require_new_file` of a file and of the picture beside it."""
    require_new_file(out, suffix, overwrite=overwrite)
    require_new_file(out.with_suffix(".png"), ".png", overwrite=overwrite)


def require_parent(out: Path) -> None:
    require(out.parent.is_dir(), "out", str(out), "must lie in a folder that is there")
