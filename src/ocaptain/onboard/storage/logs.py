"""The voyage's logs, as the captain reads them: what ships say, and what was done to the voyage.

A log has one line per event: UTC time, a space, the text. What was done is in the journal.
What is printed is a line of JSON, `ok` or a Refusal, and then the lines that were asked for.
"""

from __future__ import annotations

import heapq
import json
import re
import select
import sys
from itertools import islice

from ..text import clean
from . import deeds
from .logfiles import LineFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from typing import Literal

    from ..protocol import LogQuery, Refusal
    from .logfiles import Dated

    NamedKind = Literal["ship", "task"]

POLL_S = 0.3
LINE_LIMIT = 5_000
"""Bytes of a line that are shown: ten times what helm writes."""
JOURNAL_LINE_LIMIT = 4_000_000
"""Bytes of a line of the journal that are read: no order is longer."""
JOURNAL = ""
"""What stands in the place of a ship's name for the journal."""
HANDS = ("captain", "harbor")
"""Whose deeds are in the journal."""


def main(home: Path, query_text: str) -> None:
    """Print log lines. `query_text` is a LogQuery in JSON."""
    query: LogQuery = json.loads(query_text)
    refusal = fault(home, query)
    print(json.dumps(refusal or {"ok": True}), flush=True)
    if not refusal:
        for line in read(home / "voyage", query):
            print(line, flush=query["follow"])


# Whether there is what is asked for


def task_ids(home: Path) -> list[str]:
    """Return the ids of all tasks."""
    return [path.stem for path in (home / ".claude" / "tasks").glob("voyage-*-tasks/[!.]*.json")]


def fault(home: Path, query: LogQuery) -> Refusal | None:
    """Return why a query makes no sense: its ship, or its task, is none of this voyage's."""
    ship = query["ship"]
    task = query["task"]
    if ship:
        ships = speakers(home / "voyage")
        if ship not in ships:
            return no_such("ship", ship, ships, "ocaptain status")
    if task:
        tasks = task_ids(home)
        if task not in tasks:
            return no_such("task", task, tasks, "ocaptain tasks")
    return None


def speakers(folder: Path) -> list[str]:
    """Return whose lines there may be: ships, also those that have gone, and others."""
    names = set(HANDS)
    names.update(path.stem for path in (folder / "ships").glob("ship-*.json"))
    names.update(path.stem for path in (folder / "logs").glob("*.log"))
    return sorted(names, key=lambda name: (len(name), name))


def no_such(kind: NamedKind, name: str, names: Iterable[str], command: str) -> Refusal:
    """Return the answer to a name that there is not, with the one that was probably meant."""
    from difflib import get_close_matches  # few need it

    close = get_close_matches(f"{kind}-{name}" if name.isdigit() else name, names, 1)
    hint = f"; did you mean {close[0]}?" if close else f"; to see them: {command}"
    return {"ok": False, "code": kind, "error": f"there is no {kind} {name!r:.60}{hint}"}


# Reading


def read(folder: Path, query: LogQuery) -> Iterator[str]:
    """Yield lines `time ship text`, by time. If they are followed, until stdin ends.

    `folder` is ~/voyage."""
    sources = Sources(folder, query)
    sources.look()
    if query["tail"]:
        yield from reversed([*islice(sources.backward(), query["tail"])])
    else:
        yield from sources.forward()
    while query["follow"] and not stdin_ends_within(POLL_S):
        yield from sources.grown()


