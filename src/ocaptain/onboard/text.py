"""Text that people will read, on either side, and the words in it that nobody may."""

from __future__ import annotations

import re
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|HEADERS")
SHORTEST_SECRET = 8
"""Shorter values are words that other text has as well."""


def utc(epoch: float) -> str:
    """Return the RFC 3339 time in UTC, with milliseconds, of seconds since the epoch."""
    seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(epoch))
    milliseconds = int(epoch % 1 * 1000)
    return f"{seconds}.{milliseconds:03}Z"


def clean(text: str, keep: str = "") -> str:
    """Replace whatever could steer a terminal, apart from the characters in `keep`."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def one_line(text: str, limit: int) -> str:
    """Make one clean line of text, of at most `limit` characters."""
    return " ".join(clean(text, keep="\n\t").split())[:limit]


def several(count: int, noun: str) -> str:
    """Return the count with its noun: 1 ship, 2 ships."""
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun}s"


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Return the values of an environment that nobody else may see, the longest first."""
    values = {
        value
        for name, value in environ.items()
        if SECRET_NAME.search(name) and len(value) >= SHORTEST_SECRET
    }
    return sorted(values, key=len, reverse=True)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """Replace every secret in the text by ***."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
