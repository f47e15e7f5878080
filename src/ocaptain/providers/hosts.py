"""The `hosts` provider: machines that one has, which are reserved and released.

An inventory names them, one a line: `[user@]host[:port]`, or a Host of the captain's ssh_config;
`#` begins a comment. A reserved machine says so itself, by a link that only one can make, from
/var/lib/ocaptain/reserved to its VM's name: whoever has the inventory sees the same voyages.
"""

import asyncio
import re
import sys
from collections.abc import Iterable, Sequence

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.onboard.setup import ANYBODYS, GROUP, HARBOR, HOMES, LOGIN
from ocaptain.ssh import VM, Home, Options, Remote, Unreachable, clean, prepare

from . import VM_NAME, trusted

MACHINE = re.compile(r"([\w.-]+@)?[\w.-]+(:\d+)?")
RESERVED = f"{HOMES}/reserved"
WAS = f"{HOMES}/was"
"""Shell that gives folders of the machine's own back the modes that ships found too open."""

HELP = "See docs/providers.md."
SOON = (("ConnectTimeout", "5"),)
TOLD_S = 300

# All of these run as root; $1 is the login user's home, with a slash.
# Whose a machine is: a VM's, or, where something is in our way, somebody else's.
LOOK = f'readlink {RESERVED} || ls -d "$1"voyage {HARBOR} 2>/dev/null || :'
RESERVE = f"""\
mkdir -p {HOMES} && [ ! -e "$1"voyage ] && [ ! -e {HARBOR} ] && ln -sT "$2" {RESERVED} &&
for at in {" ".join(ANYBODYS)}; do
  stat -c 'chown %u:%g %n && chmod %a %n' $at || echo "rmdir $at || :"
done 2>/dev/null >{WAS}
{LOOK}
"""
RELEASE = f"""\
[ "$(readlink {RESERVED})" = "$2" ] || exit 0
systemctl kill -s KILL ocaptain-helm >/dev/null 2>&1
systemctl disable --now ocaptain-helm >/dev/null 2>&1
for again in 1 2 3; do
  grep -lsaE "$1"'voyage/|OCAPTAIN_WOR[K]=' /proc/[0-9]*/cmdline /proc/[0-9]*/environ |
    cut -d/ -f3 | xargs -r kill -KILL
  pkill -KILL -u harbor; pkill -KILL -G {GROUP}
  sleep 0.1
done >/dev/null 2>&1
umount -l "$1"voyage/storage 2>/dev/null
set -e
getent passwd | grep -E ':({HOMES}/|{HARBOR}:)' | cut -d: -f1 | xargs -rn1 userdel
getent group {GROUP} >/dev/null && groupdel {GROUP}
cd /etc && rm -f sudoers.d/ocaptain tmpfiles.d/ocaptain.conf systemd/system/ocaptain-helm.service
rm -f systemd/system/shelley.socket systemd/system/shelley.service
rm -rf --one-file-system "$1"voyage {HARBOR} {LOGIN.parent} {HOMES}/ship-* /tmp/oc-"${{2%-*}}"-*
cd "$1" && rm -f .claude/tasks/"${{2%-*}}"-tasks && rmdir -p .claude/tasks 2>/dev/null || :
[ ! -e {WAS} ] || sh -e {WAS}
rm -f {WAS} {RESERVED} && rmdir {HOMES} 2>/dev/null || :
"""


