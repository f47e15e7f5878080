"""The ships' logs, as the captain reads them.

A log has one line per event: UTC time, a space, the text.
"""

import json
import re
import select
import sys
from collections.abc import Iterator
from pathlib import Path

from ..protocol import LogQuery
from ..text import clean

POLL_S = 0.3
LINE_LIMIT = 5_000
"""Bytes of a line that are shown: ten times what helm writes."""


def main(home: Path, query: str) -> None:
    """Print log lines. `query` is a LogQuery in JSON."""
    for line in read(home / "voyage" / "logs", json.loads(query)):
        print(line, flush=True)


def read(folder: Path, query: LogQuery) -> Iterator[str]:
    """Yield lines `time ship text`, by time. If they are followed, until stdin ends."""
    logs: dict[str, Iterator[list[str]]] = {}
    tail = query["tail"]
    while True:
        for path in folder.glob(f"{query['ship'] or '*'}.log"):
            if path.stem not in logs:
                logs[path.stem] = growing(path)
        lines = [line for line in new_lines(logs) if re.search(query["pattern"], line)]
        lines.sort(key=time_of)
        yield from lines[-tail:]  # all, if that is 0
        if not query["follow"] or stdin_ends_within(POLL_S):
            return
        tail = 0


def new_lines(logs: dict[str, Iterator[list[str]]]) -> Iterator[str]:
    """Yield what each log has new, with the ship's name after the time."""
    for ship, log in logs.items():
        for line in next(log):
            yield line.replace(" ", f" {ship} ", 1)


def time_of(line: str) -> str:
    """Return the time of a line."""
    return line.partition(" ")[0]


def stdin_ends_within(seconds: float) -> bool:
    """Wait so long, or until the end of stdin, which says that nobody reads on."""
    ended, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ended)


def growing(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a log, fit for a terminal: each time those that are whole since the last.

    This has no end."""
    while not path.exists():
        yield []
    with path.open("rb") as log:
        torn = b""
        while True:
            *lines, torn = (torn + log.read()).split(b"\n")
            yield [clean(line[:LINE_LIMIT].decode("utf-8", "replace"), keep="\t") for line in lines]
