"""What a VM is sent: boot.json, the onboard code, and perhaps the captain's repository."""

import gzip
import io
import json
import sys
import tarfile
from collections.abc import Callable
from compileall import compile_dir
from functools import cache
from pathlib import Path
from typing import Literal

import ocaptain.onboard
from ocaptain.onboard.protocol import ShipBoot, StorageBoot

Half = Literal["ship", "storage"]
"""The part of the onboard code that a VM has, besides what both share."""

ONBOARD = Path(ocaptain.onboard.__file__).parent
TAG = sys.implementation.cache_tag
"""What tells this Python's bytecode from others'."""
MAIN = """\
import gc
gc.disable()
from onboard.programs import main
main()
"""
"""What Python runs when it is given ~/voyage/lib.

Without the garbage collector a harbor call ends sooner."""

END = bytes(2 * tarfile.BLOCKSIZE)
"""What ends a tar archive."""


def pack(
    boot: StorageBoot | ShipBoot,
    *,
    code: Half | None,
    bytecode: bool = False,
    bundle: Path | None = None,
) -> bytes:
    """Pack boot.json, perhaps with one half of the onboard code, and a git bundle if there is one.

    With `bytecode` the code is compiled for the Python that runs this. Returns a gzipped tar
    archive, to be unpacked in ~/voyage. It is in pieces, each gzipped by itself, which is as good
    to gunzip (RFC 1952): the code is the same for all ships."""
    pieces = [_packed(lambda tar: _add_text(tar, "boot.json", json.dumps(boot)))]
    if code:
        pieces.append(_code(code, bytecode=bytecode))
    if bundle and bundle.exists():
        pieces.append(_packed(lambda tar: tar.add(bundle, "source.bundle")))
    return b"".join([*pieces, gzip.compress(END)])


@cache
def _code(half: Half, *, bytecode: bool) -> bytes:
    if bytecode:
        compile_dir(ONBOARD, quiet=2)  # once for each installation
    return _packed(lambda tar: _add_code(tar, half, bytecode=bytecode))


def _packed(add: Callable[[tarfile.TarFile], None]) -> bytes:
    """Return a piece of an archive, gzipped; what ends an archive is not in it."""
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=1) as file:
        # Never closed, for that would end it. Unlike Python's usual format, this one has no second
        # header for each time with a fraction.
        tar = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.GNU_FORMAT)
        add(tar)
    return buffer.getvalue()


def _add_code(tar: tarfile.TarFile, half: Half, *, bytecode: bool) -> None:
    other = "lib/onboard/storage" if half == "ship" else "lib/onboard/ship"
    fits = _compiled if bytecode else _without_caches

    def wanted(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if entry.name == other else fits(entry)

    _add_text(tar, "lib/__main__.py", MAIN)
    tar.add(ONBOARD, "lib/onboard", filter=wanted)


def _add_text(tar: tarfile.TarFile, name: str, text: str) -> None:
    body = text.encode()
    entry = tarfile.TarInfo(name)
    entry.size = len(body)
    entry.mode = 0o600
    tar.addfile(entry, io.BytesIO(body))


def _without_caches(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in entry.name else entry


def _compiled(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Leave out what was compiled for another Python, or is just being written."""
    is_cache = "__pycache__" in entry.name and entry.isfile()
    return None if is_cache and not entry.name.endswith(f".{TAG}.pyc") else entry
