"""The `hosts` provider: machines that one has, which are reserved and released.

An inventory names them: `[user@]host[:port]`, or a Host of the captain's ssh_config. A reserved
machine says so itself, by a link that only one can make, from /var/lib/ocaptain/reserved to its
VM's name: whoever has the inventory sees the same voyages.
"""

import asyncio
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
from .absent import fault_of, keys_to_compare, left_out, place_of, read_absent, write_absent
from .inventory import read_inventory
from .known_host import UnknownHost, address_for_ships, resolve_known_host

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
    is_absent: bool = False
    """Whether nothing came from the machine at all."""


class Hosts(Provider):
    """The machines of the inventory that the captain's settings name."""

    sizes = False

    def __init__(self, config: Config) -> None:
        self.config = config
        self._ssh = Ssh(config.socket_dir / "hosts" / "ssh_config")
        self._free: list[VM] = []
        self._held: dict[str, VM] = {}
        """Machines by the names of the VMs that they are, or are to be."""
        self._left_out: dict[str, str] = {}
        """Why machines are of no use now, by what they are called."""
        self._unknown: list[UnknownHost] = []
        self._reserving = set[asyncio.Task[Answer]]()

    async def capacity(self, more: int = 0) -> str:
        """Say how many machines are free. Raises Failure if these are fewer than `more`."""
        machines = await self._look(all_anew=True)
        if not machines:
            raise self._none()
        free = f"{len(self._free)} of {len(machines)} machines of {self.config.hosts} are free"
        busy = [
            f"{machine.vm.name} has {', '.join(machine.holder.splitlines())}"
            for machine in machines
            if machine.holder
        ]
        rest = [*busy, *self._useless()]
        if len(self._free) < more:
            raise Failure(
                "\n".join([f"{free}, and {more} are wanted.", *rest]),
                hint="`sail -n N` takes fewer ships. More machines: a line for each in that file.",
            )
        return "; ".join([free, *rest])

    def _useless(self) -> list[str]:
        """Return sentences on the machines that are of no use now, and what to do about them."""
        sentences = [f"{machine} is left out: {why}" for machine, why in self._left_out.items()]
        if self._unknown:
            sentences.append(f"To know these host keys: {keys_to_compare(self._unknown)}")
        return sentences

    def _none(self) -> Failure:
        none = f"No machine of {self.config.hosts} can be used."
        return Failure("\n".join([none, *self._useless()]))

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
            answer = await asyncio.shield(reserving)
            if answer.fault:
                raise Unreachable(answer.fault)
            if answer.stdout == name:
                return vm._replace(name=name)
        raise Unreachable(f"No machine of {self.config.hosts} is free any more.")

    async def list(self) -> Sequence[VM]:
        """Return the machines that are reserved, by the names that they have as VMs."""
        machines = await self._look()
        if not machines:
            raise self._none()
        return [
            machine.vm._replace(name=machine.holder)
            for machine in machines
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

    async def _look(self, *, all_anew: bool = False) -> Sequence[Machine]:
        """Ask all machines whose they are.

        Those that are of no use now are told of in a line. One that did not answer a moment ago is
        among them; it is asked again if `all_anew`."""
        vms = await self._resolve(read_inventory(self.config.hosts))
        self._ssh = write_config(self.config.run_dir() / "hosts", vms)
        absent = {} if all_anew else read_absent(self.config, "machines")
        asked = [vm for vm in vms if place_of(vm) not in absent]
        answers = await wait_for_all(*(self._run_as_root(vm, read_script("look")) for vm in asked))
        machines = self._take_in(asked, answers)
        silent = [vm for vm, answer in zip(asked, answers, strict=True) if answer.is_absent]
        absent |= {place_of(vm): self._left_out[vm.name] for vm in silent}
        self._left_out |= {vm.name: absent[place_of(vm)] for vm in vms if place_of(vm) in absent}
        if silent or all_anew:
            write_absent(self.config, "machines", absent)
        if machines and self._left_out and not all_anew:
            progress(f"hosts: {left_out(self._left_out)}")
        return machines

    def _take_in(self, asked: Sequence[VM], answers: Sequence[Answer]) -> Sequence[Machine]:
        """Keep what these machines have answered. Returns those that are of use."""
        machines = []
        for vm, answer in zip(asked, answers, strict=True):
            if answer.fault:
                self._left_out[vm.name] = answer.fault
            else:
                machines.append(Machine(vm, holder=answer.stdout))
        self._free = [machine.vm for machine in machines if not machine.holder]
        for machine in machines:
            if VM_NAME.fullmatch(machine.holder):
                self._held[machine.holder] = machine.vm
        return machines

    async def _resolve(self, places: Sequence[str]) -> Sequence[VM]:
        """Have ssh say where machines are; one that is listed twice is one.

        Those that ssh does not know are left out. Raises Failure if that is all."""

        vm_at: dict[str, VM] = {}
        faults: dict[str, Failure] = {}

        async def resolve(place: str) -> None:
            try:
                vm_at[place] = await resolve_known_host(self.config, f"ssh://{place}")
            except Failure as fault:
                faults[place] = fault

        await wait_for_all(*map(resolve, places))
        unknown = [fault for fault in faults.values() if isinstance(fault, UnknownHost)]
        self._unknown = sorted(unknown, key=lambda fault: fault.address)
        if len(self._unknown) == len(places):
            raise Failure(
                f"Your ssh does not know the host key of any machine of {self.config.hosts};"
                f" ocaptain trusts no other. These are: {', '.join(places)}",
                hint=f"To know them: {keys_to_compare(self._unknown)}",
            )
        if not vm_at:
            raise faults[places[0]]
        self._left_out = {place: fault_of(faults[place]) for place in places if place in faults}
        vms = {}
        for place in places:
            if place in vm_at:
                vm = vm_at[place]
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
            return Answer("", fault=fault_of(why), is_absent=isinstance(why, Unreachable))
        fault = ""
        if result.status != 0:
            fault = f"{vm.name}: {clean(result.err).strip() or result.status}"
        return Answer(clean(result.out).strip(), fault)


def read_script(name: str) -> str:
    """Return the text of hosts_NAME.sh, which is beside this file."""
    return Path(__file__).with_name(f"hosts_{name}.sh").read_text()
