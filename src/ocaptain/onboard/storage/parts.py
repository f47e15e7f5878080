"""The journal's older parts: `journal-N.jsonl.gz`, where N is the number of the first line.

Each later one, and the journal itself, begins with a line that sums up all that came before it."""

from __future__ import annotations

import json
import os
from contextlib import suppress

from .journal import UNSOUND, fold, no_entries, sync

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import IO

    from ..protocol import Json, Sections
    from .journal import Journal


def plain_parts(journal: Journal) -> list[Path]:
    """Return the parts that are not compressed.

    If `sum_up` was killed, there is one that still is the journal: it does not count."""
    parts = journal.folder.glob("journal-*.jsonl")
    return [part for part in parts if not part.samefile(journal.lines)]


def compress(part: Path) -> None:
    """Replace a part by a compressed one. Killed anywhere in this, there is the one or the other.

    If there are both, they are the same."""
    import gzip
    import shutil

    new = part.with_name(f".{part.name}.new")
    with part.open("rb") as plain, new.open("wb") as file:
        with gzip.open(file, "wb") as compressed:
            shutil.copyfileobj(plain, compressed)
        file.flush()
        os.fsync(file.fileno())
    new.rename(part.with_name(f"{part.name}.gz"))
    sync(part.parent)
    part.unlink()


def all_parts(journal: Journal) -> list[Path]:
    """Return all parts, the earliest first."""
    compressed = [*journal.folder.glob("journal-*.jsonl.gz")]
    names = {part.name for part in compressed}
    plain = [part for part in plain_parts(journal) if f"{part.name}.gz" not in names]
    return sorted([*compressed, *plain], key=first_change)


def first_change(part: Path) -> int:
    """Return the number of a part's first line."""
    return int(part.name.removeprefix("journal-").partition(".")[0])


def lines_of(part: Path) -> Iterator[bytes]:
    """Yield the lines of a part. Raises OSError, EOFError or zlib.error if it is damaged."""
    import gzip

    if part.suffix == ".gz":
        with gzip.open(part) as file:
            yield from file
    else:
        with part.open("rb") as file:
            yield from file


class Onlooker:
    """Reads the journal as it grows, without the lock: each line of it and its older parts once."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._file: IO[bytes] | None = None

    def all_so_far(self) -> Iterator[Json]:
        """Yield each line that there is, the earliest first. Damaged parts are left out."""
        from zlib import error

        for part in all_parts(self._journal):
            with suppress(OSError, EOFError, error):
                for raw in lines_of(part):
                    yield from parsed(raw)
        yield from self.new()

    def new(self) -> Iterator[Json]:
        """Yield the lines that have come since the last look."""
        if self._file:
            yield from self._read(self._file)
        if self._file is None or not self._is_current(self._file):
            self._close()
            self._file = self._journal.lines.open("rb")
            yield from self._read(self._file)

    def __del__(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._file:
            self._file.close()

    def _is_current(self, file: IO[bytes]) -> bool:
        """Whether the journal was not begun anew since a file was opened."""
        return os.path.samestat(os.fstat(file.fileno()), self._journal.lines.stat())

    def _read(self, file: IO[bytes]) -> Iterator[Json]:
        place = file.tell()
        for raw in iter(file.readline, b""):
            if not raw.endswith(b"\n"):
                break  # it is being written, or torn
            place += len(raw)
            yield from parsed(raw)
        file.seek(place)


def parsed(raw: bytes) -> Iterator[Json]:
    """Yield a line of the journal, if it can be read."""
    with suppress(*UNSOUND):
        line = json.loads(raw)
        if line["op"] and line["set"] is not None:
            yield line


def part_faults(journal: Journal) -> Iterator[str]:
    """Yield what is wrong with the older parts: each has to go on where the one before ends."""
    from zlib import error

    with journal.lines.open("rb") as file:
        first_line = file.readline()
    parts = all_parts(journal)
    state = no_entries()
    seq = 0
    for part in parts:
        try:
            for raw in lines_of(part):
                seq = take_in(raw, state, seq)
        except (OSError, EOFError, error, *UNSOUND):
            yield f"{part.name}: damaged after change {seq}"
            return
    try:
        if parts:
            take_in(first_line, state, seq)
    except UNSOUND:
        yield f"journal.jsonl does not go on where {parts[-1].name} ends"


def take_in(raw: bytes, state: Sections, seq: int) -> int:
    """Fold a line into the state of the line before, number `seq`. Returns its number.

    Raises one of UNSOUND if it does not follow."""
    line = json.loads(raw)
    is_other = line["op"] == "sum" and line["set"] != state
    if is_other or line["seq"] != seq + 1:
        raise LookupError
    fold(state, line["set"])
    return seq + 1
