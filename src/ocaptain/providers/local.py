"""The `local` provider: a VM is a directory, and a real sshd per connection serves it.

    <data_dir>/local/<vm>/home/          its home directory
    <data_dir>/local/<vm>/host_key       its own, which lets the captain in too; with sshd.log

There is no daemon, no port and no need for root: `ProxyCommand sshd -i` starts it. All of it runs
as you and sees your files: this is for trying a plan out, and no security boundary. What a VM runs
carries OCAPTAIN_VM=<name> in its environment, by which `destroy` finds it.
"""

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from pwd import getpwuid

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.onboard.process import kill_marked
from ocaptain.process import program, run
from ocaptain.ssh import VM, Options, new_key, quoted

from . import VM_NAME, Provider

# sshd drops its environment; so that it goes with the VM, something that does not holds it.
# Root's wants a folder on Debian.
HELD = 'mkdir -pm 755 /run/sshd 2>/dev/null; setpriv --pdeathsig KILL "$0" "$@"; exit'
SSHD = {"StrictModes": "no", "AuthenticationMethods": "publickey", "MaxSessions": "50"}


class Local(Provider):
    """VMs that are directories below `<data_dir>/local`."""

    accounts = False

    def __init__(self, config: Config) -> None:
        self.root = config.data_dir.resolve() / "local"
        self.python = os.path.realpath(sys.executable)

    async def capacity(self, more: int = 0) -> str:  # noqa: ARG002
        """There is always room."""
        return f"{len(await self.list())} VMs in {self.root}"

    async def create(self, name: str) -> VM:
        """Make the directory; what is left of it where that fails is for `destroy`."""
        folder = self.root / name
        if not VM_NAME.fullmatch(name) or folder.exists():
            raise Failure(f"{name!r} cannot be made: it exists, or is no name of ocaptain's.")
        vm = _vm(folder)  # whatever that lacks, it lacks before anything is made
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "home/.ssh").mkdir(mode=0o700, parents=True)
        _tmp(folder).mkdir(mode=0o700)
        return vm._replace(host_key=await new_key(folder / "host_key", name))

    async def list(self) -> Sequence[VM]:
        """The VMs there are, also those that are half made."""
        return [_vm(path) for path in sorted(self.root.glob("*")) if VM_NAME.fullmatch(path.name)]

    async def authorize_key(
        self, storage: VM, ship: str, key: str
    ) -> tuple[Options, Sequence[str]]:  # noqa: ARG002
        """A ship starts storage's sshd just as the captain does, with a key of its own."""
        return _way(self.root / storage.name), ()

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Kill what carries the VM's marker, unmount what is mounted in it, remove it."""
        # One by one, ships first: while a ship lives, it starts new things on storage.
        wanted = sorted(name for name in names if VM_NAME.fullmatch(name))
        return {name: why for name in wanted if (why := await _remove(self.root / name))}


def _tmp(folder: Path) -> Path:
    """A VM's own /tmp, with a path that is short enough for sockets."""
    return Path("/tmp", folder.name)  # noqa: S108 - made for us alone


def _vm(folder: Path) -> VM:
    key, public = folder / "host_key", folder / "host_key.pub"
    own = (("IdentityFile", quoted(key).replace("%", "%%")), ("IdentitiesOnly", "yes"))
    host_key = public.read_text().strip() if public.exists() else ""
    return VM(folder.name, _way(folder) + own, host_key)


def _way(folder: Path) -> Options:
    """How ssh on this machine gets to the VM at `folder`: by an sshd of its own, whose sessions get
    our PATH. `%` is escaped for ssh, and where sshd expands it too, for both."""
    home, path = folder / "home", os.environ.get("PATH", os.defpath)
    keys = [folder / "host_key.pub", home / ".ssh/authorized_keys"]
    environment = {"HOME": home, "OCAPTAIN_VM": folder.name, "PATH": path}
    environment |= dict.fromkeys(("TMPDIR", "TMUX_TMPDIR"), _tmp(folder))
    own = {"HostKey": quoted(folder / "host_key")}
    own["AuthorizedKeysFile"] = " ".join(quoted(key).replace("%", "%%") for key in keys)
    own["SetEnv"] = " ".join(quoted(f"{key}={value}") for key, value in environment.items())
    own["Subsystem"] = f"sftp {quoted(program('sftp-server'))}"
    flags = [f"-o{key}={value}" for key, value in {**SSHD, **own}.items()]
    words = [program("sshd"), "-i", "-f", os.devnull, "-E", str(folder / "sshd.log"), *flags]
    words = ["env", "-i", f"PATH={path}", f"OCAPTAIN_VM={folder.name}", "sh", "-c", HELD, *words]
    # A User that the captain's own config names is another's.
    user = getpwuid(os.geteuid()).pw_name
    return (("ProxyCommand", shlex.join(words).replace("%", "%%")), ("User", user))


async def _remove(folder: Path) -> str:
    """Remove a VM with all that runs on it; returns why that failed, or nothing."""
    kill_marked(f"OCAPTAIN_VM={folder.name}")
    mounts = await run(["findmnt", "-ln", "-o", "TARGET"], env={"LC_ALL": "C.UTF-8"})
    for point in map(Path, os.fsdecode(mounts.out).splitlines()):
        if folder in point.parents or _tmp(folder) in point.parents:
            await run(["fusermount3", "-u", "-z", str(point)])
    # A module cache of Go's is read-only, for one.
    await run(["find", str(folder), "-xdev", "-type", "d", "-exec", "chmod", "u+rwx", "{}", "+"])
    removed = await run(["rm", "-rf", "--one-file-system", str(folder), str(_tmp(folder))])
    return removed.err.decode().partition("\n")[0]
