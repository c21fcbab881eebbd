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

from hmjax.errors import InvalidInput, require

_HELD: set[tuple[Path, int]] = set()  # what threads of this process have taken

_SECONDS_TO_SIGN = 1.0  # that an owner is given to say who it is


@contextlib.contextmanager
def taken(folder: Path, *, new: bool = False) -> Iterator[None]:
    """Takes a folder for what is within; a thread may take again what it has.

    Args:
      folder: to be written to. It need not be there.
      new: whether it is to be made; the folder it lies in is made too, then.

    Raises:
      InvalidInput: if another process or thread has it, or it cannot be locked.
    """
    place = folder.resolve()
    field = "out" if new else "DIR"
    require(place.name != "", field, str(folder), "must be a folder in another one")
    held = place, threading.get_ident()
    if held in _HELD:
        yield
        return
    path = place.with_name(f".{place.name}.lock")
    known = new or path.parent.is_dir()
    require(known, field, str(folder), "is not a folder; name that of a run or population")
    # Where the system has no locks that die with their owner, there is none to be had.
    lock = filelock.FileLock(path, blocking=False, fallback_to_soft=False)
    try:
        if new:
            path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
        path.write_text(f"process {os.getpid()} on {socket.gethostname()}")
    except filelock.Timeout:
        raise _refusal(folder, path) from None
    except (OSError, NotImplementedError) as error:
        _free(lock, path)
        raise InvalidInput(f"{field} is {str(folder)!r}: cannot be written: {error}") from None
    _HELD.add(held)
    try:
        yield
    finally:
        _HELD.discard(held)
        _free(lock, path)


def check_free_within(folder: Path) -> None:
    """Refuses a folder that is about to be replaced if another within it has a writer.

    Raises:
      InvalidInput: naming that folder and who writes to it.
    """
    for path in folder.rglob(".*.lock"):
        lock = filelock.FileLock(path, blocking=False, fallback_to_soft=False)
        try:
            with lock:
                pass
        except filelock.Timeout:
            within = path.with_name(path.name[1 : -len(".lock")])
            raise _refusal(within, path) from None


def _free(lock: filelock.BaseFileLock, path: Path) -> None:
    if lock.is_locked:
        # While it is still held, so that whoever has the file open finds that it is gone.
        path.unlink(missing_ok=True)
        lock.release()


def _refusal(folder: Path, path: Path) -> InvalidInput:
    return InvalidInput(f"{folder} is being written by {_owner(path)}: wait for it or stop it")


def _owner(path: Path) -> str:
    deadline = time.monotonic() + _SECONDS_TO_SIGN
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            if owner := path.read_text():
                return owner
        time.sleep(0.01)
    return "another process"
