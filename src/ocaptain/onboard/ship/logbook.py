"""How much of a ship's log storage has, and what comes next."""

import os
from contextlib import suppress
from pathlib import Path

from ..protocol import LogNews

BATCH = 16_000
"""Bytes of the log that are sent at once."""


class Logbook:
    """A ship's log on its way to storage, whose copy is always its beginning."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sent = 0
        """Bytes that storage has, by its last answer."""

    def has_news(self) -> bool:
        """Whether there may be something that storage has not."""
        with suppress(OSError):
            return self.path.stat().st_size > self.sent
        return False

    def news(self) -> LogNews | None:
        """Return what is to be sent next: whole lines, at most so many. None if there are none."""
        offset = self.sent
        with suppress(OSError), self.path.open("rb") as log:
            lines = os.pread(log.fileno(), BATCH, offset).rpartition(b"\n")[0]
            if lines:
                return {"offset": offset, "text": lines.decode(errors="replace") + "\n"}
        return None
