"""The `local` provider: a VM is a directory, and a real sshd per connection serves it.

    <data_dir>/local/<vm>/home/          its home directory
    <data_dir>/local/<vm>/host_key       its own, which lets the captain in too; with sshd.log

There is no daemon, no port and no need for root: `ProxyCommand sshd -i` starts it. All of it runs
as you and sees your files: this is for trying a plan out, and no security boundary. What a VM runs
carries OCAPTAIN_VM=<name> in its environment, by which `destroy` finds it.
"""

import asyncio
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from pwd import getpwuid

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.onboard.process import kill_marked
from ocaptain.onboard.text import several
from ocaptain.process import program, run
from ocaptain.ssh import VM, Options, escape_percents, new_key, quoted

from . import VM_NAME, Provider, StorageAccess

RUN_SSHD = 'mkdir -pm 755 /run/sshd 2>/dev/null; setpriv --pdeathsig KILL "$0" "$@"; exit'
"""Shell that runs its arguments, an sshd. It carries the VM's marker, which sshd itself drops, and
if it is killed so is sshd. Root's sshd wants a folder on Debian."""
FAST_KEY_EXCHANGE = "-sntrup761*,mlkem768*"
"""All but the methods that withstand quantum computers. Those may take a tenth of a second of CPU,
which a pipe on one machine has no use for."""
REMOVALS = 4
REMOVAL_PAUSE_S = 0.1


class Local(Provider):
    """VMs that are directories below `<data_dir>/local`."""

    accounts = False
    sizes = False

    def __init__(self, config: Config) -> None:
        self.root = config.data_dir.resolve() / "local"
        self.python = os.path.realpath(sys.executable)

    async def capacity(self, more: int = 0) -> str:  # noqa: ARG002
        """Say how many VMs there are; there is always room for more."""
        return f"{several(len(await self.list()), 'VM')} in {self.root}"

    async def create(self, name: str) -> VM:
        """Make the directory. If that fails half-way, `destroy` removes what there is of it."""
        folder = self.root / name
        if not VM_NAME.fullmatch(name) or folder.exists():
            raise Failure(f"{name!r} cannot be made: it exists, or is no name of ocaptain's.")
        vm = vm_at(folder)  # first, for it raises Failure if sshd is missing
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        (folder / "home/.ssh").mkdir(mode=0o700, parents=True)
        tmp_of(folder).mkdir(mode=0o700)
        host_key = await new_key(folder / "host_key", name)
        return vm._replace(host_key=host_key)

    async def list(self) -> Sequence[VM]:
        """Return the VMs there are, also those that are half made."""
        folders = sorted(self.root.glob("*"))
        return [vm_at(folder) for folder in folders if VM_NAME.fullmatch(folder.name)]

    async def authorize_key(self, storage: VM, ship: str, key: str) -> StorageAccess:  # noqa: ARG002
        """Do nothing: setting storage up adds the key to its authorized_keys."""
        return StorageAccess(ssh_options(self.root / storage.name))

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Kill what carries the VM's marker, unmount what is mounted in it, remove it."""
        left = {}
        # One by one, ships first: while a ship lives, it starts new things on storage.
        for name in sorted(names):
            if VM_NAME.fullmatch(name):
                fault = await remove(self.root / name)
                if fault:
                    left[name] = fault
        return left


def tmp_of(folder: Path) -> Path:
    """Return a VM's own /tmp, with a path that is short enough for sockets."""
    return Path("/tmp", folder.name)  # noqa: S108 - made for us alone


def vm_at(folder: Path) -> VM:
    """Return the VM at `folder`, which need not be there yet."""
    private = folder / "host_key"
    public = folder / "host_key.pub"
    host_key = ""
    if public.exists():
        host_key = public.read_text().strip()
    identity = (
        ("IdentityFile", escape_percents(quoted(private))),
        ("IdentitiesOnly", "yes"),
    )
    return VM(folder.name, ssh_options(folder) + identity, host_key)


def ssh_options(folder: Path) -> Options:
    """Return the options with which ssh on this machine starts a VM's sshd and talks to it."""
    path = os.environ.get("PATH", os.defpath)
    environment = ["env", "-i", f"PATH={path}", f"OCAPTAIN_VM={folder.name}"]
    sshd = [program("sshd"), "-i", "-f", os.devnull, "-E", str(folder / "sshd.log")]
    sshd += [f"-o{keyword}={value}" for keyword, value in sshd_options(folder, path)]
    command = shlex.join([*environment, "sh", "-c", RUN_SSHD, *sshd])
    user = getpwuid(os.geteuid()).pw_name
    return (
        ("ProxyCommand", escape_percents(command)),
        ("KexAlgorithms", FAST_KEY_EXCHANGE),
        ("User", user),
    )


def sshd_options(folder: Path, path: str) -> Options:
    """Return the sshd_config(5) of a VM, whose sessions get `path` as their PATH."""
    home = folder / "home"
    let_in = [folder / "host_key.pub", home / ".ssh/authorized_keys"]
    environment = [
        f"HOME={home}",
        f"OCAPTAIN_VM={folder.name}",
        f"PATH={path}",
        f"TMPDIR={tmp_of(folder)}",
        f"TMUX_TMPDIR={tmp_of(folder)}",
        # One level down, bash reads no .bashrc, whose words would stand before an answer's.
        "SHLVL=1",
    ]
    return (
        ("StrictModes", "no"),
        ("PermitUserRC", "no"),
        ("AuthenticationMethods", "publickey"),
        ("MaxSessions", "50"),
        ("HostKey", quoted(folder / "host_key")),
        ("AuthorizedKeysFile", " ".join(escape_percents(quoted(key)) for key in let_in)),
        ("SetEnv", " ".join(quoted(variable) for variable in environment)),
        ("Subsystem", f"sftp {quoted(program('sftp-server'))}"),
    )


async def remove(folder: Path) -> str:
    """Remove a VM with all that runs on it. Returns why that failed, or nothing.

    What was killed a moment ago may still write there, so it is tried several times."""
    fault = await remove_once(folder)
    for _ in range(REMOVALS - 1):
        if not fault:
            break
        await asyncio.sleep(REMOVAL_PAUSE_S)
        fault = await remove_once(folder)
    return fault


async def remove_once(folder: Path) -> str:
    """Do that, if nothing comes in between."""
    kill_marked(f"OCAPTAIN_VM={folder.name}")
    await unmount_below(folder, tmp_of(folder))
    # A module cache of Go's is read-only, for one.
    await run(["find", str(folder), "-xdev", "-type", "d", "-exec", "chmod", "u+rwx", "{}", "+"])
    removal = await run(["rm", "-rf", "--one-file-system", str(folder), str(tmp_of(folder))])
    return removal.err.decode().partition("\n")[0]


async def unmount_below(*folders: Path) -> None:
    """Unmount what is mounted below `folders`."""
    mounts = await run(["findmnt", "-ln", "-o", "TARGET"], env={"LC_ALL": "C.UTF-8"})
    for line in os.fsdecode(mounts.out).splitlines():
        point = Path(line)
        if any(folder in point.parents for folder in folders):
            await run(["fusermount3", "-u", "-z", str(point)])
