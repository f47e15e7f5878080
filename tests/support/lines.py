"""The journal's lines, read without ocaptain's code: those of older parts too."""

import gzip
from pathlib import Path

PART = "journal-*.jsonl"


def raw_lines(folder: Path) -> list[bytes]:
    """All lines of the journal in ~/voyage, the earliest first. The last one may be torn."""
    journal = folder / "journal.jsonl"
    bodies = {
        number(part): gzip.decompress(part.read_bytes()) for part in folder.glob(f"{PART}.gz")
    }
    for part in folder.glob(PART):
        if not part.samefile(journal):  # as it is while a sum is being made
            bodies[number(part)] = part.read_bytes()
    whole = b"".join(bodies[first] for first in sorted(bodies)) + journal.read_bytes()
    return whole.splitlines(keepends=True)


def number(part: Path) -> int:
    """The number of a part's first line."""
    return int(part.name.split("-")[1].split(".")[0])
