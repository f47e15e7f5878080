"""Files of lines, each with its time, that are read from either end. None is read whole.

A log may have a gigabyte, and a hostile ship may have made one line of it. So lines are cut off at
a limit, and reading from the end keeps the lines of one block."""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import IO

    Dated = tuple[str, str | None]
    """A time, and the line that is to be shown; None if there is none so far."""

BLOCK_BYTES = 1 << 16
TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
TIME_PLACE = 60
"""In how many of its first bytes a line has its time."""


class LineFile:
    """The lines of a file that are whole."""

    def __init__(
        self, path: Path, shown: Callable[[bytes], list[str]], limit: int, since: str = ""
    ) -> None:
        """`shown` makes of a line, of at most `limit` bytes, the lines that are to be shown of it.
        What is earlier than `since` is left out."""
        self.path = path
        self._shown = shown
        self._limit = limit
        self._since = since
        self.end = 0
        """How far it was read."""
        self._size = 0

    def mark_end(self) -> None:
        """Read no further than to where the file is now, until `grown`."""
        self.end = whole_lines_end(self.path)

    def forward(self) -> Iterator[Dated]:
        """Yield what is to be shown, up to `end`."""
        with self.path.open("rb") as file:
            file.seek(self._beginning(file))
            yield from self._read(file, self.end)

    def backward(self) -> Iterator[Dated]:
        """Yield the same, the last first; after each block its first time, to go on or not."""
        with self.path.open("rb") as file:
            beginning = self._beginning(file)
            for lines in blocks_backward(file, beginning, self.end, self._limit):
                for line in reversed(lines):
                    yield from reversed(self._dated(line))
                first = time_of(lines[0]) if lines else ""
                if first:
                    yield first, None

    def grown(self) -> Iterator[Dated]:
        """Yield what is new since `end`; if it is another file by now, all of that."""
        size = size_of(self.path)
        if size == self._size:
            return
        self._size = size
        end = whole_lines_end(self.path)
        if end < self.end:
            self.end = 0
        if end > self.end:
            with self.path.open("rb") as file:
                file.seek(self.end)
                yield from self._read(file, end)
            self.end = end

    def _read(self, file: IO[bytes], end: int) -> Iterator[Dated]:
        is_new = True
        while file.tell() < end:
            piece = file.readline(self._limit)
            if not piece:
                return
            if is_new:
                yield from self._dated(piece)
            is_new = piece.endswith(b"\n")

    def _dated(self, line: bytes) -> list[Dated]:
        shown = self._shown(line.rstrip(b"\n"))
        time = time_of(line) if shown else ""
        return [(time, text) for text in shown if time >= self._since]

    def _beginning(self, file: IO[bytes]) -> int:
        """Return where to begin to read: at most two blocks before the first line since then."""
        if not self._since:
            return 0
        low, high = 0, self.end
        while high - low > BLOCK_BYTES:
            middle = (low + high) // 2
            file.seek(middle)
            file.readline(self._limit)
            if time_of(file.readline(self._limit)) < self._since:
                low = middle
            else:
                high = middle
        if low:
            file.seek(low)
            file.readline()
            low = file.tell()
        return low


def size_of(path: Path) -> int:
    """Return a file's size in bytes; 0 if there is no such file."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def whole_lines_end(path: Path) -> int:
    """Return where the last whole line of a file ends; 0 if there is no such file."""
    try:
        with path.open("rb") as file:
            place = file.seek(0, 2)
            while place:
                begin = max(0, place - BLOCK_BYTES)
                file.seek(begin)
                newline = file.read(place - begin).rfind(b"\n")
                if newline >= 0:
                    return begin + newline + 1
                place = begin
    except FileNotFoundError:
        pass
    return 0


def blocks_backward(file: IO[bytes], begin: int, end: int, limit: int) -> Iterator[list[bytes]]:
    """Yield the lines between two places, block by block from the end; each up to a limit."""
    rest = b""
    place = end
    while place > begin:
        size = min(BLOCK_BYTES, place - begin)
        place -= size
        file.seek(place)
        first, *lines = (file.read(size) + rest).split(b"\n")
        if place == begin:
            lines.insert(0, first)
        rest = first[:limit]
        yield [line[:limit] for line in lines if line]


def time_of(line: bytes) -> str:
    """Return a line's time; empty if it has none."""
    found = TIME.search(line[:TIME_PLACE])
    return found[0].decode() if found else ""
