"""A small disk of a test's own."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

SIZE = 560_000_000


class Disk:
    """A file system of 560 MB, at `place`."""

    def __init__(self, place: Path) -> None:
        self.place, self._filler = place, place / "filler"

    def leave(self, size: int) -> None:
        """Fill it, but for so many bytes: again, if somebody wrote in between."""
        while True:
            self.clear()
            disk = os.statvfs(self.place)
            free = disk.f_bavail * disk.f_frsize
            with self._filler.open("wb") as file, suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(free - size, 1))
                return

    def clear(self) -> None:
        """Make room again."""
        self._filler.unlink(missing_ok=True)


@contextmanager
def small_disk(place: Path) -> Iterator[Disk]:
    """A small disk at `place`, for as long as the block takes."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    made = subprocess.run(mount, capture_output=True, text=True, check=False)
    if made.returncode:
        reason = f"only root can mount a small disk: {made.stderr}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    try:
        yield Disk(place)
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)
