"""The `exedev` provider: VMs of exe.dev, by way of its lobby, `ssh exe.dev COMMAND --json`.

docs/exedev.md has the facts that this rests on, their sources, and which of them are assumptions.
"""

import asyncio
import json
import re
import time
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from typing import Annotated, Any, TypeVar

import msgspec

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.ssh import VM, Options, Remote, Ssh, Unreachable, clean, prepare, quoted, run

from . import VM_NAME

LOBBY = "exe.dev"
LIKE_ITS = {"identityfile", "identityagent", "identitiesonly", "certificatefile", "addressfamily"}
LIKE_ITS |= {"proxyjump", "proxycommand"}
"""What the captain's ssh_config says of the lobby and holds for the VMs as well."""
UNKNOWN_OPTION = re.compile(
    r"(unknown|unrecogni[sz]ed|undefined|not defined|invalid).*\bvm\b", re.I
)
QUIETLY = "--no-email"
LOGIN = "/usr/local/lib/ocaptain/login"
AT_ONCE = 8
LOOKS, LOOK_S, ANSWER_S, AGAIN_S = 60, 0.2, 120.0, 20.0

Shape = TypeVar("Shape")


class Machine(msgspec.Struct):
    """A VM as `ls` and `new` describe it."""

    vm_name: Annotated[str, msgspec.Meta(pattern=rf"^(?:{VM_NAME.pattern})\Z")]
    ssh_dest: Annotated[str, msgspec.Meta(pattern=r"^([\w.+-]+@)?[\w.:][\w.:-]*\Z")]
    ssh_port: int = 22
    status: str = ""
    error: str = ""


class Listing(msgspec.Struct):
    """The answer to `ls`: VMs of the account, ocaptain's or not."""

    vms: list[dict[str, Any]]

    def ours(self) -> dict[str, Machine]:
        """Those with names of ocaptain's, by name."""
        found = [vm for vm in self.vms if VM_NAME.fullmatch(str(vm.get("vm_name")))]
        return {vm.vm_name: vm for vm in (shaped(vm, Machine) for vm in found)}


class Key(msgspec.Struct):
    """A key of the account's, or what became of one that was added."""

    name: str = ""
    permissions: dict[str, Any] = {}


class Keys(msgspec.Struct):
    """The answer to `ssh-key list`."""

    ssh_keys: list[Key]


