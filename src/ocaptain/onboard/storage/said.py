"""What a ship said last, read from the end of its log."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import NamedTuple

from ..text import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

END_BYTES = 4_096
"""How much of a log is read: more than helm writes in a line."""
SAID_LIMIT = 300
"""Characters of a line that are told."""


class Said(NamedTuple):
    """A line of a log."""

    at: str | None
    """RFC 3339, in UTC."""
    text: str | None


def last_line(log: Path) -> Said:
    """Return the last whole line of a log; nothing if there is none."""
    end = b""
    with suppress(OSError), log.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - END_BYTES))
        end = file.read()
    lines = end.rpartition(b"\n")[0].splitlines()
    if not lines:
        return Said(None, None)
    at, _, text = lines[-1].decode(errors="replace").partition(" ")
    return Said(one_line(at, 40), one_line(text, SAID_LIMIT))
