"""What measurements were made on, as the documents say it."""

import os
import platform
import subprocess
import textwrap
from datetime import UTC, datetime


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
        f"{datetime.now(UTC):%Y-%m-%d}",
        f"load {os.getloadavg()[0]:.1f} at the end",
    )
    return ", ".join(parts)


def paragraph(text: str) -> str:
    """The text in lines as short as those of the documents."""
    return textwrap.fill(text, width=100, break_long_words=False, break_on_hyphens=False)
