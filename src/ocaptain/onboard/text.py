"""Text that people will read, on either side."""

import time


def utc(epoch: float) -> str:
    """RFC 3339 time in UTC with milliseconds, of seconds since the epoch."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(epoch))}.{int(epoch % 1 * 1000):03}Z"


def clean(text: str, keep: str = "") -> str:
    """`text` without what could steer a terminal, apart from the characters in `keep`."""
    return "".join(c if c.isprintable() or c in keep else "\ufffd" for c in text)
