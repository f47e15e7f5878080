"""The machine that tests run on: its files and processes, and waiting for them."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PROC = Path("/proc")


class Trouble(AssertionError):
    """Something that had to come about did not. The message says what."""


def put(path: Path, body: str) -> None:
    """Write a file, and make the directories that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)


def until(condition: Callable[[], T], seconds: float = 20, what: str = "it") -> T:
    """Wait until a condition holds, and return what it returned. Raises Trouble if it does not.

    It rests longer than a look takes: to look all the time would slow down what it waits for."""
    deadline = time.monotonic() + seconds
    while True:
        began = time.monotonic()
        value = condition()
        if value:
            return value
        now = time.monotonic()
        if now > deadline:
            raise Trouble(f"{what} did not come within {seconds:g} s")
        time.sleep(max(0.05, 2 * (now - began)))


@contextmanager
def suppressed() -> Iterator[None]:
    """Let processes and files be gone."""
    with suppress(OSError):
        yield


def command_line(pid: int) -> str:
    """Return a process's arguments, each ended by a NUL; nothing if it is gone."""
    with suppress(OSError):
        return (PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace")
    return ""


def command_lines() -> set[bytes]:
    """Return the arguments of all processes, each ended by a NUL.

    Any may end while we look. So no pattern may reach into their folders: glob would raise that."""
    found = set()
    for path in PROC.glob("[0-9]*"):
        with suppress(OSError):
            found.add((path / "cmdline").read_bytes())
    return found


def processes(text: str) -> list[str]:
    """Describe the processes that have `text` in their arguments or environment, but not us."""
    described = []
    for path in PROC.glob("[0-9]*"):
        with suppress(OSError):
            arguments = (path / "cmdline").read_bytes()
            environment = (path / "environ").read_bytes()
            if text.encode() in arguments + environment and int(path.name) != os.getpid():
                described.append(f"{path.name} {arguments.decode(errors='replace')}")
    return described


def mounts() -> list[str]:
    """Return what is mounted, a line each."""
    return (PROC / "mounts").read_text().splitlines()


def signal_all(number: int, pids: Iterable[int]) -> int:
    """Send processes a signal, and return how many there still were."""
    sent = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)
            sent += 1
    return sent


def serving_sshds(vm: Path) -> set[int]:
    """Return the sshd processes that serve a VM of `local`: they have its log open."""
    serving = set()
    for process in PROC.glob("[0-9]*"):
        with suppress(OSError):
            is_sshd = (process / "comm").read_text().startswith("sshd")
            if is_sshd and vm / "sshd.log" in open_files(process):
                serving.add(int(process.name))
    return serving


def open_files(process: Path) -> list[Path]:
    """Return the files that a process has open; `process` is its folder in /proc.

    It may close some, or end, while we look."""
    files = []
    with suppress(OSError):
        for descriptor in (process / "fd").iterdir():
            with suppress(OSError):
                files.append(descriptor.readlink())
    return files


def hang_up(vm: Path) -> int:
    """Kill the sshd processes that serve a VM of `local`, and return how many there were."""
    return signal_all(signal.SIGKILL, serving_sshds(vm))
