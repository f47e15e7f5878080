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

from . import process

HOME = Path("/home/harbor")
HOMES = Path("/var/lib/ocaptain")
LOGIN = Path("/usr/local/lib/ocaptain/login")
GROUP = "ocaptain-ships"
ANYBODYS = ("/tmp", "/var/tmp", "/var/crash", "/dev/shm", "/run/lock")  # noqa: S108 - closed to ships
AGENTS = ("shelley.socket", "shelley.service")  # exe.dev's, which do what any local user says
SUDO = "{ship} ALL=(harbor) NOPASSWD: /bin/sh {door} {ship} *\n"


def make(sent: Path, keys: Mapping[str, str]) -> Path:
    """Make the accounts, move the voyage's folder from `sent` to harbor's home, and become harbor.

    `keys` are the ships' public ones, which count where a common sshd serves. Returns the home."""
    os.umask(0o022)
    folder, door = HOME / "voyage", HOME / "voyage" / "lib" / "onboard" / "door.sh"
    run("groupadd", "--force", GROUP)
    account("harbor", HOME, "/bin/bash", "--create-home", "--user-group")
    HOME.chmod(0o755)
    shutil.copytree(sent, folder, dirs_exist_ok=True)
    folder.chmod(0o755)
    run("chown", "-R", "harbor:harbor", folder)
    shutil.rmtree(sent)
    LOGIN.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(folder / "lib" / "onboard" / "login.sh", LOGIN)
    LOGIN.chmod(0o755)
    for ship, key in keys.items():
        admit(ship, key)
    rules = "".join(SUDO.format(ship=ship, door=door) for ship in keys)
    Path("/etc/sudoers.d/ocaptain").write_text(f"Defaults>harbor !use_pty\n{rules}")
    close_to_ships()
    for agent in AGENTS:  # as far as there are any; a unit's own file is in the way of its mask
        Path("/etc/systemd/system", agent).unlink(missing_ok=True)
    process.run(["systemctl", "mask", "--now", *AGENTS])
    return become(pwd.getpwnam("harbor"))


def run(*words: "str | Path") -> None:
    """Run a command of root's; where it fails, the end of this program."""
    done = process.run(words)
    if done.status:
        raise SystemExit(f"{words[0]} failed on storage: {done.err.strip()}")


def account(name: str, home: Path, shell: "str | Path", *options: str) -> None:
    """Make a system account that nobody can log in to with a password, unless there is one."""
    try:
        pwd.getpwnam(name)
    except KeyError:
        where = ("--home-dir", home, "--shell", shell, "--password", "*")
        run("useradd", "--system", *where, *options, name)


def admit(ship: str, key: str) -> None:
    """Make a ship's account, with a home that it cannot write to."""
    keys = HOMES / ship / ".ssh" / "authorized_keys"
    account(ship, HOMES / ship, LOGIN, "--gid", GROUP)
    keys.parent.mkdir(parents=True, exist_ok=True)
    keys.write_text(f"restrict {key}\n")


def close_to_ships() -> None:
    """Take from ships what everybody may write to, now and at each boot (tmpfiles.d(5))."""
    for place in filter(os.path.exists, ANYBODYS):
        shutil.chown(place, group=GROUP)
        Path(place).chmod(0o1707)
    lines = "".join(f"z {place} 1707 root {GROUP}\n" for place in ANYBODYS)
    Path("/etc/tmpfiles.d").mkdir(exist_ok=True)
    Path("/etc/tmpfiles.d/ocaptain.conf").write_text(lines)


def become(user: pwd.struct_passwd) -> Path:
    """Go on as that user; returns its home."""
    os.initgroups(user.pw_name, user.pw_gid)
    os.setgid(user.pw_gid)
    os.setuid(user.pw_uid)
    os.chdir(user.pw_dir)
    os.environ["HOME"] = user.pw_dir
    return Path(user.pw_dir)
