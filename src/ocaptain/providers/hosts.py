"""The `hosts` provider: machines that one has, which are reserved and released.

An inventory names them, one a line: `[user@]host[:port]`, or a Host of the captain's ssh_config;
`#` begins a comment. A reserved machine says so itself, by a link that only one can make, from
/var/lib/ocaptain/reserved to its VM's name: whoever has the inventory sees the same voyages.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence

from ocaptain.config import Config
from ocaptain.errors import Failure, progress
from ocaptain.onboard.storage.accounts import (
    HARBOR,
    LOGIN_SHELL,
    SHIP_GROUP,
    SHIP_HOMES,
    WORLD_WRITABLE,
)
from ocaptain.process import wait_for_all
from ocaptain.ssh import VM, Home, Options, Remote, Unreachable, clean, prepare

from . import VM_NAME, Provider
from .known_host import trusted

MACHINE = re.compile(r"([\w.-]+@)?[\w.-]+(:\d+)?")
SOON = (("ConnectTimeout", "5"),)
RESERVED = f"{SHIP_HOMES}/reserved"
WAS = f"{SHIP_HOMES}/was"
"""Shell that gives folders of the machine's own back the modes that ships found too open."""

# All of these run as root; $1 is the login user's home, with a slash.
# Whose a machine is: a VM's, or, where something is in our way, somebody else's.
LOOK = f'readlink {RESERVED} || ls -d "$1"voyage {HARBOR} 2>/dev/null || :'
RESERVE = f"""\
mkdir -p {SHIP_HOMES} && [ ! -e "$1"voyage ] && [ ! -e {HARBOR} ] && ln -sT "$2" {RESERVED} &&
for at in {" ".join(WORLD_WRITABLE)}; do
  stat -c 'chown %u:%g %n && chmod %a %n' $at || echo "rmdir $at || :"
done 2>/dev/null >{WAS}
{LOOK}
"""
RELEASE = f"""\
[ "$(readlink {RESERVED})" = "$2" ] || exit 0
for again in 1 2 3; do
  systemctl kill -s KILL ocaptain-helm; systemctl disable --now ocaptain-helm
  grep -lsaE "$1"'voyage/|OCAPTAIN_WOR[K]=' /proc/[0-9]*/cmdline /proc/[0-9]*/environ |
    cut -d/ -f3 | xargs -r kill -KILL
  pkill -KILL -u harbor; pkill -KILL -G {SHIP_GROUP}
  sleep 0.1
done >/dev/null 2>&1
umount -l "$1"voyage/storage 2>/dev/null
set -e
find /tmp /var/tmp -user harbor -delete 2>/dev/null || :
getent passwd | grep -E ':({SHIP_HOMES}/|{HARBOR}:)' | cut -d: -f1 | xargs -rn1 userdel
getent group {SHIP_GROUP} >/dev/null && groupdel {SHIP_GROUP}
cd /etc && rm -f sudoers.d/ocaptain tmpfiles.d/ocaptain.conf
cd systemd/system && rm -f ocaptain-helm.service shelley.socket shelley.service
rm -rf --one-file-system "$1"voyage {HARBOR} {LOGIN_SHELL.parent} {SHIP_HOMES}/ship-* /tmp/oc-"${{2%-*}}"-*
cd "$1" && rm -f .claude/tasks/"${{2%-*}}"-tasks && rmdir -p .claude/tasks 2>/dev/null || :
[ ! -e {WAS} ] || sh -e {WAS}
rm -f {WAS} {RESERVED} && rmdir {SHIP_HOMES} 2>/dev/null || :
"""


class Hosts(Provider):
    """The machines of the inventory that the captain's settings name."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._free, self._held = list[VM](), dict[str, VM]()
        self._reserving = set[asyncio.Task[tuple[str, str]]]()

    async def _look(self) -> dict[VM, str]:
        """What each machine carries: a VM's name, or what is in our way there, or nothing. Those
        that do not answer are told of, and left out."""
        path = self.config.hosts
        try:
            names = re.sub("#.*", "", path.read_text()).split()
        except OSError as why:
            raise Failure(f"{path}: {why.strerror}.", hint="See docs/providers.md.") from None
        if wrong := [name for name in names if not MACHINE.fullmatch(name)]:
            raise Failure(f"{path} has what is no [user@]host[:port]: {', '.join(wrong)}")
        found = await wait_for_all(*(trusted(self.config, f"ssh://{name}") for name in names))
        # One that is listed twice is one.
        vms = {vm.options[:2]: vm._replace(options=vm.options + SOON) for vm in found}.values()
        self._ssh = prepare(self.config.run_dir() / "hosts", vms, self.config.ssh_config)
        answers = await wait_for_all(*(self._tell(vm, LOOK) for vm in vms))
        for _, fault in answers:
            if fault:
                progress(f"{path}: without {fault}")
        said = {vm: said for vm, (said, fault) in zip(vms, answers, strict=True) if not fault}
        self._free = [vm for vm in said if not said[vm]]
        self._held |= {name: vm for vm, name in said.items() if VM_NAME.fullmatch(name)}
        return said

    async def _tell(self, vm: VM, script: str, name: str = "") -> tuple[str, str]:
        """What a machine says to a script that it runs as root, and why that failed, if it did."""
        remote = Remote("sudo", "-n", "sh", "-c", script, "sh", Home(""), name)
        try:
            done = await self._ssh.run(vm.name, remote, timeout=300)
        except Failure as why:
            return "", str(why)
        fault = f"{vm.name}: {clean(done.err).strip() or done.status}"
        return clean(done.out).strip(), fault if done.status else ""

    async def capacity(self, more: int = 0) -> str:
        """How many machines are free; Failure where these are fewer than `more`."""
        said = await self._look()
        free = f"{len(self._free)} of {len(said)} machines of {self.config.hosts} are free"
        if len(self._free) < more:
            busy = "".join(f"\n{vm.name} has {name}" for vm, name in said.items() if name)
            raise Failure(
                f"{free}, and {more} are wanted.{busy}", hint="ocaptain voyages  lists yours."
            )
        return free

    async def create(self, name: str) -> VM:
        """Reserve a machine that is free."""
        if not self._free:
            await self._look()
        while self._free:
            vm = self._held[name] = self._free.pop()
            # The machine goes on with it, also where this is cancelled.
            self._reserving.add(asked := asyncio.create_task(self._tell(vm, RESERVE, name)))
            said, fault = await asyncio.shield(asked)
            if fault:
                raise Unreachable(fault)
            if said == name:
                return vm._replace(name=name)
        raise Unreachable(f"No machine of {self.config.hosts} is free any more.")

    async def list(self) -> Sequence[VM]:
        """Those machines that are reserved, by the names that they have as VMs."""
        said = await self._look()
        return [vm._replace(name=name) for vm, name in said.items() if VM_NAME.fullmatch(name)]

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Release machines: what ran and was made there for a voyage goes, and the mark last."""
        wanted = set(names)
        await wait_for_all(*self._reserving)
        if wanted - self._held.keys():
            await self._look()
        held = {name: self._held.pop(name) for name in wanted & self._held.keys()}
        told = await wait_for_all(*(self._tell(vm, RELEASE, name) for name, vm in held.items()))
        return {name: fault for name, (_, fault) in zip(held, told, strict=True) if fault}

    async def authorize_key(
        self, storage: VM, ship: str, key: str
    ) -> tuple[Options, Sequence[str]]:  # noqa: ARG002
        """Storage's own sshd lets the ship in, to an account that setting storage up has made."""
        return (*storage.options[:2], ("User", ship)), ()
