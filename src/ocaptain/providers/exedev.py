"""The `exedev` provider: VMs of exe.dev, by way of its lobby, `ssh exe.dev COMMAND --json`.

docs/exedev.md has the facts that this rests on, their sources, and which of them are assumptions.
"""

import asyncio
import json
import re
import time
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import msgspec

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.ssh import VM, Options, Remote, Ssh, Unreachable, clean, prepare, quoted, run

from . import VM_NAME

LOBBY = "exe.dev"
AS_ITS_USER = ("identityfile", "identityagent", "identitiesonly", "certificatefile")
AS_IS = ("proxyjump", "proxycommand", "addressfamily")
UNKNOWN_OPTION = re.compile(
    r"(unknown|unrecogni[sz]ed|undefined|not defined|invalid).*\bvm\b", re.I
)
AT_ONCE = 8
LOOKS, LOOK_S, ANSWER_S, AGAIN_S = 60, 0.2, 120.0, 20.0


class Listed(msgspec.Struct):
    """A VM as `ls` and `new` describe it, as far as it is used here."""

    vm_name: Annotated[str, msgspec.Meta(pattern=rf"^(?:{VM_NAME.pattern})\Z")]
    ssh_dest: Annotated[str, msgspec.Meta(pattern=r"^([\w.+-]+@)?[\w.:][\w.:-]*\Z")]
    ssh_port: int = 22
    status: str = ""
    image: str = ""
    error: str = ""


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
        self._seen: dict[str, Listed] = {}
        self._seen_at = 0.0
        self._making: set[asyncio.Task[Any]] = set()

    # The lobby

    async def _open(self) -> Ssh:
        """How the lobby is reached: as the captain's own ssh does, with the host key it trusts."""
        theirs = ["-F", str(self.config.ssh_config)] if self.config.ssh_config else []
        said = (await run(["ssh", *theirs, "-G", LOBBY])).out.decode(errors="replace")
        pairs = [line.partition(" ")[::2] for line in said.splitlines()]
        known = dict(pairs)
        files = f"{known.get('userknownhostsfile', '')} {known.get('globalknownhostsfile', '')}"
        name = known.get("hostkeyalias", LOBBY)
        asked = [run(["ssh-keygen", "-F", name, "-f", file]) for file in files.split()]
        lines = [line for found in await asyncio.gather(*asked) for line in found.out.splitlines()]
        keys = [line.split(b" ", 1)[1] for line in lines if line and line[:1] not in b"#@"]
        if not keys:
            there = f"Your ssh does not know the host key of {LOBBY}, and ocaptain trusts no other."
            raise Failure(there, f"Type `ssh {LOBBY}` once, and compare the fingerprint it shows.")
        self._host_key = b"\n".join(dict.fromkeys(keys)).decode()
        options = [(key, quoted(value)) for key, value in pairs if key in AS_ITS_USER]
        self._options = (*options, *((key, value) for key, value in pairs if key in AS_IS))
        folder, user_config = self.config.run_dir(), self.config.ssh_config
        vm = VM(LOBBY, (), self._host_key)
        return prepare(folder / LOBBY, [vm], user_config=user_config, sockets=folder)

    async def _send(self, verb: str, *arguments: str, again: bool = False) -> tuple[list[Any], str]:
        """The JSON documents that the lobby answers with, and what is wrong, if anything; what
        does no harm when it is done twice is sent `again` where no answer comes."""
        if not self._opening:
            self._opening = asyncio.create_task(self._open())
        ssh, remote = await self._opening, Remote(*verb.split(), "--json", *arguments)
        async with self._turns:
            retries = AGAIN_S if again else 0
            done = await ssh.run(LOBBY, remote, timeout=ANSWER_S, retries=retries)
        found = documents(done.out) + documents(done.err)
        faults = [str(each["error"]) for each in found if each.keys() == {"error"}]
        if done.status and not faults:
            faults = [(done.err or done.out).decode(errors="replace").strip()]
        return found, clean(" ".join(faults))

    async def _ask(self, verb: str, *arguments: str, again: bool = False) -> Any:
        """The lobby's answer; Failure where it refuses."""
        found, fault = await self._send(verb, *arguments, again=again)
        if fault or not found:
            hint = f"See what it says to you: ssh {LOBBY} {verb} --help"
            raise Failure(f"{LOBBY} refused `{verb}`: {fault or 'it said nothing'}", hint)
        return found[0]

    async def _listed(self) -> list[Any]:
        """All VMs of the account, as `ls` has them."""
        vms = (await self._ask("ls", "-l", again=True)).get("vms")
        if not isinstance(vms, list) or not all(isinstance(vm, dict) for vm in vms):
            raise Failure(f"{LOBBY} listed no VMs, but {clean(str(vms))[:200]}")
        return vms

    # What a provider does

    async def look(self, more: int = 0) -> str:
        """The account and its VMs; Failure unless `more` fit into its allowance."""
        who, vms = await self._ask("whoami", again=True), await self._listed()
        limit, images = self.config.vm_limit, sorted({str(vm.get("image", "")) for vm in vms})
        room = f"{len(vms)} of {limit} VMs (OCAPTAIN_VM_LIMIT) are in use"
        if len(vms) + more > limit:
            gone = "ocaptain voyages  shows yours, and  ocaptain sink -s VOYAGE  removes one."
            raise Failure(f"{LOBBY} has no room for {more} more: {room}.", gone)
        image = self.config.vm.get("image", "its default image")
        return clean(f"{who.get('email')} at {LOBBY}; {room}; new ones have {image} {images}")

    async def create(self, name: str) -> VM:
        """Make a VM, and wait until the lobby says that it runs."""
        making = asyncio.create_task(self._new(name))
        self._making.add(making)  # what is cancelled here, the lobby would make all the same
        made = await asyncio.shield(making)
        if made.error:
            raise Unreachable(f"{LOBBY} made {name}, but could not set it up: {clean(made.error)}")
        for _ in range(LOOKS):  # and no longer: a new VM may be missing from the list for a while
            if await self._status(name) == "running":
                break
            await asyncio.sleep(LOOK_S)
        return self._vm(made)

    async def _new(self, name: str) -> Listed:
        given = [f"--{key.replace('_', '-')}={value}" for key, value in self.config.vm.items()]
        if name.endswith("-storage"):
            given.append(f"--tag={name.removesuffix('-storage')}")
        try:
            answer = await self._ask("new", f"--name={name}", "--no-email", *given)
        except Unreachable:  # and nobody knows whether it was made
            there = [vm for vm in await self._listed() if vm.get("vm_name") == name]
            if not there:
                raise
            answer = there[0]
        return parsed(answer)

    async def _status(self, name: str) -> str:
        """What `ls` says of a VM; one look does for all who ask at the same time."""
        async with self._looking:
            if time.monotonic() > self._seen_at + LOOK_S:
                self._seen = {vm.vm_name: vm for vm in map(parsed, ours(await self._listed()))}
                self._seen_at = time.monotonic()
        return self._seen[name].status if name in self._seen else ""

    def _vm(self, listed: Listed) -> VM:
        user, _, host = listed.ssh_dest.rpartition("@")
        options = [("HostName", host), ("Port", str(listed.ssh_port)), *self._options]
        return VM(listed.vm_name, (*options, *([("User", user)] if user else [])), self._host_key)

    async def list(self) -> Sequence[VM]:
        """The account's VMs that have names of ocaptain's."""
        return [self._vm(parsed(vm)) for vm in ours(await self._listed())]

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Remove VMs in one call and, with a ship or its storage, the ship's key."""
        wanted = sorted(name for name in names if VM_NAME.fullmatch(name))
        if self._making:
            await asyncio.wait(self._making, timeout=ANSWER_S)
        (_, fault), keys = await asyncio.gather(
            self._send("rm", *wanted, again=True), self._ask("ssh-key list", again=True)
        )
        there = ours(await self._listed()) if fault else []
        left = {vm["vm_name"]: fault for vm in there if vm["vm_name"] in wanted}
        names_ = [key["name"] for key in keys["ssh_keys"] if belongs(key.get("name"), wanted)]
        gone = await asyncio.gather(*(self._send("ssh-key remove", n, again=True) for n in names_))
        for name, (_, why) in zip(names_, gone, strict=True):
            if why:
                left[f"the key {name}"] = f"{why}; ssh {LOBBY} ssh-key remove {name}"
        return left

    def reach(self, storage: VM, ship: str) -> Options:
        """The same address; any login name will do where the lobby gave none."""
        options = {"User": ship, **dict(storage.options)}
        return tuple((key, options[key]) for key in ("HostName", "Port", "User"))

    async def admit(self, storage: VM, ship: str, key: str) -> tuple[str, ...]:
        """Add the key to the account, for storage alone: as the ship's user where the lobby can do
        that, else by the tag that storage carries; never a key for the whole account."""
        tag = storage.name.removesuffix("-storage")
        scope, via = storage.name, tuple[str, ...]()
        try:
            of_vm = (f"--vm={storage.name}", f"--ssh-user={ship}")
            answer = await self._ask("ssh-key add", *of_vm, key)
        except Failure as refused:
            if not UNKNOWN_OPTION.search(str(refused)):
                raise
            answer = await self._ask("ssh-key add", f"--tag={tag}", key)
            scope, via = tag, ("sudo", "-nu", ship, "/usr/local/lib/ocaptain/login", "-c")
        if scope not in dict(answer.get("permissions") or {}).values():
            raise Failure(f"{LOBBY} does not say that {ship}'s key is for {scope} only: {answer}")
        return via


def documents(said: bytes) -> list[Any]:
    """The JSON objects in an answer of the lobby's: one, or one a line."""
    found = []
    for text in (said, *said.splitlines()):
        try:
            value = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            found.append(value)
        if text is said:
            break
    return found


def parsed(vm: Any) -> Listed:
    """A VM as the lobby described it; Failure where that makes no sense."""
    try:
        return msgspec.convert(vm, Listed)
    except msgspec.ValidationError as error:
        raise Failure(f"{LOBBY} describes a VM as {clean(str(vm))[:300]}: {error}") from None


def ours(vms: Iterable[Any]) -> list[Any]:
    """Those of the VMs that have names of ocaptain's."""
    return [vm for vm in vms if VM_NAME.fullmatch(str(vm.get("vm_name")))]


def belongs(key: Any, vms: Iterable[str]) -> bool:
    """Whether a key of this name is that of one of these ships, or of a ship of these storages."""
    ship = isinstance(key, str) and VM_NAME.fullmatch(key)
    return bool(ship) and (key in vms or f"{key.rpartition('-')[0]}-storage" in vms)
