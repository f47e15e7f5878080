"""What comes from storage of ships' telemetry, piece by piece, as lines."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Self

from ocaptain.onboard.picture import Kept

LONGEST_LINE = 32_000_000
"""Bytes of a line that are waited for: no request that a ship takes in is longer."""


class KeptLines:
    """Lines of telemetry, which lie on this machine's disk until they are read."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by `__exit__`)
        self._read = 0
        self._sizes: dict[str, int] = {}
        self._rests: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def sizes(self) -> Mapping[str, int]:
        """How many bytes have come of each ship's."""
        return self._sizes

    def take(self, piece: Kept) -> None:
        """Take the next piece of a ship's. Its last line may be whole only with the next one."""
        ship = piece["ship"]
        data = piece["text"].encode("latin-1", "replace")
        self._sizes[ship] = self._sizes.get(ship, 0) + len(data)
        whole, newline, rest = (self._rests.get(ship, b"") + data).rpartition(b"\n")
        self._rests[ship] = rest if len(rest) <= LONGEST_LINE else b""
        self._file.seek(0, os.SEEK_END)
        self._file.write(whole + newline)

    def lines(self) -> Iterator[bytes]:
        """Yield each whole line that was not read yet. More may come meanwhile."""
        while True:
            self._file.seek(self._read)
            line = self._file.readline()
            self._read += len(line)
            if not line:
                return
            yield line

    def unfinished(self) -> Iterator[bytes]:
        """Yield lines that were begun, and never ended."""
        yield from (rest for rest in self._rests.values() if rest)
