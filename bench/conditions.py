"""What measurements were made on, as the documents say it."""

import os
import platform
import subprocess
import tempfile
import textwrap
import time
from datetime import UTC, datetime
from statistics import median

SYNCS = 50


def machine() -> str:
    """What it was measured on, and when."""
    memory_gib = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    system = platform.freedesktop_os_release()["PRETTY_NAME"]
    ssh = subprocess.run(["ssh", "-V"], capture_output=True, text=True).stderr.split(",")[0]
    git = subprocess.run(["git", "--version"], capture_output=True, text=True).stdout.strip()
    parts = (
        f"{os.cpu_count()} cores ({platform.machine()})",
        f"{memory_gib:.0f} GiB",
        system,
        f"Python {platform.python_version()}",
        ssh.split()[0].replace("_", " "),
        git,
        temporary_files(),
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"load {os.getloadavg()[0]:.1f} at the end",
    )
    return ", ".join(parts)


def temporary_files() -> str:
    """Where the measurements' files were, and how long one takes to be on the disk."""
    folder = tempfile.gettempdir()
    command = ["findmnt", "--noheadings", "--output=FSTYPE", "--target", folder]
    kind = subprocess.run(command, capture_output=True, text=True).stdout.strip()
    if kind == "tmpfs":
        return f"{folder} in memory"
    with tempfile.NamedTemporaryFile() as file:
        took_ms = median(seconds_to_sync(file.fileno()) for _ in range(SYNCS)) * 1e3
    return f"{folder} on {kind} (fsync {took_ms:.2f} ms)"


def seconds_to_sync(file: int) -> float:
    """How long it takes to write a line to a file and have it on the disk."""
    os.write(file, b"a line of the journal\n")
    began = time.perf_counter()
    os.fsync(file)
    return time.perf_counter() - began


def paragraph(text: str) -> str:
    """The text in lines as short as those of the documents."""
    return textwrap.fill(text, width=100, break_long_words=False, break_on_hyphens=False)
