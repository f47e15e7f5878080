"""Processes that die, and disks that fill up, at any single step of what harbor does."""

import errno
import gc
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

EFFECTS = {
    "open",
    "mkdir",
    "write",
    "flush",
    "fsync",
    "utime",
    "rename",
    "unlink",
    "truncate",
    "__exit__",
    "pwrite",
    "fork_exec",
    "waitpid",
}
NEED_ROOM = {"open", "mkdir", "write", "fsync", "rename", "pwrite"}
KILLED, UNSYNCED = 9, 8
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files are made that are written again and again; the disk would be worn, and slow."""


def watched(number: int, effects: set[str], then: Callable[[str], Any]) -> None:
    """Call `then` with its name right before the n-th effect that this thread has from here on."""
    seen = 0

    def watch(_frame: Any, event: str, function: Any) -> None:
        nonlocal seen
        if event == "c_call" and function.__name__ in effects:
            seen += 1
            if seen == number:
                then(function.__name__)

    sys.setprofile(watch)


def killed_at(number: int, act: Callable[[], Any]) -> int:
    """Do something in a process that dies right before its n-th effect: KILLED, or UNSYNCED where
    that is an fsync; 0 if it has fewer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child has just one
        pid = os.fork()
    if pid:
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    gc.disable()  # a look at all there is would have it copied
    watched(number, EFFECTS, lambda name: os._exit(UNSYNCED if name == "fsync" else KILLED))
    try:
        act()
    finally:
        os._exit(0)


def full_at(number: int, act: Callable[[], Any]) -> Any:
    """What something returns for which there is no room at its n-th effect that needs some;
    None if it fails."""

    def refuse(name: str) -> None:
        raise OSError(errno.ENOSPC, f"No space left on device, at {name}")

    watched(number, NEED_ROOM, refuse)
    try:
        return act()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return None
    finally:
        sys.setprofile(None)
