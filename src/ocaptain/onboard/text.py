"""Text that people will read, on either side."""

from __future__ import annotations

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path


def utc(epoch: float) -> str:
    """Return the RFC 3339 time in UTC, with milliseconds, of seconds since the epoch."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))
    milliseconds = int(epoch % 1 * 1000)
    return f"{seconds}.{milliseconds:03}Z"


INVISIBLE = "\u200b\u200c\u200d\u2060"
"""Characters that join or part others, as in emoji of families. They steer nothing."""


def clean(text: str, keep: str = "") -> str:
    """Replace whatever could steer a terminal, apart from the characters in `keep`."""
    if text.isprintable():
        return text
    kept = keep + INVISIBLE
    return "".join(c if c.isprintable() or c in kept else "\ufffd" for c in text)


def one_line(text: str, limit: int) -> str:
    """Make one clean line of text, of at most `limit` characters."""
    return " ".join(clean(text, keep="\n\t").split())[:limit]


def whole(text: str) -> str:
    """Return text without half characters, which JSON allows and UTF-8 does not."""
    return text.encode(errors="replace").decode()


def several(count: int, noun: str) -> str:
    """Return the count with its noun: 1 ship, 2 ships."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun}s"


def known_host(name: str, key: str) -> str:
    """Return the line of a known_hosts file (sshd(8)) for a key that may follow a marker."""
    marker = ""
    if key.startswith("@"):
        marker, _, key = key.partition(" ")
    return f"{marker} {name} {key}".lstrip() + "\n"


def ssh_path(path: Path) -> str:
    """Quote a path for ssh_config(5), in which ssh would expand `%h` and the like."""
    escaped = str(path).replace("%", "%%").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
