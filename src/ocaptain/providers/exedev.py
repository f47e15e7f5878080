"""The `exedev` provider: VMs of exe.dev, by way of its lobby, `ssh exe.dev COMMAND --json`.

docs/exedev.md has the facts that this rests on, their sources, and which of them are assumptions.
"""

import asyncio
import json
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.process import wait_for_all
from ocaptain.ssh import VM, Options, Remote, Ssh, Unreachable, clean, prepare

from . import VM_NAME, Provider
from .known_host import trusted

T = TypeVar("T")
Json = dict[str, Any]

LOBBY = "exe.dev"
DESTINATION = re.compile(r"\A(?:([\w.+-]+)@)?([\w.:][\w.:-]*)\Z")
UNKNOWN_OPTION = re.compile(r"(?i)(unknown|unrecogni[sz]ed|undefined|not defined|invalid).*\bvm\b")
ONCE = {"new": 0.0, "ssh-key add": 0.0}
"""For how many seconds these are sent again where no answer comes: they might be done twice."""
AT_ONCE = 8
WAIT_S, LOOK_S, ANSWER_S, AGAIN_S = 12.0, 0.1, 120.0, 20.0


class Exedev(Provider):
    """VMs of the account whose key the captain's ssh shows to exe.dev."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._opening: asyncio.Task[Ssh] | None = None
        self._lobby = VM(LOBBY, (), "")
        self._making = set[asyncio.Task[VM]]()

    # The lobby

    async def _open(self) -> Ssh:
        self._lobby = await trusted(self.config, LOBBY)
        return prepare(self.config.run_dir() / LOBBY, [self._lobby], self.config.ssh_config)

    async def _send(self, verb: str, *arguments: str) -> tuple[Json, str]:
        """What the lobby answers, and what is wrong, if anything."""
        self._opening = self._opening or asyncio.create_task(self._open())
        ssh, remote = await self._opening, Remote(*verb.split(), "--json", *arguments)
        async with self._turns:
            done = await ssh.run(LOBBY, remote, timeout=ANSWER_S, retries=ONCE.get(verb, AGAIN_S))
        found = documents(done.out) + documents(done.err)
        faults = [str(each["error"]) for each in found if each.keys() == {"error"}]
        if not faults and (done.status or not found):
            faults = [(done.err or done.out).decode(errors="replace").strip() or "it said nothing"]
        return found[0] if found else {}, clean(" ".join(faults))

    async def _ask(self, pick: Callable[[Json], T], verb: str, *arguments: str) -> T:
        """What `pick` finds in the lobby's answer; Failure where that refuses, or lacks it."""
        answer, fault = await self._send(verb, *arguments)
        if fault:
            hint = f"See what it says to you: ssh {LOBBY} {verb} --help"
            raise Failure(f"{LOBBY} refused `{verb}`: {fault}", hint=hint)
        try:
            return pick(answer)
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as strange:
            told = f"{LOBBY} answers `{verb}` with what ocaptain does not understand ({strange!r})"
            said = clean(json.dumps(answer))[:300]
            raise Failure(f"{told}: {said}", hint="See docs/exedev.md.") from None

    def _vm(self, said: Json) -> VM:
        ((user, host),) = DESTINATION.findall(said["ssh_dest"])
        where = {"HostName": host, "Port": str(int(said.get("ssh_port", 22))), "User": user}
        given = tuple((key, value) for key, value in where.items() if value)
        # Where it is apart, what the captain's ssh_config says of the lobby holds for its VMs.
        return VM(said["vm_name"], given + self._lobby.options[3:], self._lobby.host_key)

    # What a provider does

    async def capacity(self, more: int = 0) -> str:
        """The account's VMs; Failure unless `more` fit into its allowance."""
        images = await self._ask(lambda said: [vm.get("image") for vm in said["vms"]], "ls", "-l")
        room = f"{len(images)} of {self.config.vm_limit} VMs (OCAPTAIN_VM_LIMIT) are in use"
        if len(images) + more > self.config.vm_limit:
            remedy = "ocaptain voyages  lists yours,  ocaptain sink -s VOYAGE  removes one."
            raise Failure(f"{LOBBY} has no room for {more} more: {room}.", hint=remedy)
        image = self.config.vm.get("image", "its default image")
        there = f"; those there have {', '.join(sorted(set(map(str, images))))}" if images else ""
        return clean(f"{LOBBY}: {room}; new ones get {image}{there}")

    async def create(self, name: str) -> VM:
        """Make a VM, and wait until the lobby says that it runs."""
        given = [f"--{key}={value}" for key, value in self.config.vm.items()]
        given += [f"--tag={tag(name)}"] * name.endswith("-storage")
        new = self._ask(self._made, "new", f"--name={name}", "--no-email", *given)
        # The lobby goes on with it, also where this is cancelled.
        self._making.add(making := asyncio.create_task(new))
        vm = await asyncio.shield(making)
        with suppress(TimeoutError):
            async with asyncio.timeout(WAIT_S):
                # As all who wait do; of no event does the lobby tell.
                while name not in await self._ask(running, "ls"):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_S * min(20, len(self._making)))
        return vm

    def _made(self, said: Json) -> VM:
        if "error" in said:
            raise Unreachable(f"{LOBBY} made it, but not well: {clean(str(said['error']))}")
        return self._vm(said)

    async def list(self) -> Sequence[VM]:
        """The account's VMs that have names of ocaptain's."""
        return await self._ask(lambda said: [*map(self._vm, ours(said["vms"], "vm_name"))], "ls")

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Remove VMs in one call and, with a ship or its storage, the ship's key."""
        wanted = {name for name in names if VM_NAME.fullmatch(name)}
        await asyncio.gather(*self._making, return_exceptions=True)
        removing = asyncio.create_task(self._send("rm", *sorted(wanted)))
        listing = asyncio.create_task(
            self._ask(lambda said: ours(said["ssh_keys"], "name"), "ssh-key list")
        )
        await wait_for_all(removing, listing)
        _, fault = removing.result()
        ships = [key["name"] for key in listing.result()]
        there = await self.list() if fault else ()
        left = {vm.name: fault for vm in there if vm.name in wanted}
        theirs = [name for name in ships if {name, f"{tag(name)}-storage"} & wanted]
        gone = await wait_for_all(*(self._send("ssh-key remove", name) for name in theirs))
        kept = {name: why for name, (_, why) in zip(theirs, gone, strict=True) if why}
        by_hand = f"by hand: ssh {LOBBY} ssh-key remove"
        return left | {f"the key {name}": f"{why}; {by_hand} {name}" for name, why in kept.items()}

    async def authorize_key(
        self, storage: VM, ship: str, key: str
    ) -> tuple[Options, Sequence[str]]:
        """Add the key to the account, for storage alone: as the ship's user where the lobby can do
        that, else by the tag that storage carries; never a key for the whole account."""
        scope, via = storage.name, tuple[str, ...]()
        try:
            added = await self._ask(dict, "ssh-key add", f"--vm={scope}", f"--ssh-user={ship}", key)
        except Failure as refused:
            if not UNKNOWN_OPTION.search(str(refused)):
                raise
            from ocaptain.onboard.storage.accounts import (
                LOGIN_SHELL,  # takes longer than most commands
            )

            scope, via = tag(storage.name), ("sudo", "-nu", ship, str(LOGIN_SHELL), "-c")
            added = await self._ask(dict, "ssh-key add", f"--tag={scope}", key)
        # By its name the key is found when it is to go.
        if added.get("name") != key.split()[2] or repr(scope) not in str(added.get("permissions")):
            told = f"{LOBBY} does not say that {ship}'s key is for {scope} alone, and its name:"
            raise Failure(f"{told} {clean(str(added))[:300]}", hint="See docs/exedev.md.")
        # The same address; any login name will do where the lobby gave none.
        options = {"User": ship, **dict(storage.options)}
        return tuple((key, options[key]) for key in ("HostName", "Port", "User")), via


def tag(name: str) -> str:
    """What the storage of a VM's voyage is tagged with, and nothing else: the voyage's name."""
    return name.rpartition("-")[0]


def documents(said: bytes) -> list[Json]:
    """The JSON objects in an answer of the lobby's, each of which begins a line."""
    with suppress(ValueError, RecursionError):
        return [x for x in map(json.loads, re.split(rb"\n(?={)", said)) if isinstance(x, dict)]
    return []


def ours(listed: Iterable[Json], key: str) -> list[Json]:
    """Those of the account's VMs or keys that have, as `key`, a name of ocaptain's."""
    return [each for each in listed if VM_NAME.fullmatch(str(each[key]))]


def running(answer: Json) -> set[str]:
    """The names of the account's VMs that run."""
    return {vm["vm_name"] for vm in answer["vms"] if vm.get("status") == "running"}
