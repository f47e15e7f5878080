"""Reads a voyage's logs from its storage."""

import json
from collections.abc import Callable

from ocaptain.onboard.protocol import LogQuery, LogsAnswer
from ocaptain.ssh import Unreachable, clean

from .answers import read_answer
from .voyage import Voyage


class Reader:
    """Takes in what storage prints: an answer, and then lines."""

    def __init__(self, storage: str, use: Callable[[str], None]) -> None:
        self.has_begun = False
        self.lines = 0
        """How many there were."""
        self._storage = storage
        self._use = use

    def take(self, line: bytes) -> None:
        """Take a line. Raises Failure if storage refuses, Unreachable if it gives no answer."""
        if self.has_begun:
            self.lines += 1
            self._use(clean(line).rstrip("\n"))
            return
        try:
            read_answer(line, LogsAnswer)
        except (ValueError, RecursionError):
            raise self.no_answer(line) from None
        self.has_begun = True

    def no_answer(self, line: bytes) -> Unreachable:
        """Return what to raise if storage has said something else."""
        said = clean(line).strip()
        return Unreachable(f"{self._storage} gave no log: {said or 'no answer'}")


async def read_logs(voyage: Voyage, query: LogQuery, use: Callable[[str], None]) -> int:
    """Call `use` with each line `time ship text` that is asked for, as it comes, until the end.

    Lines are in the order of their times. Returns how many there were. Raises Failure if there is
    no such ship, or task."""
    reader = Reader(voyage.storage, use)
    command = voyage.program("logs", json.dumps(query))
    await voyage.ssh.read_lines(voyage.storage, command, reader.take)
    if not reader.has_begun:
        raise reader.no_answer(b"")
    return reader.lines


def query_of(
    *,
    ship: str = "",
    task: str = "",
    since: str = "",
    pattern: str = "",
    tail: int = 0,
    follow: bool = False,
) -> LogQuery:
    """Return a query for all lines, or for some of them."""
    return {
        "ship": ship,
        "task": task,
        "since": since,
        "pattern": pattern,
        "tail": tail,
        "follow": follow,
    }
