"""Lines that git writes into a file in conflict: which of them a file has that are not its own."""

import re
from collections import Counter
from collections.abc import Iterable

USUAL_SIZE = 7
"""Characters of a marker, unless the attribute `conflict-marker-size` says otherwise."""


def markers(text: "bytes | memoryview", size: int = USUAL_SIZE) -> Counter[bytes]:
    """Return the lines that begin or end a conflict, and how often each is there.

    The styles `merge`, `diff3` and `zdiff3` all have them."""
    return _lines(text, rb"<>", size)


def separators(text: "bytes | memoryview", size: int = USUAL_SIZE) -> Counter[bytes]:
    """Return the lines that part the sides of a conflict. Other texts have such lines too."""
    return _lines(text, rb"=|", size)


def leftover(found: Counter[bytes], sides: Iterable[Counter[bytes]]) -> list[bytes]:
    """Return the lines that are there more often than in any version that was merged."""
    own: Counter[bytes] = Counter()
    for side in sides:
        own |= side
    return sorted(found - own)


def _lines(text: "bytes | memoryview", characters: bytes, size: int) -> Counter[bytes]:
    repeated = [re.escape(bytes([character])) + b"{%d}" % size for character in characters]
    marker = b"|".join(repeated)
    pattern = rb"^(?:%s)(?: [^\r\n]*)?(?=\r?$)" % marker
    return Counter(match[0] for match in re.finditer(pattern, text, re.MULTILINE))
