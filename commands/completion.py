"""Prints a script by which a shell completes commands, names, options and their choices."""

import contextlib
import importlib
import io
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

import configs
from commands import COMMANDS
from commands.arguments import parse
from hmjax import InvalidInput
from hmjax.rules import RULES

_NAMES = {
    **dict.fromkeys(("train", "population", "profile"), configs.EXPERIMENTS),
    "compare": configs.COMPARISONS,
    "cost": configs.COSTS,
}
"""What the name after a command is one of."""

_SCRIPT = """\
# Completes 'python run.py ...': bash, or zsh, reads it by
#   source <(python run.py completion {shell})
# It takes the place of other completions of python; other programs' words are left to the shell.
{prelude}_hmjax() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} before=${{COMP_WORDS[COMP_CWORD-1]}} at words=
  COMPREPLY=()
  for at in 0 1; do [[ ${{COMP_WORDS[at]}} == *run.py ]] && break; done
  [[ ${{COMP_WORDS[at]}} == *run.py ]] || return 0
  local command=${{COMP_WORDS[at+1]}}
  case $((COMP_CWORD - at)) in
    1) words={commands} ;;
    2) case $command in
{names}
    esac ;;
  esac
  if [[ $word == -* ]]; then
    case $command/${{COMP_WORDS[at+2]}} in
{options}
    esac
  else
    case $before in
{choices}
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}}
complete -o bashdefault -o default -F _hmjax python python3 run.py
"""


@dataclass(frozen=True)
class Completion:
    """Prints a script for a shell; source <(python run.py completion bash)."""

    shell: Annotated[Literal["bash", "zsh"], tyro.conf.Positional]
    """Whose it is."""


def main(arguments: Sequence[str]) -> None:
    options = parse(Completion, arguments, "run.py completion")
    helps = {which: _help(*asked) for which, asked in _asked().items()}
    options_of = {
        which: " ".join(sorted(set(re.findall(r"--[a-z][\w.-]*\w", text))))
        for which, text in helps.items()
    }
    choices = {"--rule": " ".join(RULES)}
    for option, several in re.findall(r"(--[\w.-]+) \{([^{}]*)\}", "".join(helps.values())):
        if words := [each for each in several.split(",") if each != "None"]:
            choices[option] = " ".join(words)
    names = {command: " ".join(configs.names(package)) for command, package in _NAMES.items()}
    print(
        _SCRIPT.format(
            shell=options.shell,
            prelude="autoload -U +X bashcompinit && bashcompinit\n" * (options.shell == "zsh"),
            commands=shlex.quote(" ".join([*COMMANDS, "help"])),
            names=_cases(names),
            options=_cases(options_of),
            choices=_cases(choices),
        ),
        end="",
    )


def _asked() -> dict[str, list[list[str]]]:
    """The commands that print the options of a command, by what the shell knows those by.

    Experiments on the same kind of task have the same ones.
    """
    by_task: dict[type, list[str]] = {}
    for name in configs.names(configs.EXPERIMENTS):
        with contextlib.suppress(InvalidInput):  # what it takes to load it is not installed
            by_task.setdefault(type(configs.load(name).task), []).append(name)
    asked = {}
    for command in COMMANDS:
        if _NAMES.get(command) == configs.EXPERIMENTS:
            for names in by_task.values():
                by_rule = [[command, names[0], "--rule", rule] for rule in RULES]
                asked["|".join(f"{command}/{name}" for name in names)] = by_rule
        elif command != "completion":
            asked[f"{command}/*"] = [[command]]
    return asked


def _help(*commands: list[str]) -> str:
    """What commands say of their options."""
    said = io.StringIO()
    for command, *arguments in commands:
        # A rule that does not suit an experiment is refused, and has nothing to say.
        with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit, InvalidInput):
            importlib.import_module(f"commands.{command}").main([*arguments, "--help"])
    return said.getvalue()


def _cases(words: Mapping[str, str]) -> str:
    return "\n".join(f"      {of}) words={shlex.quote(each)} ;;" for of, each in words.items())
