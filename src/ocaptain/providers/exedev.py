"""The `exedev` provider: VMs of exe.dev.

docs/exedev.md has the facts that this rests on, their sources, and which of them are assumptions.
"""

import asyncio
import re
from collections.abc import Iterable, Sequence
from contextlib import suppress

from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.manual import page
from ocaptain.process import wait_for_all
from ocaptain.ssh import VM, Unreachable, clean

from . import VM_NAME, Provider, StorageAccess
from .exedev_lobby import LOBBY, RETRIES_S, Json, Lobby
from .known_host import address_for_ships

SSH_DESTINATION = re.compile(r"(?:(?P<user>[\w.+-]+)@)?(?P<host>[\w.:][\w.:-]*)")
UNKNOWN_OPTION = re.compile(r"(?i)(unknown|unrecogni[sz]ed|undefined|not defined|invalid).*\bvm\b")
NO_WAY = (("ProxyCommand", "echo exe.dev does not say how ssh reaches it >&2"),)
"""The options of a VM that the lobby lists without an address, or with one that is none."""
RUNNING_S = 12.0
"""How long to wait until a new VM runs. After that, setting it up goes on trying."""
LOOK_EVERY_S = 0.1


class Exedev(Provider):
    """VMs of the account whose key the captain's ssh shows to exe.dev."""

    def __init__(
        self, config: Config, *, running_s: float = RUNNING_S, retries_s: float = RETRIES_S
    ) -> None:
        self.config = config
        self._lobby = Lobby(config, retries_s)
        self._running_s = running_s
        self._making = set[asyncio.Task[VM]]()

    async def capacity(self, more: int = 0) -> str:
        """Say how many VMs the account has. Raises Failure unless `more` fit into its allowance."""
        images = await self._lobby.ask(vm_images, "ls", "-l")
        limit = self.config.vm_limit
        in_use = f"{len(images)} of {limit} VMs (OCAPTAIN_VM_LIMIT) are in use"
        if len(images) + more > limit:
            raise Failure(
                f"{LOBBY} has no room for {more} more: {in_use}.",
                hint="ocaptain voyages  lists yours,  ocaptain sink -s VOYAGE  removes one.",
            )
        new_image = self.config.vm.get("image", "its default image")
        sentence = f"{LOBBY}: {in_use}; new ones get {new_image}"
        if images:
            sentence += f"; those there have {', '.join(sorted(set(images)))}"
        return clean(sentence)

    async def create(self, name: str) -> VM:
        """Make a VM, and wait until the lobby says that it runs."""
        # The lobby goes on with it if this is cancelled, so `destroy` has to wait for it.
        making = asyncio.create_task(self._make(name))
        self._making.add(making)
        vm = await asyncio.shield(making)
        await self._wait_until_running(name)
        return vm

    async def _make(self, name: str) -> VM:
        options = [f"--{option}={value}" for option, value in self.config.vm.items()]
        if name.endswith("-storage"):
            options.append(f"--tag={voyage_of(name)}")
        return await self._lobby.ask(self._new_vm, "new", f"--name={name}", "--no-email", *options)

    def _new_vm(self, answer: Json) -> VM:
        if "error" in answer:
            raise Unreachable(f"{LOBBY} made it, but not well: {clean(str(answer['error']))}")
        return self._vm(answer)

    async def _wait_until_running(self, name: str) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._running_s):
                # The lobby tells of no event, so all who wait ask, less often the more they are.
                while name not in await self._lobby.ask(running_vms, "ls"):  # noqa: ASYNC110
                    await asyncio.sleep(LOOK_EVERY_S * min(20, len(self._making)))

    async def list(self) -> Sequence[VM]:
        """Return the account's VMs that have names of ocaptain's."""
        return await self._lobby.ask(self._vms, "ls")

    def _vms(self, answer: Json) -> Sequence[VM]:
        return [self._listed(row) for row in answer["vms"] if is_ours(row.get("vm_name"))]

    def _listed(self, row: Json) -> VM:
        """Return a VM of a list, also one that there is no way to: it has to be destroyed, too."""
        try:
            return self._vm(row)
        except (KeyError, TypeError, ValueError):
            return VM(row["vm_name"], NO_WAY, "")

    def _vm(self, row: Json) -> VM:
        destination = SSH_DESTINATION.fullmatch(row["ssh_dest"])
        if not destination:
            raise ValueError(f"ssh_dest is {row['ssh_dest']!r}")
        options = [
            ("HostName", destination["host"]),
            ("Port", str(int(row.get("ssh_port", 22)))),
        ]
        if destination["user"]:
            options.append(("User", destination["user"]))
        lobby = self._lobby.machine
        # But for the address, what the captain's ssh_config says of the lobby holds for its VMs.
        options += lobby.options[3:]
        return VM(row["vm_name"], tuple(options), lobby.host_key)

    async def destroy(self, names: Iterable[str]) -> dict[str, str]:
        """Remove VMs in one call, and the keys of ships that go, or whose storage does."""
        wanted = {name for name in names if is_ours(name)}
        await asyncio.gather(*self._making, return_exceptions=True)
        removing = asyncio.create_task(self._lobby.send("rm", *sorted(wanted)))
        listing = asyncio.create_task(self._lobby.ask(key_names, "ssh-key list"))
        await wait_for_all(removing, listing)
        fault = removing.result().fault
        keys = [
            key
            for key in listing.result()
            if key in wanted or f"{voyage_of(key)}-storage" in wanted
        ]
        left = {}
        if fault:
            left = {vm.name: fault for vm in await self.list() if vm.name in wanted}
        return left | await self._remove_keys(keys)

    async def _remove_keys(self, names: Sequence[str]) -> dict[str, str]:
        """Remove keys from the account. Returns which are left, with why."""
        replies = await wait_for_all(*(self._lobby.send("ssh-key remove", name) for name in names))
        left = {}
        for name, reply in zip(names, replies, strict=True):
            if reply.fault:
                by_hand = f"ssh {LOBBY} ssh-key remove {name}"
                left[f"the key {name}"] = f"{reply.fault}; by hand: {by_hand}"
        return left

    async def authorize_key(self, storage: VM, ship: str, key: str) -> StorageAccess:
        """Add a ship's key to the account, for storage alone.

        It opens storage as the ship's user if the lobby can do that, else as the login user, by
        the tag that only storage has. No key is ever added for the whole account.
        """
        scope = storage.name
        sudo_prefix: tuple[str, ...] = ()
        only_as_ship = (f"--vm={scope}", f"--ssh-user={ship}")
        try:
            added = await self._lobby.ask(dict, "ssh-key add", *only_as_ship, key)
        except Failure as refusal:
            if not UNKNOWN_OPTION.search(str(refusal)):
                raise
            # It takes longer than most commands.
            from ocaptain.onboard.storage.accounts import LOGIN_SHELL

            scope = voyage_of(storage.name)
            sudo_prefix = ("sudo", "-nu", ship, str(LOGIN_SHELL), "-c")
            added = await self._lobby.ask(dict, "ssh-key add", f"--tag={scope}", key)
        check_added_key(added, ship, key, scope)
        # If the lobby gave no login name, any will do.
        user = dict(storage.options).get("User", ship)
        return StorageAccess((*address_for_ships(storage), ("User", user)), sudo_prefix)


