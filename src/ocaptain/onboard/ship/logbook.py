"""How much of a ship's log storage has, and what comes next."""

import os
from contextlib import suppress
from pathlib import Path

from ..protocol import LogNews

BATCH = 16_000
"""Bytes of the log that are sent at once."""


class Logbook:
    """A ship's log on its way to storage, whose copy is always its beginning."""

    def __init__(self, path: Path, batch: int = BATCH) -> None:
        """`batch` is how many bytes of it are sent at once."""
        self.path = path
        self._batch = batch
        self.sent = 0
        """Bytes that storage has, by its last answer."""

    def has_news(self) -> bool:
        """Whether there may be something that storage has not."""
        with suppress(OSError):
            return self.path.stat().st_size > self.sent
        return False

    def news(self) -> LogNews | None:
        """Return what is to be sent next: whole lines, at most so many. None if there are none.

        Of a line that is longer than that, its next part."""
        offset = self.sent
        with suppress(OSError), self.path.open("rb") as log:
            found = os.pread(log.fileno(), self._batch, offset)
            lines, newline, _ = found.rpartition(b"\n")
            if newline or len(found) == self._batch:
                text = lines + newline or found
                return {"offset": offset, "text": text.decode(errors="replace")}
        return None
