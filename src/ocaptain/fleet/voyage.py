"""A voyage from outside: its VMs, what runs on them, and what its storage can be asked."""

import asyncio
import json
import re
import secrets
import shutil
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from getpass import getuser
from math import inf
from socket import gethostname
from typing import Any, Self, TypeVar, cast

import msgspec

from ocaptain.config import Config
from ocaptain.errors import Failure, progress
from ocaptain.onboard.protocol import (
    PROTOCOL,
    Json,
    Status,
    TaskRow,
    TaskRows,
    Unfetched,
    UpdateShipsAnswer,
    VoyageRecordAnswer,
)
from ocaptain.process import wait_for_all
from ocaptain.providers import VM, Provider
from ocaptain.ssh import Home, Remote, Ssh, Unreachable, clean, write_config

from .answers import read_answer
from .remembered import remember

ANSWER_S = 20
"""How long an order is repeated while storage cannot be reached."""
RUN_S = 60
LIB = ("-IS", Home("voyage/lib"))
"""What comes between python and the name of a program of the onboard half, on a VM."""

T = TypeVar("T")


ENDED = ("complete", "failed", "halted", "paused", "stalled", "idle")
"""States in which a voyage does not move on by itself."""
STALLED_LOOKS = 10
"""How many looks in a row find a voyage stalled before it counts as that."""
AFTER_SILENCE_LOOKS = 60
"""The same if storage, or this machine, was away: ships may need so long to call again."""
GAP_S = 15
"""Seconds between two looks by which this machine must have been asleep."""


HINT = re.compile(
    r"\b(ocaptain (?:tasks (?:add|edit|show)|fetch|logs|reinforce|resume|retry|status|tasks))\b"
)
"""A command in what storage says that may have the voyage's id after its verb."""
OTHER_VERSION = "If it was sailed with another version of ocaptain: use that one."
HINTING = ("message", "reason", "mirror_fault")
"""Keys of storage's answers whose sentences have such commands."""


