"""Text that people will read, on either side, and the words in it that nobody may."""

import re
import time
from collections.abc import Iterable, Mapping

SECRET_NAME = re.compile(r"TOKEN|KEY|SECRET|PASSWORD|HEADERS")


def utc(epoch: float) -> str:
    """RFC 3339 time in UTC with milliseconds, of seconds since the epoch."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(epoch))}.{int(epoch % 1 * 1000):03}Z"


def clean(text: str, keep: str = "") -> str:
    """`text` without what could steer a terminal, apart from the characters in `keep`."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)


def several(count: int, noun: str) -> str:
    """So many of what `noun` names."""
    return f"{count} {noun}{'s' * (count != 1)}"


def secret_values(environ: Mapping[str, str]) -> list[str]:
    """Values of an environment that nobody else may see, the longest first."""
    found = {v for k, v in environ.items() if SECRET_NAME.search(k) and len(v) >= 8}
    return sorted(found, key=len, reverse=True)


def redacted(text: str, secrets: Iterable[str]) -> str:
    """`text` with every secret replaced by ***."""
    for secret in secrets:
        text = text.replace(secret, "***")
    return text
