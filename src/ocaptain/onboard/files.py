"""Files that are replaced as a whole, on either side, and bytecode."""

from __future__ import annotations

import json
import os
from pathlib import Path


def write(path: Path, value: object, *, ns: int | None = None, indent: int | None = 2) -> None:
    """Replace a file's contents by `value` as JSON; None removes the file."""
    if value is None:
        path.unlink(missing_ok=True)
    else:
        put(path, json.dumps(value, indent=indent), ns)


def put(path: Path, text: str, ns: int | None = None) -> None:
    """Replace a file's contents, and make the directory that it is in. `ns` is the file's mtime, in
    nanoseconds since 1970.

    A crash leaves all of it or nothing, but no power cut does before the disk is synced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_text(text)
    if ns is not None:
        os.utime(new, ns=(ns, ns))
    new.rename(path)


def compile_half(home: Path, half: str) -> None:
    """Write the bytecode of one half, `ship` or `storage`, and of what both halves share.

    Python itself may leave half a file behind if the disk is full, which bars all calls then."""
    from compileall import compile_dir  # which no call of a ship should wait for

    lib = home / "voyage" / "lib"
    compile_dir(lib, maxlevels=1, quiet=2)
    compile_dir(lib / "onboard" / half, quiet=2)