class Ending:
    """Whether a voyage that is looked at has ended. A stall may pass, and so has to hold."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.came = False
        self._clock = clock
        self._looked_at = clock()
        self._stalled_looks = 0
        self._needed = STALLED_LOOKS

    def has_come(self, state: str) -> bool:
        """Take in a state that was found, a second or so after the one before."""
        gap_s = abs(self._clock() - self._looked_at)
        self._looked_at = self._clock()
        if state == "unseen" or gap_s > GAP_S:
            self._needed = AFTER_SILENCE_LOOKS
        if state == "stalled":
            self._stalled_looks += 1
            self.came = self._stalled_looks >= self._needed
        else:
            self._stalled_looks = 0
            self.came = state in ENDED
        return self.came


@dataclass(frozen=True)
class Signature:
    """Who gives an order, and why. The journal keeps both."""

    by: str
    why: str = ""


def sign(why: str = "") -> Signature:
    """Sign an order as the user of this machine."""
    return Signature(f"{getuser()}@{gethostname()}", why)


class VoyageStatus(Status):
    """What storage says of its voyage, and what the captain knows besides."""

    provider: str


class Voyage:
    """A voyage: `vms` are those that are known, by their names, and `ssh` reaches them."""

    def __init__(self, config: Config, provider: Provider, voyage: str) -> None:
        self.config = config
        self.provider = provider
        self.id = voyage
        self.storage = f"{voyage}-storage"
        self.vms: dict[str, VM] = {}
        self.has_to_be_named = False
        """Whether commands that are hinted at have to name it."""
        self.ssh = Ssh(config.run_dir() / voyage / "ssh_config")

    # VMs

    def vm(self, ship: str) -> str:
        """The name of a ship's VM."""
        return f"{self.id}-{ship.replace('-', '')}"

    def ship(self, vm: str) -> str:
        """The name of the ship that has a VM; `storage`, if it is that of storage."""
        name = vm.removeprefix(f"{self.id}-")
        return re.sub(r"^ship(\d+)$", r"ship-\1", name)

    def ship_vms(self) -> list[str]:
        """The names of all VMs but storage."""
        return [vm for vm in self.vms if vm != self.storage]

    def add_vms(self, *vms: VM) -> Self:
        """Have `ssh` reach these VMs as well."""
        for vm in vms:
            self.vms[vm.name] = vm
        write_config(self.ssh.path.parent, self.vms.values())
        remember(self.config, self.id)
        return self

    async def destroy(self, names: Sequence[str], retry: str) -> list[str]:
        """Destroy VMs, and with ships their keys. Returns those that could not be destroyed.

        `retry` is what to type after `ocaptain` to try that again; the captain is told."""
        for name in names:
            self.vms.pop(name, None)
        try:
            faults = await self.provider.destroy(names)
        except Failure as failure:
            faults = dict.fromkeys(names, str(failure))
        if faults:
            rows = [f"{vm} is left: {fault}" for vm, fault in faults.items()]
            progress("\n".join([*rows, f"Try later: ocaptain {retry}"]))
        elif self.storage in names:
            shutil.rmtree(self.ssh.path.parent, ignore_errors=True)
        return list(faults)

    # What runs on them

    def program(self, *words: str) -> Remote:
        """The command that runs a program of the onboard half on storage."""
        return self.as_harbor(self.provider.python, *LIB, *words)

    def as_harbor(self, *words: str) -> Remote:
        """A command for storage, run by the user whose home has the voyage."""
        shell = ("sudo", "-nHu", "harbor", "sh") if self.provider.accounts else ("sh",)
        return Remote(*shell, "-c", Remote(*words))

    async def run_on(
        self,
        vms: Collection[str],
        remote: Remote,
        *,
        stdin: bytes = b"",
        timeout: float = RUN_S,
        retries: float = 0.0,
        are_new: bool = False,
    ) -> dict[str, str]:
        """Run a command on VMs, on all at once. Returns why it failed, for those where it did.

        `timeout` and `retries` are in seconds, as `Ssh.run` has them."""

        async def fault(vm: str) -> str | None:
            if vm not in self.vms:
                return f"{vm} is not there any more."
            try:
                result = await self.ssh.run(
                    vm, remote, stdin=stdin, timeout=timeout, retries=retries, is_new=are_new
                )
            except Failure as failure:
                return str(failure)
            if result.status == 0:
                return None
            return clean(result.err).strip() or f"exit status {result.status}"

        faults = await wait_for_all(*map(fault, vms))
        return {vm: fault for vm, fault in zip(vms, faults, strict=True) if fault}

    # Asking storage

    async def ask(
        self,
        op: str,
        kind: type[T],
        fields: Json | None = None,
        *,
        timeout: float = RUN_S,
        retries: float = 0.0,
    ) -> T:
        """Ask harbor for an operation. Returns its answer, which is of `kind`.

        `timeout` and `retries` are in seconds, as `Ssh.run` has them. Raises Unreachable if what
        comes back is no answer, or none comes in time, and Failure if harbor refuses."""
        if not self.ssh.path.exists():
            await self._find_again()
        if not self._may_have_storage():
            raise Failure(f"{self.id} has no storage any more.", hint=f"ocaptain sink {self.id}")
        request = {"protocol": PROTOCOL, "op": op, **(fields or {})}
        line = json.dumps(request).encode() + b"\n"
        harbor = self.program("harbor", "captain")
        result = await self.ssh.run(
            self.storage, harbor, stdin=line, timeout=timeout, retries=retries
        )
        try:
            answer = read_answer(result.out, kind)
        except Failure as refusal:
            raise Failure(self.to_type(str(refusal))) from None
        except (ValueError, RecursionError) as fault:
            output = clean(result.err or str(fault)).strip()
            last_line = output.rpartition("\n")[2]
            may_be = f"If its sail was never finished: ocaptain sink -s {self.id}"
            if isinstance(fault, msgspec.ValidationError):
                may_be = OTHER_VERSION
            raise Unreachable(
                f"{self.storage} gave no answer: {last_line}",
                hint=f"To look closer: ocaptain shell --raw {self.id}\n{may_be}",
            ) from None
        sentences = cast(dict[str, Any], answer)
        for key in HINTING:
            if isinstance(sentences.get(key), str):
                sentences[key] = self.to_type(sentences[key])
        return answer

    async def _find_again(self) -> None:
        """Have `ssh` reach the VMs that there are, if somebody has cleaned up what says how."""
        self.config.run_dir()
        vms = [vm for vm in await self.provider.list() if vm.name.startswith(f"{self.id}-")]
        if self.storage in [vm.name for vm in vms]:
            self.add_vms(*vms)

    def _may_have_storage(self) -> bool:
        if self.vms and self.storage not in self.vms:
            return False
        return self.ssh.path.exists()

    async def ask_status(self, timeout: float = RUN_S) -> VoyageStatus:
        """The voyage at a glance, if storage says it within `timeout` seconds."""
        return self.to_show(await self.ask("status", Status, timeout=timeout))

    def to_show(self, status: Status) -> VoyageStatus:
        """Return what storage says of the voyage, with hints as they are to be typed here."""
        for command in status["next"]:
            command["command"] = self.to_type(command["command"])
        for ship in status["ships"]:
            ship["reason"] = ship["reason"] and self.to_type(ship["reason"])
        return {**status, "provider": self.config.provider}

    def to_type(self, text: str) -> str:
        """Return a text with the voyage's id in each command that it hints at, if need be."""
        if not self.has_to_be_named:
            return text
        return HINT.sub(rf"\1 {self.id}", text)

    async def ask_task_rows(self) -> TaskRows:
        """Every task, in the order of ids, and how the voyage stands."""
        return await self.ask("tasks", TaskRows)

    async def ask_tasks(self) -> list[TaskRow]:
        """Every task, in the order of ids."""
        answer = await self.ask_task_rows()
        return answer["tasks"]

    async def ask_unfetched(self) -> Unfetched:
        """What storage alone has."""
        return await self.ask("unfetched", Unfetched)

    async def ask_voyage_record(self) -> VoyageRecordAnswer:
        """What another ship is made from."""
        return await self.ask("voyage_record", VoyageRecordAnswer)

    async def watch(
        self, is_enough: Callable[[VoyageStatus], bool], timeout: float = inf
    ) -> VoyageStatus:
        """Ask for the status every second until it is enough, or `timeout` seconds are over.

        Returns the last one. While storage is away, or slow, its state is `unseen`, if it was seen
        before; the first answer may take any time."""
        deadline = time.monotonic() + timeout
        status = await self.ask_status(timeout=inf)
        while not is_enough(status) and time.monotonic() < deadline:
            await asyncio.sleep(1)
            try:
                status = await self.ask_status()
            except Unreachable as fault:
                status["state"] = "unseen"
                status["reason"] = str(fault)
                status["next"] = []
        return status

    # Changing storage

    async def order(
        self,
        op: str,
        kind: type[T],
        signature: Signature,
        fields: Json | None = None,
        *,
        timeout: float = RUN_S,
    ) -> T:
        """Have harbor change something: once, however often that has to be asked for."""
        signed = {
            "id": secrets.token_hex(8),
            "by": signature.by,
            "why": signature.why,
            **(fields or {}),
        }
        return await self.ask(op, kind, signed, timeout=timeout, retries=ANSWER_S)

    async def forget_ships(self, signature: Signature, ships: Sequence[str]) -> None:
        """Have storage let ships go, whatever it has heard of them."""
        fields = {"lost": list(ships), "add": 0, "force": True}
        await self.order("update_ships", UpdateShipsAnswer, signature, fields)

    async def replace_ships(
        self, signature: Signature, *, lost: Sequence[str], more: int, force: bool = False
    ) -> UpdateShipsAnswer:
        """Have storage let lost ships go, expect one for each of them, and so many more.

        Without `force` those stay that storage has heard lately, or that are being made."""
        fields = {"lost": list(lost), "add": more, "replace": True, "force": force}
        return await self.order("update_ships", UpdateShipsAnswer, signature, fields)

    async def mark_fetched(self, refs: dict[str, str]) -> None:
        """Tell storage which commits the captain has: `head`, and wrecks by their ref."""
        await self.ask("fetched", Json, {"refs": refs})
