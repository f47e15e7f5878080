"""Unix accounts on a storage machine of our own: harbor's, and one per ship that leads only there.

Runs as root. A ship's account owns nothing and can write nowhere: its home is root's, and its login
shell (login.sh) serves SFTP as the ship, which may read what harbor lets anybody read, and hands
all else to harbor's door. sudo lets it become harbor for that door alone, and only in its own name.
"""

import os
import pwd
import shutil
from collections.abc import Mapping
from pathlib import Path

from .process import do, run

HOME = Path("/home/harbor")
HOMES = Path("/var/lib/ocaptain")
LOGIN = Path("/usr/local/lib/ocaptain/login")
GROUP = "ocaptain-ships"
ANYBODYS = ("/tmp", "/var/tmp", "/dev/shm", "/run/lock")  # noqa: S108 - closed to ships, not used
AGENTS = ("shelley.socket", "shelley.service")  # exe.dev's, which do what any local user says
SUDO = "{ship} ALL=(harbor) NOPASSWD: /bin/sh {door} {ship} *\n"


def make(sent: Path, keys: Mapping[str, str]) -> None:
    """Make the accounts, and move the voyage's folder from `sent` to harbor's home.

    `keys` are the ships' public ones, which count where a common sshd serves."""
    os.umask(0o022)
    folder, door = HOME / "voyage", HOME / "voyage" / "lib" / "onboard" / "door.sh"
    do("groupadd", "--force", GROUP)
    account("harbor", HOME, "/bin/bash", "--create-home", "--user-group")
    HOME.chmod(0o755)
    shutil.copytree(sent, folder, dirs_exist_ok=True)
    folder.chmod(0o755)
    do("chown", "-R", "harbor:harbor", folder)
    shutil.rmtree(sent)
    LOGIN.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "lib" / "onboard" / "login.sh", LOGIN)
    LOGIN.chmod(0o755)
    for ship, key in keys.items():
        admit(ship, key)
    rules = "".join(SUDO.format(ship=ship, door=door) for ship in keys)
    Path("/etc/sudoers.d/ocaptain").write_text(f"Defaults>harbor !use_pty\n{rules}")
    close_to_ships()
    run(["systemctl", "mask", "--now", *AGENTS])  # as far as there are any


def account(name: str, home: Path, shell: "str | Path", *options: str) -> None:
    """Make a system account that nobody can log in to with a password, unless there is one."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        where = ("--home-dir", home, "--shell", shell, "--password", "*")
        do("useradd", "--system", *where, *options, name)


def admit(ship: str, key: str) -> None:
    """Make a ship's account, with a home that it cannot write to."""
    keys = HOMES / ship / ".ssh" / "authorized_keys"
    account(ship, HOMES / ship, LOGIN, "--gid", GROUP)
    keys.parent.mkdir(parents=True, exist_ok=True)
    keys.write_text(f"restrict {key}\n")


def close_to_ships() -> None:
    """Take from ships what everybody may write to, now and at each boot (tmpfiles.d(5))."""
    for place in ANYBODYS:
        shutil.chown(place, group=GROUP)
        Path(place).chmod(0o1707)
    lines = "".join(f"z {place} 1707 root {GROUP}\n" for place in ANYBODYS)
    Path("/etc/tmpfiles.d").mkdir(exist_ok=True)
    Path("/etc/tmpfiles.d/ocaptain.conf").write_text(lines)