class Exedev:
    """VMs of the account whose key the captain's ssh shows to exe.dev."""

    python = "python3"
    accounts = True

    def __init__(self, config: Config) -> None:
        self.config = config
        self._turns, self._looking = asyncio.Semaphore(AT_ONCE), asyncio.Lock()
        self._opening: asyncio.Task[Ssh] | None = None
        self._options: Options = ()
        self._host_key = ""
        self._seen: dict[str, Machine] = {}
        self._seen_at = 0.0
        self._making: set[asyncio.Task[Machine]] = set()

    # The lobby

    async def _open(self) -> Ssh:
        """How the lobby is reached: as the captain's own ssh does, with the host key it trusts."""
        user_config, folder = self.config.ssh_config, self.config.run_dir()
        theirs = ["-F", str(user_config)] if user_config else []
        said = (await run(["ssh", *theirs, "-G", LOBBY])).out.decode(errors="replace")
        pairs = [line.partition(" ")[::2] for line in said.splitlines()]
        told = {"hostkeyalias": LOBBY, **dict(pairs)}
        files = f"{told['userknownhostsfile']} {told['globalknownhostsfile']}".split()
        asked = [run(["ssh-keygen", "-F", told["hostkeyalias"], "-f", file]) for file in files]
        known = b"".join(found.out for found in await asyncio.gather(*asked)).decode().splitlines()
        keys = [line.partition(" ")[2] for line in known if not line.startswith(("#", "@"))]
        if not keys:
            there = f"Your ssh does not know the host key of {LOBBY}, and ocaptain trusts no other."
            raise Failure(there, f"Type `ssh {LOBBY}` once, and compare the fingerprint it shows.")
        self._host_key, alike = "\n".join(keys), [pair for pair in pairs if pair[0] in LIKE_ITS]
        self._options = tuple((k, v if k[:5] == "proxy" else quoted(v)) for k, v in alike)
        lobby = VM(LOBBY, (), self._host_key)
        return prepare(folder / LOBBY, [lobby], user_config=user_config, sockets=folder)

    async def _send(self, verb: str, *arguments: str, again: bool = True) -> tuple[list[Any], str]:
        """The JSON documents that the lobby answers with, and what is wrong, if anything. What
        does no harm when it is done twice is sent `again` where no answer comes."""
        self._opening = self._opening or asyncio.create_task(self._open())
        ssh, remote = await self._opening, Remote(*verb.split(), "--json", *arguments)
        async with self._turns:
            retries = AGAIN_S if again else 0
            done = await ssh.run(LOBBY, remote, timeout=ANSWER_S, retries=retries)
        found = documents(done.out) + documents(done.err)
        faults = [str(each["error"]) for each in found if each.keys() == {"error"}]
        if not faults and (done.status or not found):
            faults = [clean(done.err or done.out).strip() or "it said nothing"]
        return found, clean(" ".join(faults))

    async def _ask(
        self, shape: type[Shape], verb: str, *arguments: str, again: bool = True
    ) -> Shape:
        """The lobby's answer; Failure where it refuses, or has no such shape."""
        found, fault = await self._send(verb, *arguments, again=again)
        if fault:
            hint = f"See what it says to you: ssh {LOBBY} {verb} --help"
            raise Failure(f"{LOBBY} refused `{verb}`: {fault}", hint)
        return shaped(found[0], shape)

    # What a provider does

    async def look(self, more: int = 0) -> str:
        """The account and its VMs; Failure unless `more` fit into its allowance."""
        vms = (await self._ask(Listing, "ls", "-l")).vms
        limit, images = self.config.vm_limit, {str(vm.get("image")) for vm in vms}
        room = f"{len(vms)} of {limit} VMs (OCAPTAIN_VM_LIMIT) are in use"
        if len(vms) + more > limit:
            remedy = "ocaptain voyages  lists yours,  ocaptain sink -s VOYAGE  removes one."
            raise Failure(f"{LOBBY} has no room for {more} more: {room}.", remedy)
        image = self.config.vm.get("image", "its default image")
        there = f"; those there have {', '.join(sorted(images))}" if vms else ""
        return clean(f"{LOBBY}: {room}; new ones get {image}{there}")

    async def create(self, name: str) -> VM:
        """Make a VM, and wait until the lobby says that it runs."""
        making = asyncio.create_task(self._new(name))
        self._making.add(making)  # the lobby goes on with it, also where this is cancelled
        made = await asyncio.shield(making)
        if made.error:
            raise Unreachable(f"{LOBBY} made {name}, but could not set it up: {clean(made.error)}")
        for _ in range(LOOKS):  # and no longer: a new VM may be missing from the list for a while
            if await self._status(name) == "running":
                break
            await asyncio.sleep(LOOK_S)
        return self._vm(made)

    async def _new(self, name: str) -> Machine:
        given = [f"--{key}={value}" for key, value in self.config.vm.items()]
        if name.endswith("-storage"):
            given.append(f"--tag={tag(name)}")
        try:
            return await self._ask(Machine, "new", f"--name={name}", *given, QUIETLY, again=False)
        except Unreachable:  # and nobody knows whether it was made
            there = (await self._ask(Listing, "ls")).ours()
            if name not in there:
                raise
            return there[name]

    async def _status(self, name: str) -> str:
        """What `ls` says of a VM; one look does for all who ask at the same time."""
        async with self._looking:
            if time.monotonic() > self._seen_at + LOOK_S:
                self._seen = (await self._ask(Listing, "ls")).ours()
                self._seen_at = time.monotonic()
        return self._seen[name].status if name in self._seen else ""

    def _vm(self, machine: Machine) -> VM:
        user, _, host = machine.ssh_dest.rpartition("@")
        where = (("HostName", host), ("Port", str(machine.ssh_port)), ("User", user))
        given = tuple((key, value) for key, value in where if value)
        return VM(machine.vm_name, given + self._options, self._host_key)

    async def list(self) -> Sequence[VM]:
        """The account's VMs that have names of ocaptain's."""
        return [self._vm(vm) for vm in (await self._ask(Listing, "ls")).ours().values()]

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Remove VMs in one call and, with a ship or its storage, the ship's key."""
        wanted = {name for name in names if VM_NAME.fullmatch(name)}
        if self._making:
            await asyncio.wait(self._making, timeout=ANSWER_S)
        (_, fault), keys = await asyncio.gather(
            self._send("rm", *sorted(wanted)), self._ask(Keys, "ssh-key list")
        )
        there = (await self._ask(Listing, "ls")).ours() if fault else {}
        left = dict.fromkeys(wanted & there.keys(), fault)
        theirs = [key.name for key in keys.ssh_keys if belongs(key.name, wanted)]
        gone = await asyncio.gather(*(self._send("ssh-key remove", name) for name in theirs))
        for name, (_, why) in zip(theirs, gone, strict=True):
            if why:
                left[f"the key {name}"] = f"{why}; by hand: ssh {LOBBY} ssh-key remove {name}"
        return left

    def reach(self, storage: VM, ship: str) -> Options:
        """The same address; any login name will do where the lobby gave none."""
        options = {"User": ship, **dict(storage.options)}
        return tuple((key, options[key]) for key in ("HostName", "Port", "User"))

    async def admit(self, storage: VM, ship: str, key: str) -> tuple[str, ...]:
        """Add the key to the account, for storage alone: as the ship's user where the lobby can do
        that, else by the tag that storage carries; never a key for the whole account."""
        scope, via = storage.name, tuple[str, ...]()
        try:
            only = (f"--vm={storage.name}", f"--ssh-user={ship}")
            added = await self._ask(Key, "ssh-key add", *only, key, again=False)
        except Failure as refused:
            if not UNKNOWN_OPTION.search(str(refused)):
                raise
            scope, via = tag(storage.name), ("sudo", "-nu", ship, LOGIN, "-c")
            added = await self._ask(Key, "ssh-key add", f"--tag={scope}", key, again=False)
        if scope not in added.permissions.values():
            said = f"{LOBBY} does not say that {ship}'s key is for {scope} alone, but"
            raise Failure(f"{said} {clean(str(added.permissions))}", "See docs/exedev.md.")
        return via


def tag(storage: str) -> str:
    """What storage alone is tagged with: its voyage."""
    return storage.removesuffix("-storage")


def documents(said: bytes) -> list[Any]:
    """The JSON objects in an answer of the lobby's: one, or one a line."""
    for texts in ([said], said.splitlines()):
        with suppress(ValueError, RecursionError):
            return [each for each in map(json.loads, texts) if isinstance(each, dict)]
    return []


def shaped(said: Any, shape: type[Shape]) -> Shape:
    """What the lobby said, if it has that shape; else Failure."""
    try:
        return msgspec.convert(said, shape)
    except msgspec.ValidationError as error:
        told = f"{LOBBY} answers what ocaptain does not understand: {error}"
        raise Failure(told, f"It said: {clean(json.dumps(said))[:300]}") from None


def belongs(key: str, vms: Collection[str]) -> bool:
    """Whether a key of this name is that of one of these ships, or of a ship of these storages."""
    storage = f"{key.rpartition('-')[0]}-storage"
    return bool(VM_NAME.fullmatch(key)) and (key in vms or storage in vms)
