"""Unix accounts on a storage machine of our own: harbor's, and one per ship that leads only there.

A ship's account owns nothing and can write nowhere: its home is root's, and its login shell
(login.sh) serves SFTP as the ship, which may read what harbor lets anybody read, and hands all
else to harbor's door. sudo lets it become harbor for that door alone, which asks sudo who it is.
"""

import os
from pathlib import Path

from ..files import put
from ..process import program, run, run_or_exit
from ..protocol import StorageBoot

HARBOR = Path("/home/harbor")
"""Home directory of the user harbor."""
SHIP_HOMES = Path("/var/lib/ocaptain")
LOGIN_SHELL = Path("/usr/local/lib/ocaptain/login")
SHIP_GROUP = "ocaptain-ships"
WORLD_WRITABLE = ("/tmp", "/var/tmp", "/var/crash", "/dev/shm", "/run/lock")  # noqa: S108
"""Folders that anybody may write to: closed to ships."""
SUDO_RULE = (
    f"%{SHIP_GROUP} ALL=(harbor) NOPASSWD: /bin/sh {HARBOR}/voyage/lib/onboard/storage/door.sh *\n"
)
AGENT_UNITS = "shelley.socket shelley.service"
"""Units of exe.dev's own agent, which does what any local user says."""
# A unit file of theirs in /etc would bar the mask.
MASK_AGENT = (
    f"cd /etc/systemd/system && systemctl stop {AGENT_UNITS}; "
    f"rm -f {AGENT_UNITS}; systemctl mask {AGENT_UNITS}"
)


def set_up(home: Path, boot: StorageBoot) -> None:
    """Make the ships' accounts with their keys and, for a new voyage, go on as harbor.

    This runs as root, in the home directory of the login user."""
    os.umask(0o022)
    run_or_exit("groupadd", "--force", SHIP_GROUP)
    for ship, key in boot["ship_keys"].items():
        add_ship(ship, key)
    folder = home / "voyage"
    if boot["new"]:
        add_harbor(folder)
    run_or_exit("rm", "-f", folder / "boot.json", folder / "source.bundle")
    if boot["new"]:
        run_or_exit("sudo", "-nHu", "harbor", *program(HARBOR, "set-up-storage"), cwd=HARBOR)


def add_ship(ship: str, key: str) -> None:
    """Make a ship's account, which this key opens."""
    home = SHIP_HOMES / ship
    add_account(ship, "--home-dir", home, "--shell", LOGIN_SHELL, "--gid", SHIP_GROUP)
    put(home / ".ssh" / "authorized_keys", f"restrict {key}\n")


def add_account(name: str, *options: "str | Path") -> None:
    """Make a system account without a password to log in with, unless there is one."""
    is_new = run(["id", name]).status != 0
    if is_new:
        run_or_exit("useradd", "--system", "--password", "*", *options, name)


def add_harbor(sent: Path) -> None:
    """Make harbor's account with a copy of what was `sent`, and the ships' way to its door."""
    folder = HARBOR / "voyage"
    add_account(
        "harbor", "--create-home", "--home-dir", HARBOR, "--shell", "/bin/bash", "--user-group"
    )
    run_or_exit("cp", "-rT", "--preserve=timestamps", sent, folder)  # which bytecode goes by
    run_or_exit("chmod", "755", HARBOR, folder)
    run_or_exit("chown", "-R", "harbor:harbor", folder)
    login = sent / "lib" / "onboard" / "storage" / "login.sh"
    run_or_exit("install", "-D", "-m", "755", login, LOGIN_SHELL)
    put(Path("/etc/sudoers.d/ocaptain"), f"Defaults>harbor !use_pty\n{SUDO_RULE}")
    close_to_ships()


def close_to_ships() -> None:
    """Let ships do nothing else on this machine.

    Folders that anybody may write to are closed to ships now and at each boot (tmpfiles.d(5))."""
    run_or_exit("install", "-d", "-g", SHIP_GROUP, "-m", "1707", *WORLD_WRITABLE)
    rules = "".join(f"z {folder} 1707 root {SHIP_GROUP}\n" for folder in WORLD_WRITABLE)
    put(Path("/etc/tmpfiles.d/ocaptain.conf"), rules)
    run(["sh", "-c", MASK_AGENT])  # which fails if there are no such units
