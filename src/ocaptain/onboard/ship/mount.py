"""Storage's files on a ship, read-only, for the agent; nothing of helm's depends on them."""

import shutil
import time

from .. import process
from .ship import Ship

FIRST_RETRY_S = 0.5
"""Seconds to the first try after a mount has ended: a ship may be up before storage lets it in."""
RETRY_S = 60
"""To this the pauses grow, which double; a mount that lasted longer has them begin anew."""
OPTIONS = (
    "ro",
    "reconnect",
    "ServerAliveInterval=15",
    # With its default caches SSHFS shows torn and stale files.
    "dir_cache=no",
    "attr_timeout=0",
    "entry_timeout=0",
)
INSTALL = """\
command -v sshfs || {
  apt-get -qq update
  apt-get -qq -y install sshfs
}
"""


def keep_mounted(ship: Ship, retry_s: float = RETRY_S) -> None:
    """Mount storage at ~/voyage/storage, and again after each end of that, soon at first.

    `retry_s` is the longest pause, in seconds. Returns if sshfs is missing."""
    source = "storage:"
    if ship.accounts:
        source = "storage:/home/harbor"
        process.run(["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", INSTALL])
    place = ship.folder / "storage"
    config = ship.folder / "ssh_config"
    first_s = min(FIRST_RETRY_S, retry_s)
    pause_s = first_s
    while shutil.which("sshfs"):
        process.run(["fusermount3", "-u", "-z", place])
        began = time.monotonic()
        done = process.run(["sshfs", "-f", "-F", config, "-o", ",".join(OPTIONS), source, place])
        ship.say(f"sshfs ended: {done.stderr}")
        if time.monotonic() - began > RETRY_S:
            pause_s = first_s
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, retry_s)
    ship.say("sshfs is missing: the agent sees no task list, artifacts and logs")
