"""What a VM is sent: boot.json, the onboard code, and perhaps the captain's repository."""

import io
import json
import sys
import tarfile
from compileall import compile_dir
from pathlib import Path

import ocaptain.onboard
from ocaptain.onboard.protocol import ShipBoot, StorageBoot

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


def pack(
    boot: StorageBoot | ShipBoot,
    *,
    code: bool,
    bytecode: bool = False,
    bundle: Path | None = None,
) -> bytes:
    """Pack boot.json, with the onboard code if `code`, and a git bundle if there is one.

    With `bytecode` the code is compiled for the Python that runs this. Returns a gzipped tar
    archive, to be unpacked in ~/voyage."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        _add_text(tar, "boot.json", json.dumps(boot))
        if code:
            _add_text(tar, "lib/__main__.py", MAIN)
            if bytecode:
                compile_dir(ONBOARD, quiet=2)  # once for each installation
            tar.add(ONBOARD, "lib/onboard", filter=_compiled if bytecode else _without_caches)
        if bundle and bundle.exists():
            tar.add(bundle, "source.bundle")
    return buffer.getvalue()


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
