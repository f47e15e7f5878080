"""The ships' logs on storage: appended to by harbor, read by the captain.

A log is one line per event: UTC time, a space, the text. A ship writes only its own, up to a limit.
"""

import fcntl
import json
import os
import re
import select
import sys
from collections.abc import Iterator
from pathlib import Path

from .text import clean

LOG_LIMIT = 50_000_000
LOOK_S = 0.3


def append(path: Path, at: int, text: str) -> int:
    """Append what a ship says to its log, and return the log's size in bytes.

    `at` is the size of the log before `text` as the ship knows it: what a lost answer makes it send
    again is not written twice."""
    data = text.encode("utf-8", "replace")
    with path.open("a+b") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        size = log.seek(0, os.SEEK_END)
        log.seek(min(at, size))
        known = log.read(len(data))
        rest = data[len(known) :] if data.startswith(known) else data
        return size + (log.write(rest) if size + len(rest) <= LOG_LIMIT else 0)


class Lines:
    """The lines of a log, as it grows."""

    def __init__(self, path: Path) -> None:
        self.path, self.offset = path, 0

    def new(self) -> list[str]:
        """Whole lines that were added since the last call, fit for a terminal."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as log:
            log.seek(self.offset)
            data = log.read()
        whole = data[: data.rfind(b"\n") + 1]
        self.offset += len(whole)
        return [clean(line, keep="\t") for line in whole.decode("utf-8", "replace").splitlines()]


def read(folder: Path, ship: str, pattern: str, tail: int, follow: bool) -> Iterator[str]:
    """Lines `time ship text` of one ship or all (""), by time: those that match a pattern, and of
    those there are the last `tail`, or all (0); with `follow` without end."""
    logs: dict[str, Lines] = {}
    while True:
        for path in folder.glob("*.log"):
            if ship in ("", path.stem):
                logs.setdefault(path.stem, Lines(path))
        new = (line.replace(" ", f" {name} ", 1) for name in logs for line in logs[name].new())
        lines = sorted(new, key=lambda line: line.partition(" ")[0])
        found = [line for line in lines if re.search(pattern, line)]
        yield from found[-tail:]
        if not follow:
            return
        tail = 0
        if select.select([sys.stdin], [], [], LOOK_S)[0]:
            return  # its end: nobody reads on


def main(home: Path, argv: list[str]) -> None:
    """Print log lines; `argv[0]` has the arguments of `read`, as a JSON object."""
    for line in read(home / "voyage" / "logs", **json.loads(argv[0])):
        print(line, flush=True)
