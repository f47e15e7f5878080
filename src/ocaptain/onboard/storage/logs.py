"""The ships' logs, as the captain reads them.

A log is one line per event: UTC time, a space, the text.
"""

import json
import re
import select
import sys
from collections.abc import Iterator
from pathlib import Path

from ..text import clean

LOOK_S = 0.3


def main(home: Path, wanted: str) -> None:
    """Print log lines; `wanted` has the arguments of `read`, as a JSON object."""
    for line in read(home / "voyage" / "logs", **json.loads(wanted)):
        print(line, flush=True)


def growing(path: Path) -> Iterator[list[str]]:
    """The lines of a log, fit for a terminal: those that came whole since the last look, each time;
    for ever."""
    while not path.exists():
        yield []
    with path.open("rb") as log:
        rest = b""
        while True:
            *whole, rest = (rest + log.read()).split(b"\n")
            # No longer than ten times what helm writes.
            yield [clean(line[:5_000].decode("utf-8", "replace"), keep="\t") for line in whole]


def read(folder: Path, ship: str, pattern: str, tail: int, follow: bool) -> Iterator[str]:
    """Lines `time ship text` of one ship or all (""), by time: those that match a pattern, and of
    those there are the last `tail`, or all (0); with `follow` without end."""
    logs: dict[str, Iterator[list[str]]] = {}
    while True:
        for path in folder.glob(f"{ship or '*'}.log"):
            logs.setdefault(path.stem, growing(path))
        new = [line.replace(" ", f" {name} ", 1) for name in logs for line in next(logs[name])]
        found = [line for line in new if re.search(pattern, line)]
        yield from sorted(found, key=lambda line: line.partition(" ")[0])[-tail:]
        if not follow or select.select([sys.stdin], [], [], LOOK_S)[0]:
            return  # the end of stdin: nobody reads on
        tail = 0
