"""Processes that die, and disks that fill up, at any single step of what harbor does.

A step is a call of one of these functions, whatever file it is about."""

import errno
import functools
import gc
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from tests.support.storage import Json, Storage, assert_sound

Act = Callable[[Storage], Json]
"""Something that storage is asked for."""

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
ENDED, KILLED, UNSYNCED = 0, 9, 8
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files are made that are written again and again; the disk would be worn, and slow."""


def killed_at(number: int, act: Callable[[], Any], log: Path) -> tuple[int, int]:
    """Do something in a process that dies right before its n-th effect: KILLED, or ENDED if it has
    fewer; and how much of the file `log` was synced by then, in bytes."""
    with warnings.catch_warnings(), tempfile.TemporaryFile(dir=FAST) as told:
        warnings.simplefilter("ignore", DeprecationWarning)  # of threads: the child has just one
        pid = os.fork()
        if not pid:
            _die(number, act, log, told.fileno())
        ended = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        told.seek(0)
        return ended, int(told.read())


def _die(number: int, act: Callable[[], Any], log: Path, told: int) -> NoReturn:
    gc.disable()  # a look at all there is would have it copied
    synced, seen = log.stat().st_size, 0

    def end(how: int) -> NoReturn:
        os.pwrite(told, b"%d" % synced, 0)
        os._exit(how)

    def watch(_frame: Any, event: str, function: Any) -> None:
        nonlocal synced, seen
        if event == "c_call" and function.__name__ in EFFECTS:
            seen += 1
            if seen == number:
                sys.setprofile(None)
                end(KILLED)
            if function.__name__ == "fsync":
                synced = log.stat().st_size

    sys.setprofile(watch)
    try:
        act()
    finally:
        sys.setprofile(None)
        end(ENDED)


def full_at(number: int, act: Callable[[], Any]) -> Any:
    """What something returns for which there is no room at its n-th effect that needs some;
    None if it fails."""
    seen = 0

    def watch(_frame: Any, event: str, function: Any) -> None:
        nonlocal seen
        if event == "c_call" and function.__name__ in NEED_ROOM:
            seen += 1
            if seen == number:
                raise OSError(errno.ENOSPC, f"No space left on device: {function.__name__}")

    sys.setprofile(watch)
    try:
        return act()
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return None
    finally:
        sys.setprofile(None)


def each_crash(storage: Storage, act: Callable[[Storage], Any], room: Path) -> Iterator[Storage]:
    """Copies of a storage, each left behind by a crash of `act` one step later than the last."""
    number = 1
    while True:
        twin = storage.copied(room / str(number))
        end, _ = killed_at(number, functools.partial(act, twin), twin.journal_file)
        if end == ENDED:
            break
        yield twin
        shutil.rmtree(twin.home)
        number += 1
    assert number > 10, "crashes went unnoticed"


def recovered(storage: Storage) -> dict[str, Any]:
    """The state after a crash, in which all must agree."""
    assert_sound(storage)
    return storage.sections()


def assert_whole_or_not_at_all(storage: Storage, act: Act, room: Path) -> None:
    """Killed at any single step, what is asked has happened wholly or not at all; asked again, it
    has happened once. `act` asks for one thing, with an id."""
    before = essence(storage.sections())
    done = storage.copied(room / "done")
    assert act(done)["ok"]
    after = essence(done.sections())
    outcomes = set()
    for crashed in each_crash(storage, act, room):
        state = essence(recovered(crashed))
        assert state in (before, after)
        outcomes.add(state == after)
        assert act(crashed)["ok"]
        assert essence(recovered(crashed)) == after
    assert outcomes == {True, False}


def essence(state: Json) -> Json:
    """State without what asking again may change: the times at which ships were heard."""
    meta = {
        key: value for key, value in state["meta"].items() if key not in ("clock", "last_call_at")
    }
    return {"tasks": state["tasks"], "claims": state["claims"], "meta": meta}
