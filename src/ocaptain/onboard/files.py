"""Files that are replaced as a whole, on either side."""

import json
import os
from pathlib import Path
from typing import Any


def write(path: Path, value: Any, ns: int | None = None) -> None:
    """Replace a file's contents by `value` as JSON, or remove it where that is None. `ns`: its
    mtime, in ns since 1970."""
    if value is None:
        path.unlink(missing_ok=True)
    else:
        put(path, json.dumps(value, indent=None if path.name == "state.json" else 2), ns)


def put(path: Path, text: str, ns: int | None = None) -> None:
    """Replace a file's contents, and make the directory that it is in: all or nothing, though not
    for good before the disk is synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    if ns is not None:
        os.utime(new, ns=(ns, ns))
    new.rename(path)
