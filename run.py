"""Helmholtz machines from the command line; `python run.py` says how."""

import os
import signal

if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    # Nothing is begun while what follows is imported, so that there is nothing to say.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))

import _thread
import difflib
import importlib
import sys
import threading
from collections.abc import Sequence
from typing import Any, NoReturn

import jax

from commands import COMMANDS, usage
from hmjax import Diverged, InvalidInput, __version__
from hmjax.runtime import hosts, platform


def main(arguments: Sequence[str]) -> int:
    """Runs a command.

    Returns:
      The exit status: 0, 1 if a run failed, 2 for bad input, 130 if interrupted.
    """
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        if arguments[1:]:  # help COMMAND
            return main([arguments[1], "--help"])
        print(usage())
        return 0 if arguments else 2
    if arguments == ["--version"]:
        print(f"hmjax {__version__}")
        return 0
    if any(each.startswith("--hosts.") for each in arguments) and not hosts.is_supervised():
        return hosts.supervise([sys.executable, __file__, *arguments])
    command, *rest = arguments
    try:
        platform.prepare()
        platform.cache_compiled()
        if command not in COMMANDS:
            near = difflib.get_close_matches(command, COMMANDS, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise InvalidInput(
                f"command is {command!r}: {hint}must be one of {', '.join(COMMANDS)}"
            )
        importlib.import_module(f"commands.{command}").main(rest)
    except InvalidInput as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except jax.errors.JaxRuntimeError as error:
        reason = str(error).splitlines()[0]
        if hosts.are_several():
            said = f"another host was lost; resume goes on from here: {reason}"
        elif reason.startswith("RESOURCE_EXHAUSTED"):
            said = f"there is too little memory for so much at once: {reason}"
        else:
            raise
        print(f"error: {said}", file=sys.stderr)
        return hosts.leave(1)
    except BrokenPipeError:
        raise
    except (Diverged, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return hosts.leave(1)
    except KeyboardInterrupt:
        return hosts.leave(130)
    except SystemExit as stop:  # --help
        return int(stop.code or 0)
    return 0


def interrupt_again(unraisable: Any) -> None:
    """Has a Ctrl-C that came while Python collected garbage, and was lost there, come again."""
    if issubclass(unraisable.exc_type, KeyboardInterrupt):
        later = threading.Timer(0.01, _thread.interrupt_main)  # here it would be lost again
        later.daemon = True
        later.start()
    else:
        sys.__unraisablehook__(unraisable)


def program() -> NoReturn:
    """`main` as a program, which is quiet when it is interrupted or no one reads on."""
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.unraisablehook = interrupt_again
    try:
        status = main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:
        # For what Python writes out when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    if status == 130:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)  # not waiting for what is still being compiled
    sys.exit(status)


if __name__ == "__main__":
    program()
