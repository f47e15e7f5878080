"""Makes exeuntu, the image of the VMs: a layer over this machine's own root file system.

It hides what is this machine's alone, and adds users, sudo rules and a small systemd.
"""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from .room import INSIDE

SEEN = {"bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "run", "sbin"} | {
    "sys",
    "usr",
    "var",
}
EMPTY = {"home": 0o755, "root": 0o700, "tmp": 0o1777, "mnt": 0o755, "opt": 0o755, "srv": 0o755} | {
    "etc/systemd/system": 0o755,
    "etc/ssh/sshd_config.d": 0o755,
    "var/log": 0o755,
    "var/tmp": 0o1777,
}
GONE = ("etc/gitconfig", "usr/bin/sshfs", "usr/local/bin/claude")
ARCHIVE = Path("usr/share/exeuntu")  # what apt-get installs from
UID = 1000
CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")


def make_image(image: Path, ca: Path | None, claude: Path | None) -> None:
    """Make the layer in a new directory, on a file system that others do not overlap."""
    image.mkdir()
    for path in Path("/").iterdir():
        if path.name not in SEEN and path.name not in EMPTY:
            _hide(image / path.name)
    for name, mode in EMPTY.items():
        _empty(image / name, mode)
    for name in GONE:
        _hide(image / name)
    _users(image)
    _programs(image)
    (image / "etc/systemd/system/multi-user.target.wants").mkdir()
    if ca:
        trusted = (Path("/") / CERTIFICATES).read_text() + ca.read_text()
        _write(image / CERTIFICATES, trusted)
    if claude:
        (image / "opt/claude").mkdir()
        link = image / "usr/local/bin/claude"
        link.unlink()
        link.symlink_to(Path("/opt/claude") / (claude.name if claude.is_file() else "claude"))


def _hide(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))  # overlayfs calls it a whiteout


def _empty(path: Path, mode: int) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(mode)
    os.setxattr(path, "trusted.overlay.opaque", b"y")


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _users(image: Path) -> None:
    """System users as here, and exedev as on exe.dev."""
    home = "/home/exedev:/bin/bash"
    _keep(image, "passwd", f"exedev:x:{UID}:{UID}:exe.dev user:{home}\n", 0o644, _by_id)
    _keep(image, "group", f"exedev:x:{UID}:\ndocker:x:999:exedev\n", 0o644, _by_id)
    known = {line.split(":")[0] for line in (image / "etc/passwd").read_text().splitlines()}
    _keep(image, "shadow", "exedev:*:20000:0:99999:7:::\n", 0o640, lambda f: f[0] in known)
    _keep(image, "gshadow", "exedev:!::\n", 0o640, lambda f: f[0] in known)
    _write(image / "etc/sudoers.d/exedev", "exedev ALL=(ALL) NOPASSWD:ALL\n", 0o440)
    home_of_user = image / "home/exedev"
    shutil.copytree("/etc/skel", home_of_user)
    home_of_user.chmod(0o750)  # as Ubuntu makes homes
    for path in (home_of_user, *home_of_user.rglob("*")):
        os.chown(path, UID, UID)
    defaults = Path("/etc/login.defs").read_text()
    _write(image / "etc/login.defs", f"{defaults}\nHOME_MODE 0750\n")


def _by_id(fields: list[str]) -> bool:
    return not 999 <= int(fields[2]) < 65534


def _keep(
    image: Path, name: str, more: str, mode: int, wanted: Callable[[list[str]], bool]
) -> None:
    lines = (Path("/etc") / name).read_text().splitlines(keepends=True)
    kept = "".join(line for line in lines if wanted(line.split(":")))
    _write(image / "etc" / name, kept + more, mode)


def _programs(image: Path) -> None:
    """What runs in VMs that is the stand-in's."""
    for name, path in {
        "session": "exe.dev/session",
        "init.py": "usr/lib/systemd/systemd",
        "systemctl.py": "usr/bin/systemctl",
        "apt-get": "usr/bin/apt-get",
    }.items():
        _write(image / path, (INSIDE / name).read_text(), 0o755)
    (image / ARCHIVE).mkdir(parents=True)
    shutil.copy2(str(shutil.which("sshfs")), image / ARCHIVE / "sshfs")