def voyage_of(vm: str) -> str:
    """Return the voyage's name, which is also the tag of its storage, and of no other VM."""
    return vm.rpartition("-")[0]


def check_added_key(answer: Json, ship: str, key: str, scope: str) -> None:
    """Raise Failure unless the lobby says that a key is for `scope` alone.

    Its name has to be its comment, too: `destroy` finds it by that.
    """
    is_named = answer.get("name") == key.split()[2]
    is_scoped = repr(scope) in str(answer.get("permissions"))
    if not (is_named and is_scoped):
        raise Failure(
            f"{LOBBY} does not say that {ship}'s key is for {scope} alone, and its name:"
            f" {clean(str(answer))[:300]}",
            hint=f"See {page('exedev.md')}.",
        )


def is_ours(name: object) -> bool:
    """Whether a VM or key of the account has a name of ocaptain's."""
    return VM_NAME.fullmatch(str(name)) is not None


def vm_images(answer: Json) -> list[str]:
    """Return the image of each VM that the account has."""
    return [str(row.get("image")) for row in answer["vms"]]


def running_vms(answer: Json) -> set[str]:
    """Return the names of the account's VMs that run."""
    return {row.get("vm_name") for row in answer["vms"] if row.get("status") == "running"}


def key_names(answer: Json) -> list[str]:
    """Return the names of the account's keys that are ocaptain's."""
    return [row["name"] for row in answer["ssh_keys"] if is_ours(row.get("name"))]
