"""The `exedev` provider: VMs of exe.dev, by way of its lobby, `ssh exe.dev COMMAND --json`.

docs/exedev.md has the facts that this rests on, their sources, and which of them are assumptions.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.ssh import VM, Options, Remote, Ssh, Unreachable, clean, prepare, quoted, run

from . import VM_NAME

T = TypeVar("T")
Json = dict[str, Any]

LOBBY = "exe.dev"
LIKE_ITS = {"identityfile", "identityagent", "identitiesonly", "certificatefile", "addressfamily"}
LIKE_ITS |= {"proxyjump", "proxycommand"}
"""What the captain's ssh_config says of the lobby and holds for the VMs as well."""
DESTINATION = re.compile(r"\A(?:([\w.+-]+)@)?([\w.:][\w.:-]*)\Z")
UNKNOWN_OPTION = re.compile(
    r"(unknown|unrecogni[sz]ed|undefined|not defined|invalid).*\bvm\b", re.I
)
LOGIN = "/usr/local/lib/ocaptain/login"
AT_ONCE = 8
LOOKS, LOOK_S, ANSWER_S, AGAIN_S = 60, 0.2, 120.0, 20.0


class Exedev:
    """VMs of the account whose key the captain's ssh shows to exe.dev."""

    python = "python3"
    accounts = True

    def __init__(self, config: Config) -> None:
        self.config = config
        self._turns, self._looking = asyncio.Semaphore(AT_ONCE), asyncio.Lock()
        self._opening: asyncio.Task[Ssh] | None = None
        self._options: Options = ()
        self._host_key, self._seen_at = "", 0.0
        self._seen: dict[str, tuple[str, VM]] = {}
        self._making: set[asyncio.Task[VM]] = set()

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

    async def _send(self, verb: str, *arguments: str, again: bool = True) -> tuple[Json, str]:
        """What the lobby answers, and what is wrong, if anything. What does no harm when it is done
        twice is sent `again` where no answer comes."""
        self._opening = self._opening or asyncio.create_task(self._open())
        ssh, remote = await self._opening, Remote(*verb.split(), "--json", *arguments)
        async with self._turns:
            done = await ssh.run(LOBBY, remote, timeout=ANSWER_S, retries=AGAIN_S * again)
        found = documents(done.out) + documents(done.err)
        faults = [str(each["error"]) for each in found if each.keys() == {"error"}]
        if not faults and (done.status or not found):
            faults = [(done.err or done.out).decode(errors="replace").strip() or "it said nothing"]
        return found[0] if found else {}, clean(" ".join(faults))

    async def _ask(
        self, pick: Callable[[Json], T], verb: str, *arguments: str, again: bool = True
    ) -> T:
        """What `pick` finds in the lobby's answer; Failure where that refuses, or lacks it."""
        answer, fault = await self._send(verb, *arguments, again=again)
        if fault:
            hint = f"See what it says to you: ssh {LOBBY} {verb} --help"
            raise Failure(f"{LOBBY} refused `{verb}`: {fault}", hint)
        try:
            return pick(answer)
        except (AttributeError, KeyError, TypeError, ValueError) as strange:
            told = f"{LOBBY} answers `{verb}` with what ocaptain does not understand ({strange!r})"
            said = clean(json.dumps(answer))[:300]
            raise Failure(f"{told}: {said}", "See docs/exedev.md.") from None

    def _ours(self, answer: Json) -> dict[str, tuple[str, VM]]:
        """The account's VMs that have names of ocaptain's: their states and how to get there."""
        vms = [vm for vm in answer["vms"] if VM_NAME.fullmatch(str(vm["vm_name"]))]
        return {vm["vm_name"]: (str(vm.get("status")), self._vm(vm)) for vm in vms}

    def _vm(self, said: Json) -> VM:
        ((user, host),) = DESTINATION.findall(said["ssh_dest"])
        where = {"HostName": host, "Port": str(int(said.get("ssh_port", 22))), "User": user}
        given = tuple((key, value) for key, value in where.items() if value)
        return VM(said["vm_name"], given + self._options, self._host_key)

    # What a provider does

    async def look(self, more: int = 0) -> str:
        """The account's VMs; Failure unless `more` fit into its allowance."""
        limit = self.config.vm_limit
        images = await self._ask(lambda said: [vm.get("image") for vm in said["vms"]], "ls", "-l")
        room = f"{len(images)} of {limit} VMs (OCAPTAIN_VM_LIMIT) are in use"
        if len(images) + more > limit:
            remedy = "ocaptain voyages  lists yours,  ocaptain sink -s VOYAGE  removes one."
            raise Failure(f"{LOBBY} has no room for {more} more: {room}.", remedy)
        image = self.config.vm.get("image", "its default image")
        there = f"; those there have {', '.join(sorted(set(map(str, images))))}" if images else ""
        return clean(f"{LOBBY}: {room}; new ones get {image}{there}")

    async def create(self, name: str) -> VM:
        """Make a VM, and wait until the lobby says that it runs."""
        given = [f"--{key}={value}" for key, value in self.config.vm.items()]
        if name.endswith("-storage"):
            given.append(f"--tag={tag(name)}")
        new = self._ask(self._made, "new", f"--name={name}", "--no-email", *given, again=False)
        making = asyncio.create_task(new)
        self._making.add(making)  # the lobby goes on with it, also where this is cancelled
        vm = await asyncio.shield(making)
        for _ in range(LOOKS):  # and no longer: a new VM may be missing from the list for a while
            if await self._state(name) == "running":
                break
            await asyncio.sleep(LOOK_S)
        return vm

    def _made(self, said: Json) -> VM:
        if "error" in said:
            raise Unreachable(f"{LOBBY} made it, but not well: {clean(str(said['error']))}")
        return self._vm(said)

    async def _state(self, name: str) -> str:
        """What `ls` says of a VM; one look does for all who ask at the same time."""
        async with self._looking:
            if time.monotonic() > self._seen_at + LOOK_S:
                self._seen = await self._ask(self._ours, "ls")
                self._seen_at = time.monotonic()
        return self._seen[name][0] if name in self._seen else ""

    async def list(self) -> Sequence[VM]:
        """The account's VMs that have names of ocaptain's."""
        return [vm for _, vm in (await self._ask(self._ours, "ls")).values()]

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Remove VMs in one call and, with a ship or its storage, the ship's key."""
        wanted = {name for name in names if VM_NAME.fullmatch(name)}
        if self._making:
            await asyncio.wait(self._making, timeout=ANSWER_S)
        rm, keys = self._send("rm", *sorted(wanted)), self._ask(ship_keys, "ssh-key list")
        (_, fault), ships = await asyncio.gather(rm, keys)
        there = await self._ask(self._ours, "ls") if fault else {}
        left = dict.fromkeys(wanted & there.keys(), fault)
        theirs = [key for key in ships if {key, f"{key.rpartition('-')[0]}-storage"} & wanted]
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
            added = await self._ask(dict, "ssh-key add", *only, key, again=False)
        except Failure as refused:
            if not UNKNOWN_OPTION.search(str(refused)):
                raise
            scope, via = tag(storage.name), ("sudo", "-nu", ship, LOGIN, "-c")
            added = await self._ask(dict, "ssh-key add", f"--tag={scope}", key, again=False)
        # By its name the key is found when it is to go.
        if added.get("name") != key.split()[2] or repr(scope) not in str(added.get("permissions")):
            told = f"{LOBBY} does not say that {ship}'s key is for {scope} alone, and its name:"
            raise Failure(f"{told} {clean(str(added))[:300]}", "See docs/exedev.md.")
        return via


def tag(storage: str) -> str:
    """What storage alone is tagged with: its voyage."""
    return storage.removesuffix("-storage")


def documents(said: bytes) -> list[Json]:
    """The JSON objects in an answer of the lobby's: one, or one a line."""
    for texts in ([said], said.splitlines()):
        with suppress(ValueError, RecursionError):
            return [each for each in map(json.loads, texts) if isinstance(each, dict)]
    return []


def ship_keys(answer: Json) -> list[str]:
    """The names of the account's keys that are ships'."""
    names = [str(key["name"]) for key in answer["ssh_keys"]]
    return [name for name in names if VM_NAME.fullmatch(name)]
