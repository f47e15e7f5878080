"""What runs and stands on the machine that tests run on."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ocaptain.onboard.process import marked


def put(path: Path, body: str) -> None:
    """Write a file, and the directories that it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(body)


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for something; it has to come."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come in time"
        time.sleep(0.05)


def cmdline(pid: int) -> str:
    """A process's arguments, each ended by a NUL; empty where it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def kill_all(entry: str) -> None:
    """Kill all processes that carry an entry in their environment."""
    while pids := marked(entry):
        for pid in pids:
            with suppressed():
                os.kill(pid, 9)
        time.sleep(0.02)


@contextmanager
def suppressed() -> Iterator[None]:
    """Let processes and files be gone."""
    try:
        yield
    except OSError:
        return


def processes(text: str) -> list[str]:
    """Processes that have `text` in their arguments or environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        with suppressed():
            words, env = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
            if text.encode() in words + env and int(path.name) != os.getpid():
                found.append(f"{path.name} {words.decode(errors='replace')}")
    return found


def mounts() -> list[str]:
    return Path("/proc/mounts").read_text().splitlines()