class Sources:
    """The files that a query is about."""

    def __init__(self, folder: Path, query: LogQuery) -> None:
        self._folder = folder
        self._query = query
        self._is_wanted = filter_of(query)
        self._files: dict[str, LineFile] = {}

    def look(self) -> None:
        """Take in files that are new, up to where they end now."""
        for name, path in self._paths():
            if name not in self._files:
                self._files[name] = self._file(name, path)
                self._files[name].mark_end()

    def _paths(self) -> Iterator[tuple[str, Path]]:
        for path in sorted((self._folder / "logs").glob(f"{self._query['ship'] or '*'}.log")):
            yield path.stem, path
        if not self._query["ship"] or self._query["ship"] in HANDS:
            yield JOURNAL, self._folder / "journal.jsonl"

    def _file(self, name: str, path: Path) -> LineFile:
        if name == JOURNAL:
            return LineFile(path, self._deeds, JOURNAL_LINE_LIMIT, self._query["since"])

        def shown(line: bytes) -> list[str]:
            text = fit(line).replace(" ", f" {name} ", 1)
            return [text] if self._is_wanted(text) else []

        return LineFile(path, shown, LINE_LIMIT, self._query["since"])

    def _deeds(self, line: bytes) -> list[str]:
        wanted = filter(self._is_wanted, deeds.lines(line))
        return [deed for deed in wanted if self._query["ship"] in ("", deed.split(" ", 2)[1])]

    def forward(self) -> Iterator[str]:
        """Yield all lines."""
        files = self._files.items()
        logs = [file.forward() for name, file in files if name and file.end]
        for _, line in heapq.merge(*logs, self._deeds_forward(), key=time_of):
            if line is not None:
                yield line

    def backward(self) -> Iterator[str]:
        """Yield all lines, the last first."""
        files = reversed(self._files.items())
        logs = [file.backward() for name, file in files if name and file.end]
        for _, line in heapq.merge(self._deeds_backward(), *logs, key=time_of, reverse=True):
            if line is not None:
                yield line

    def grown(self) -> list[str]:
        """Return the lines that are new."""
        known_before = {*self._files}
        self.look()
        for name in {*self._files} - known_before:
            self._files[name].end = 0
        new = [dated for file in self._files.values() for dated in file.grown()]
        return [line for _, line in sorted(new, key=time_of) if line is not None]

    # The journal, with its older parts

    def _deeds_forward(self) -> Iterator[Dated]:
        journal = self._files.get(JOURNAL)
        if journal and journal.end:
            for part in self._parts():
                yield from self._deeds_of(part)
            yield from journal.forward()

    def _deeds_backward(self) -> Iterator[Dated]:
        journal = self._files.get(JOURNAL)
        if journal and journal.end:
            yield from journal.backward()
            for part in reversed(self._parts()):
                yield from reversed([*self._deeds_of(part)])

    def _parts(self) -> list[Path]:
        from .journal import Journal  # few journals have any parts, or are read so far back
        from .parts import all_parts

        return all_parts(Journal(self._folder.parent, ""))

    def _deeds_of(self, part: Path) -> Iterator[Dated]:
        from zlib import error

        from .parts import lines_of

        try:
            for raw in lines_of(part):
                for deed in self._deeds(raw):
                    if deed >= self._query["since"]:
                        yield deed.partition(" ")[0], deed
        except (OSError, EOFError, error):
            return  # it is damaged: fsck says so


def time_of(dated: Dated) -> str:
    """Return the time of a line."""
    return dated[0]


def filter_of(query: LogQuery) -> Callable[[str], bool]:
    """Return what tells whether a line `time ship text` is asked for."""
    matches = re.compile(query["pattern"]).search
    tag = f"[{query['task']}]"

    def is_wanted(line: str) -> bool:
        if query["task"] and tag not in line.split(" ", 3)[2:3]:
            return False
        return not query["pattern"] or matches(line) is not None

    return is_wanted


def stdin_ends_within(seconds: float) -> bool:
    """Wait so long, or until the end of stdin, which says that nobody reads on."""
    ended, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ended)


def growing(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a log, fit for a terminal: each time those that are whole since the last.

    This has no end."""
    file = LineFile(path, lambda line: [fit(line)], LINE_LIMIT)
    while True:
        yield [line for _, line in file.grown() if line is not None]


def fit(line: bytes) -> str:
    """Return a line as it is fit for a terminal."""
    return clean(line[:LINE_LIMIT].decode("utf-8", "replace"), keep="\t")
