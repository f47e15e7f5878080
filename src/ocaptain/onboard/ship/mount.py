"""Storage's files on a ship, read-only, for the agent; nothing of helm's depends on them."""

import shutil
import time

from .. import process
from .ship import Ship

RETRY_S = 60
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
    """Mount storage at ~/voyage/storage, again `retry_s` seconds after each end of that.

    Returns if sshfs is missing."""
    source = "storage:"
    if ship.accounts:
        source = "storage:/home/harbor"
        process.run(["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", INSTALL])
    place = ship.folder / "storage"
    config = ship.folder / "ssh_config"
    while shutil.which("sshfs"):
        process.run(["fusermount3", "-u", "-z", place])
        done = process.run(["sshfs", "-f", "-F", config, "-o", ",".join(OPTIONS), source, place])
        ship.say(f"sshfs ended: {done.stderr}")
        time.sleep(retry_s)
    ship.say("sshfs is missing: the agent sees no task list, artifacts and logs")
