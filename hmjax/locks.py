"""A folder has one writer at a time.

The lock is a file beside the folder that the operating system frees when its owner ends, however
that happens. It says who the owner is, and is gone when the folder is free.
"""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import filelock

from hmjax.errors import InvalidInput

_HELD: set[tuple[Path, int]] = set()  # what threads of this process have taken

_SECONDS_TO_SIGN = 1.0  # that an owner is given to say who it is


@contextlib.contextmanager
def taken(folder: Path) -> Iterator[None]:
    """Takes a folder for what is within; a thread may take again what it has.

    Args:
      folder: to be written to. It need not be there; the folder it lies in is made if it is not.

    Raises:
      InvalidInput: if another process or thread has it, or it cannot be locked.
    """
    place = folder.resolve()
    held = place, threading.get_ident()
    if held in _HELD:
        yield
        return
    path = place.with_name(f".{place.name}.lock")
    lock = filelock.FileLock(path, blocking=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
    except filelock.Timeout:
        owner = _owner(path)
        raise InvalidInput(
            f"{folder} is being written by {owner}: wait for it or stop it"
        ) from None
    except OSError as error:
        raise InvalidInput(f"out is {str(folder)!r}: cannot be written: {error}") from None
    _HELD.add(held)
    try:
        yield
    finally:
        _HELD.discard(held)
        # While it is still held, so that whoever has the file open finds that it is gone.
        path.unlink(missing_ok=True)
        lock.release()


def _owner(path: Path) -> str:
    deadline = time.monotonic() + _SECONDS_TO_SIGN
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if owner := path.read_text():
                return owner
        time.sleep(0.01)
    return "another process"