class Hosts:
    """The machines of the inventory that the captain's settings name."""

    python = "python3"
    accounts = True

    def __init__(self, config: Config) -> None:
        self.config = config
        self._free, self._held = list[VM](), dict[str, VM]()
        self._reserving = set[asyncio.Task[str]]()

    async def _open(self) -> Sequence[VM]:
        """The machines of the inventory, with which `_tell` can talk from here on."""
        path = self.config.hosts
        try:
            lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
        except OSError as why:
            raise Failure(f"{path} cannot be read: {why.strerror}", HELP) from None
        names = [line for line in lines if line]
        if wrong := [name for name in names if not MACHINE.fullmatch(name)]:
            raise Failure(f"{path} has what is no [user@]host[:port]: {', '.join(wrong)}", HELP)
        found = await asyncio.gather(*(trusted(self.config, f"ssh://{name}") for name in names))
        # One that is listed twice counts once; a Host of ssh's is without the user.
        places = {vm.options[:2]: (name, vm) for name, vm in zip(names, found, strict=True)}
        vms = [
            VM(name.rpartition("@")[2], vm.options + SOON, vm.host_key)
            for name, vm in places.values()
        ]
        self._ssh = prepare(self.config.run_dir() / "hosts", vms, self.config.ssh_config)
        return vms

    async def _tell(self, vm: VM, script: str, name: str = "") -> str:
        """What a machine says to a script that it runs as root; Unreachable where that fails."""
        remote = Remote("sudo", "-n", "sh", "-c", script, "sh", Home(""), name)
        done = await self._ssh.run(vm.name, remote, timeout=TOLD_S)
        if done.status:
            raise Unreachable(f"{vm.name}: {clean(done.err).strip() or 'no answer'}")
        return clean(done.out).strip()

    async def _look(self) -> dict[VM, str]:
        """What each machine carries: a VM's name, or what is in our way there, or nothing; those
        that do not answer are told of, and left out."""
        said = dict[VM, str]()

        async def look(vm: VM) -> None:
            try:
                said[vm] = await self._tell(vm, LOOK)
            except Failure as why:
                print(f"{self.config.hosts}: without {why}", file=sys.stderr)

        vms = await self._open()
        await asyncio.gather(*map(look, vms))
        self._free = [vm for vm in vms if said.get(vm) == ""]
        self._held |= {name: vm for vm, name in said.items() if VM_NAME.fullmatch(name)}
        return said

    async def look(self, more: int = 0) -> str:
        """How many machines are free; Failure where these are fewer than `more`."""
        said = await self._look()
        free = f"{len(self._free)} of {len(said)} machines of {self.config.hosts} are free"
        if len(self._free) < more:
            busy = ", ".join(f"{vm.name} has {name}" for vm, name in said.items() if name)
            raise Failure(f"{free}, and {more} are wanted; {busy}", "ocaptain voyages ...")
        return free

    async def create(self, name: str) -> VM:
        """Reserve a machine that is free."""
        if not self._free:
            await self._look()
        while self._free:
            vm = self._held[name] = self._free.pop()
            reserving = asyncio.create_task(self._tell(vm, RESERVE, name))
            self._reserving.add(
                reserving
            )  # a machine goes on with it, also where this is cancelled
            if await asyncio.shield(reserving) == name:
                return vm._replace(name=name)
        raise Unreachable(f"No machine of {self.config.hosts} is free any more.")

    async def list(self) -> Sequence[VM]:
        """Those machines that are reserved, by the names that they have as VMs."""
        said = await self._look()
        return [vm._replace(name=name) for vm, name in said.items() if VM_NAME.fullmatch(name)]

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Release machines: what ran and was made there for a voyage goes, and the mark last."""
        await asyncio.gather(*self._reserving, return_exceptions=True)
        left, wanted = dict[str, str](), set(names)
        if wanted - self._held.keys():
            await self._look()

        async def release(name: str) -> None:
            try:
                await self._tell(self._held[name], RELEASE, name)
                del self._held[name]
            except Failure as why:
                left[name] = str(why)

        await asyncio.gather(*map(release, wanted & self._held.keys()))
        return left

    async def admit(self, storage: VM, ship: str, key: str) -> tuple[Options, Sequence[str]]:  # noqa: ARG002
        """Storage's own sshd lets the ship in, to an account that setting storage up has made."""
        return (*storage.options[:2], ("User", ship)), ()
