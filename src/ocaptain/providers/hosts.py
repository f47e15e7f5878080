"""The `hosts` provider: machines that one has, which are reserved and released.

An inventory names them, one a line: `[user@]host[:port]`, or a Host of the captain's ssh_config;
`#` begins a comment. A reserved machine says so itself, by a link that only one can make, from
/var/lib/ocaptain/reserved to its VM's name: whoever has the inventory sees the same voyages.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

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
from ocaptain.ssh import VM, Home, Remote, Ssh, Unreachable, clean, write_config

from . import VM_NAME, Provider, StorageAccess
from .known_host import address_for_ships, resolve_known_host

MACHINE = re.compile(r"([\w.-]+@)?[\w.-]+(:\d+)?")
CONNECT_SOON = (("ConnectTimeout", "5"),)
SCRIPT_S = 300
SCRIPT_ENVIRONMENT = (
    f"SHIP_HOMES={SHIP_HOMES}",
    f"SHIP_GROUP={SHIP_GROUP}",
    f"HARBOR={HARBOR}",
    f"LOGIN_SHELL_FOLDER={LOGIN_SHELL.parent}",
    f"WORLD_WRITABLE={' '.join(WORLD_WRITABLE)}",
)


class Machine(NamedTuple):
    """A machine that has answered."""

    vm: VM
    holder: str
    """The VM's name that it is reserved as, or what is in our way there or missing, each on a line
    of its own; empty if it is free."""


class Answer(NamedTuple):
    """What a machine printed, and why that failed, if it did."""

    stdout: str
    fault: str


class Hosts(Provider):
    """The machines of the inventory that the captain's settings name."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._ssh = Ssh(config.socket_dir / "hosts" / "ssh_config")
        self._free: list[VM] = []
        self._held: dict[str, VM] = {}
        """Machines by the names of the VMs that they are, or are to be."""
        self._reserving = set[asyncio.Task[Answer]]()

    async def capacity(self, more: int = 0) -> str:
        """Say how many machines are free. Raises Failure if these are fewer than `more`."""
        machines = await self._look()
        if not machines:
            raise Failure(f"No machine of {self.config.hosts} answers.")
        free = f"{len(self._free)} of {len(machines)} machines of {self.config.hosts} are free"
        busy = [
            f"{machine.vm.name} has {', '.join(machine.holder.splitlines())}"
            for machine in machines
            if machine.holder
        ]
        if len(self._free) < more:
            raise Failure(
                "\n".join([f"{free}, and {more} are wanted.", *busy]),
                hint="ocaptain voyages  lists yours.",
            )
        return "; ".join([free, *busy])

    async def create(self, name: str) -> VM:
        """Reserve a machine that is free."""
        if not self._free:
            await self._look()
        while self._free:
            vm = self._free.pop()
            self._held[name] = vm
            # The machine goes on with it if this is cancelled, so `destroy` has to wait for it.
            reserving = asyncio.create_task(self._reserve(vm, name))
            self._reserving.add(reserving)
            holder, fault = await asyncio.shield(reserving)
            if fault:
                raise Unreachable(fault)
            if holder == name:
                return vm._replace(name=name)
        raise Unreachable(f"No machine of {self.config.hosts} is free any more.")

    async def list(self) -> Sequence[VM]:
        """Return the machines that are reserved, by the names that they have as VMs."""
        return [
            machine.vm._replace(name=machine.holder)
            for machine in await self._look()
            if VM_NAME.fullmatch(machine.holder)
        ]

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Release machines: what ran and was made there for a voyage goes, and the mark last."""
        wanted = set(names)
        await wait_for_all(*self._reserving)
        if wanted - self._held.keys():
            await self._look()
        held = {name: self._held.pop(name) for name in wanted & self._held.keys()}
        answers = await wait_for_all(*(self._release(vm, name) for name, vm in held.items()))
        left = {}
        for name, answer in zip(held, answers, strict=True):
            if answer.fault:
                left[name] = answer.fault
        return left

    async def authorize_key(self, storage: VM, ship: str, key: str) -> StorageAccess:  # noqa: ARG002
        """Do nothing: setting storage up makes an account for the ship, with its key."""
        return StorageAccess((*address_for_ships(storage), ("User", ship)))

    async def _look(self) -> Sequence[Machine]:
        """Ask all machines whose they are. Those that do not answer are told of, and left out."""
        vms = await self._resolve(read_inventory(self.config.hosts))
        self._ssh = write_config(self.config.run_dir() / "hosts", vms)
        answers = await wait_for_all(*(self._run_as_root(vm, read_script("look")) for vm in vms))
        machines = []
        for vm, answer in zip(vms, answers, strict=True):
            if answer.fault:
                progress(f"{self.config.hosts}: without {answer.fault}")
            else:
                machines.append(Machine(vm, holder=answer.stdout))
        self._free = [machine.vm for machine in machines if not machine.holder]
        for machine in machines:
            if VM_NAME.fullmatch(machine.holder):
                self._held[machine.holder] = machine.vm
        return machines

    async def _resolve(self, places: Sequence[str]) -> Sequence[VM]:
        """Have ssh say where machines are; one that is listed twice is one.

        Those that ssh does not know are told of, and left out. Raises Failure if that is all."""

        async def resolve(place: str) -> VM | str:
            try:
                return await resolve_known_host(self.config, f"ssh://{place}")
            except Failure as fault:
                return str(fault)

        resolved = await wait_for_all(*map(resolve, places))
        faults = [fault for fault in resolved if isinstance(fault, str)]
        if faults and len(faults) == len(places):
            raise Failure(faults[0])
        for fault in faults:
            progress(f"{self.config.hosts}: a machine is left out. {fault}")
        vms = {}
        for vm in resolved:
            if isinstance(vm, VM):
                host_and_port = vm.options[:2]
                vms[host_and_port] = vm._replace(options=vm.options + CONNECT_SOON)
        return [*vms.values()]

    async def _reserve(self, vm: VM, name: str) -> Answer:
        """Reserve a machine, unless it is taken. Its answer is whose it is then."""
        return await self._run_as_root(vm, read_script("reserve") + read_script("look"), name)

    async def _release(self, vm: VM, name: str) -> Answer:
        return await self._run_as_root(vm, read_script("release"), name)

    async def _run_as_root(self, vm: VM, script: str, name: str = "") -> Answer:
        """Run a script with the login user's home directory and the VM's `name` as arguments."""
        environment = ("env", *SCRIPT_ENVIRONMENT)
        remote = Remote("sudo", "-n", *environment, "sh", "-c", script, "sh", Home(""), name)
        try:
            result = await self._ssh.run(vm.name, remote, timeout=SCRIPT_S)
        except Failure as why:
            return Answer("", fault=str(why))
        fault = ""
        if result.status != 0:
            fault = f"{vm.name}: {clean(result.err).strip() or result.status}"
        return Answer(clean(result.out).strip(), fault)


def read_inventory(path: Path) -> list[str]:
    """Return the machines that an inventory names. Raises Failure with all that are none."""
    try:
        text = path.read_text()
    except OSError as why:
        raise Failure(f"{path}: {why.strerror}.", hint="See docs/providers.md.") from None
    places = re.sub("#.*", "", text).split()
    wrong = [place for place in places if not MACHINE.fullmatch(place)]
    if wrong:
        raise Failure(f"{path} has what is no [user@]host[:port]: {', '.join(wrong)}")
    return places


def read_script(name: str) -> str:
    """Return the text of hosts_NAME.sh, which is beside this file."""
    return Path(__file__).with_name(f"hosts_{name}.sh").read_text()
