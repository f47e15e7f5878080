"""A voyage from the captain's side: set sail, find it again, ask, steer, fetch, sink."""

import asyncio
import io
import json
import secrets
import shutil
import tarfile
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from itertools import groupby
from math import inf
from pathlib import Path
from typing import Annotated, Any, Self

import msgspec

from ocaptain.config import Config
from ocaptain.errors import Failure, progress
from ocaptain.git import git
from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.process import attach, read_lines, wait_for_all
from ocaptain.providers import VM, Provider, open_provider
from ocaptain.ssh import Home, Remote, Ssh, Unreachable, clean, prepare

Answer = dict[str, Any]

FETCH_S = 1800
ANSWER_S = 20
HEAR_S = 15
KNOCK_S = 5
URGENT = ("halt", "hail", "release")
"""Orders that ships at work are to hear of at once; all others they meet when they ask next."""
KNOCK = Remote("touch", Home("voyage/knock"))
TOKENS = Remote(
    "sh", "-c", "umask 077 && cd ~/voyage && cat >agent_env.new && mv agent_env.new agent_env.json"
)
LIB = ("-IS", Home("voyage/lib"))
"""What comes between python and the name of a program of the onboard half, on a VM."""
PACK = "cd ~/voyage && tar -cz artifacts journal.jsonl logs ships voyage.json"

# What storage answers is looked at before it is used, for storage may be anybody's by then.
NAME = Annotated[str, msgspec.Meta(pattern=r"\A[\w-]+\Z")]
SHIP = Annotated[str, msgspec.Meta(pattern=r"\Aship-\d{1,9}\Z")]
AMOUNT = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
NOTE = str | None


def shape(kind: Any) -> Any:
    """The type of a kind of JSON: itself a type, a list of one, or what keys have to be."""
    if isinstance(kind, list):
        return list.__class_getitem__(shape(kind[0]))
    if isinstance(kind, dict):
        fields = [(key, shape(kind[keys])) for keys in kind for key in keys.split()]
        return msgspec.defstruct("_", fields)
    return kind


Shape = dict[str, Any]
SAID: Shape = {"message": str}
ROW: Shape = {"id status subject": str, "owner commit reason": NOTE, "blocked_by": [str]}
AT_SEA: Shape = {"id": SHIP, "state": NAME, "task subject reason": NOTE}
AT_SEA |= {"completed hails": AMOUNT, "since until seen_s": AMOUNT | None}
COUNTS: Shape = {"total pending in_progress completed failed": AMOUNT}
STATUS: Shape = {"voyage state agent verify": NAME, "objective": str, "created cost_usd": AMOUNT}
STATUS |= {
    "reason mirrored pr_url mirror_fault notify_fault": NOTE,
    "tasks": COUNTS,
    "ships": [AT_SEA],
}
ANSWERS: dict[str, Shape] = {
    "status": STATUS,
    "tasks": {"tasks": [ROW]},
    "unfetched": {"head": NAME, "commits": AMOUNT, "wrecks": dict[str, str]},
    "fetched": {},
    "voyage_record": {"voyage": {"agent": str}, "artifacts": dict[str, str], "ships": [SHIP]},
    "relieve": SAID | {"done": bool},
    "update_ships": SAID | {"new": [SHIP]},
    "fsck": SAID | {"faults mended": [str]},
}
"""The answer to each request; to all others it is `SAID`."""


class Voyage:
    """A voyage: `vms` are those that are known, by their names, and `ssh` reaches them.

    `signed` goes with each request: `by` whom an order is, and `why`."""

    def __init__(self, config: Config, provider: Provider, voyage: str) -> None:
        self.config, self.provider, self.id = config, provider, voyage
        self.storage, self.vms = f"{voyage}-storage", dict[str, VM]()
        self.ssh = Ssh(config.run_dir() / voyage / "ssh_config")
        self.signed: Answer = {}

    def vm(self, ship: str) -> str:
        """The name of a ship's VM."""
        return f"{self.id}-{ship.replace('-', '')}"

    def add_vms(self, *vms: VM) -> Self:
        """Have `ssh` reach these VMs as well."""
        self.vms |= {vm.name: vm for vm in vms}
        prepare(self.ssh.path.parent, self.vms.values(), self.config.ssh_config)
        return self

    def program(self, *words: str) -> Remote:
        """The command that runs a program of the onboard half on storage."""
        return self.by_harbor(self.provider.python, *LIB, *words)

    def by_harbor(self, *words: str) -> Remote:
        """A command on storage, as the user whose home has the voyage there."""
        become = ["sudo", "-nHu", "harbor", "sh"] if self.provider.accounts else ["sh"]
        return Remote(*become, "-c", Remote(*words))

    async def ask(self, op: str, *, retries: float = 0.0, **fields: Any) -> Answer:
        """Ask harbor; raises Failure where storage cannot be reached, or refuses, or answers what
        nobody asked for. `retries` is as of `Ssh.run`."""
        if (self.vms and self.storage not in self.vms) or not self.ssh.path.exists():
            raise Failure(f"{self.id} has no storage any more.", hint=f"ocaptain sink {self.id}")
        request = {"protocol": PROTOCOL, "op": op, **self.signed, **fields}
        serve, line = self.program("harbor", "captain"), json.dumps(request).encode() + b"\n"
        done = await self.ssh.run(self.storage, serve, stdin=line, retries=retries)
        try:
            answer = msgspec.json.decode(done.out, type=Answer)
            granted = answer.pop("ok")
            msgspec.convert(answer, shape(ANSWERS.get(op, SAID) if granted else {"error": str}))
        except (ValueError, KeyError, RecursionError) as strange:
            said = clean(done.err or str(strange)).strip().rpartition("\n")[2]
            remedy = f"Look closer: ocaptain shell --raw {self.id}  (sail not finished: sink -s)"
            raise Unreachable(f"{self.storage} gave no answer: {said}", hint=remedy) from None
        if not granted:
            raise Failure(clean(answer["error"]))
        return answer

    async def watch(
        self, op: str, enough: Callable[[Answer], bool], timeout_s: float = inf, **fields: Any
    ) -> Answer:
        """Ask the same until the answer is `enough`, or the time is up; the last answer. It is
        `unseen` while storage is away."""
        ends, seen = time.monotonic() + timeout_s, await self.ask(op, **fields)
        while not enough(seen) and time.monotonic() < ends:
            await asyncio.sleep(1)
            try:
                seen = await self.ask(op, **fields)
            except Unreachable as why:
                seen |= {"state": "unseen", "reason": str(why)}
        return seen

    async def read_logs(self, wanted: Mapping[str, Any], use: Callable[[str], None]) -> None:
        """Call `use` with each line `time ship text` of the logs that the arguments of onboard's
        `logs.read` ask for, as it comes."""
        command = self.ssh.command(self.storage, self.program("logs", json.dumps(wanted)))
        await read_lines(command, lambda line: use(clean(line).rstrip("\n")))

    def shell(self, ship: str | None, *, raw: bool) -> int:
        """Attach to the fleet's tmux session on storage; `raw`: to a shell on a VM. Exit status."""
        vm = self.vm(ship or "storage")
        if vm not in self.vms:
            raise Failure(f"{self.id} has no {ship}.", hint=f"There is: {', '.join(self.vms)}")
        panes = self.program("panes", *([ship] if ship else []))
        place, what = (vm, Remote("bash", "-l")) if raw else (self.storage, panes)
        return attach(self.ssh.command(place, what, tty=True))

    async def fetch(self, into: Path, *, everything: bool) -> str:
        """Bring the branch into the repository at `into`. With `everything` also wrecks, under
        refs/ocaptain/<voyage>, and logs, journal and artifacts, into a folder. What was done."""
        new = await self.ask("unfetched")
        refs = [f"refs/heads/{self.id}:refs/heads/{self.id}"]
        refs += [f"+refs/heads/work/*:refs/ocaptain/{self.id}/*"] * everything
        pack = f"--upload-pack={self.by_harbor('git-upload-pack', Home('voyage/repo.git'))}"
        words = ["-C", str(into), "fetch", "--quiet", pack, f"{self.storage}:voyage", *refs]
        try:
            await git(*words, **self.ssh.git_env(), timeout=FETCH_S)
            if everything:
                packed = await self.ssh.run(self.storage, self.by_harbor("sh", "-c", PACK))
                with tarfile.open(fileobj=io.BytesIO(packed.out), mode="r|gz") as tar:
                    tar.extractall(into / self.id, filter="data")
        except (Failure, OSError, tarfile.TarError) as why:
            raise Failure(f"fetch failed: {why}", hint="Into where: --into DIR") from None
        wrecks = new["wrecks"] if everything else {}
        await self.ask("fetched", refs={**wrecks, "head": new["head"]})
        was = f"{new['commits']} commits were on storage alone; see git log {self.id} --"
        rest = f"\nUnlanded work is on storage only: {', '.join(new['wrecks'])} (--all)"
        rest = rest if new["wrecks"] else ""
        rest = f"\nLogs, journal and artifacts: {into / self.id}/" if everything else rest
        return clean(f"{self.id} is at {new['head'][:12]}; {was}{rest}")

    async def at_risk(self) -> str:
        """What only storage has, in a sentence; empty where that is nothing."""
        try:
            new = await self.ask("unfetched")
        except Failure as unseen:
            return f"{self.id}: what was never fetched of it cannot be seen. {unseen}"
        parts = [f"{new['commits']} commits on its branch"] if new["commits"] else []
        parts += [f"unlanded work ({', '.join(new['wrecks'])})"] if new["wrecks"] else []
        told = f"{self.id}: never fetched or pushed: {' and '.join(parts)}"
        return clean(told) if parts else ""

    # On VMs

    def ship_vms(self) -> list[str]:
        """The ships' VMs."""
        return [vm for vm in self.vms if vm != self.storage]

    async def run_on(self, vms: Collection[str], remote: Remote, **how: Any) -> dict[str, str]:
        """Run a command on VMs, on all at once; why it failed, by VM."""

        async def fault(vm: str) -> str:
            if vm not in self.vms:
                return f"{vm} is not there any more."
            try:
                done = await self.ssh.run(vm, remote, **how)
            except Failure as why:
                return str(why)
            return (clean(done.err).strip() or f"exit status {done.status}") if done.status else ""

        faults = dict(zip(vms, await wait_for_all(*map(fault, vms)), strict=True))
        return {vm: why for vm, why in faults.items() if why}

    async def destroy(self, names: Sequence[str], again: str) -> list[str]:
        """Destroy VMs, and with ships their keys; those that are left, after that was told, with
        the verb to type `again`."""
        for name in names:
            self.vms.pop(name, None)
        try:
            left = await self.provider.destroy(names)
        except Failure as why:
            left = dict.fromkeys(names, str(why))
        if told := [f"{vm} is left: {why}" for vm, why in left.items()]:
            progress("\n".join([*told, f"Try later: ocaptain {again}"]))
        elif self.storage in names:
            shutil.rmtree(self.ssh.path.parent, ignore_errors=True)
        return told

    # Steering

    async def order(self, op: str, **fields: Any) -> Answer:
        """Have harbor do something, and ships that are at work ask at once where that concerns
        them; `unheard` has the VMs that could not be told."""
        # So that it is done once, however often it is asked for where no answer comes back.
        fields["id"] = secrets.token_hex(8)
        answer, ship = await self.ask(op, retries=ANSWER_S, **fields), fields.get("ship")
        vms = ([self.vm(ship)] if ship else self.ship_vms()) if op in URGENT else []
        return {**answer, "unheard": [*await self.run_on(vms, KNOCK, timeout=KNOCK_S)]}

    async def hail(self, message: str, ship: str = "") -> Answer:
        """Send a message to a ship's agent, or to all; see for a while whether they take it in."""
        answer, keys = await self.order("hail", ship=ship, text=message), ("id", "task", "hails")

        def heard(seen: Answer) -> bool:
            return not any(row["hails"] and row["task"] for row in seen["ships"])

        rows = (await self.watch("status", heard, HEAR_S))["ships"]
        told = [{key: row[key] for key in keys} for row in rows if ship in ("", row["id"])]
        return {**answer, "ships": told}

    async def tasks_edit(self, task: str = "", **given: Any) -> Answer:
        """Change a task, or add one where none is named, in what is given of it."""
        known = {key: value for key, value in given.items() if value not in (None, ())}
        notes = {key: known.pop(key) for key in ("files", "run") if key in known}
        after = {"blockedBy": [*filter(None, known.pop("after"))]} if "after" in known else {}
        return await self.order(
            "edit_task", task=task, fields={**known, **after, "metadata": notes}
        )

    tasks_add = tasks_edit

    async def resume(self) -> Answer:
        """Hand out tasks again, once ships have the credentials that the captain has now."""
        lacking = self.config.lacks((await self.ask("status"))["agent"])
        if lacking:
            progress(f"Ships keep the credentials that they have. Here: {lacking}")
        told = json.dumps(self.config.agent_env).encode()
        deaf = await self.run_on(
            [] if lacking else self.ship_vms(), TOKENS, stdin=told, timeout=ANSWER_S
        )
        return {**await self.order("resume"), "unheard": [*deaf]}

    async def relieve(self, ship: str) -> Answer:
        """Give a ship nothing more to do, and remove it after its task."""
        answer, again = await self.order("relieve", ship=ship), f"relieve {self.id} {ship}"
        progress(
            f"{answer['message']} Ctrl-C leaves the order standing; to finish it: ocaptain {again}"
        )
        await self.watch("relieve", lambda seen: bool(seen["done"]), ship=ship)
        if await self.destroy([self.vm(ship)], again):
            raise Failure(f"{ship} has nothing more to do, and its VM is left.")
        await self.order("update_ships", lost=[ship], add=0)
        return {
            **answer,
            "done": True,
            "message": f"{ship} has gone home, and its VM is destroyed.",
        }

    async def reinforce(self, ships: int | None) -> Answer:
        """Restart ships, replace those that are lost, and add `ships` more."""
        record = await self.ask("voyage_record")
        known = {self.vm(ship): ship for ship in record.pop("ships")}
        restart = Remote(self.provider.python, *LIB, "restart-helm")
        faults = await self.run_on(known, restart, retries=ANSWER_S)
        for vm, why in faults.items():
            progress(f"{vm} is lost: {why}")
        lost, more = [known[vm] for vm in faults], len(faults) + (ships or 0)
        if more and (lacking := self.config.lacks(record["voyage"]["agent"])):
            raise Failure(f"No ship can be made from here: {lacking}")
        # Those as well that storage let go, where somebody got no further than that.
        doomed = [vm for vm in self.ship_vms() if vm in faults or vm not in known]
        progress(await self.provider.capacity(more=more - len(doomed)))
        new = (await self.order("update_ships", lost=lost, add=more))["new"]
        await self.destroy(doomed, f"reinforce {self.id}")
        from .launch import Launch

        launch = Launch(self, record["voyage"], record["artifacts"])
        made = await launch.launch(new) if new else []
        say = f"Of {len(known)} ships {len(lost)} were lost; {len(made)} are new."
        return {"message": say, "lost": lost, "new": made}


# Finding


async def voyages(config: Config) -> list[Voyage]:
    """All voyages that have a VM, by their ids."""
    provider = open_provider(config)
    vms = sorted(await provider.list(), key=lambda vm: vm.name)
    fleets = groupby(vms, lambda vm: vm.name.rpartition("-")[0])
    return [Voyage(config, provider, name).add_vms(*fleet) for name, fleet in fleets]


async def find(config: Config, name: str | None) -> Voyage:
    """The voyage that `name` begins, with or without `voyage-`; without a name the only one.

    Raises Failure where there is none, or more than one."""
    known = await voyages(config)
    found = [voyage for voyage in known if voyage.id.startswith(_beginning(name))]
    if len(found) == 1:
        return found[0]
    if not known:
        where = f"No voyage is under way with the provider {config.provider}."
        raise Failure(where, hint="ocaptain sail PLAN  or  ocaptain demo")
    listed = f"There is: {'  '.join(voyage.id for voyage in known)}"
    raise Failure(
        "More than one voyage fits." if found else f"There is no voyage {name}.", hint=listed
    )


def _beginning(name: str | None) -> str:
    return f"voyage-{(name or '').removeprefix('voyage-')}"


async def look(config: Config, name: str | None, op: str) -> Answer:
    """Find a voyage and ask it: first the one that was reached from here before, where only one
    was that fits; the provider, which takes as long again, is asked where that does not answer."""
    known = [path.parent.name for path in config.run_dir().glob(f"{_beginning(name)}*/ssh_config")]
    with suppress(Failure):
        if len(known) == 1:
            return await Voyage(config, open_provider(config), known[0]).ask(op)
    return await (await find(config, name)).ask(op)


async def survey(config: Config) -> list[Answer]:
    """All voyages at a glance; one whose storage does not answer is `unseen`."""

    async def row(voyage: Voyage) -> Answer:
        seen: Answer = {"state": "unseen", "created": None, "objective": ""}
        try:
            seen = await voyage.ask("status")
        except Failure as why:
            seen["reason"] = str(why)
        told = {key: seen[key] for key in ("state", "created", "objective", "reason")}
        return {"voyage": voyage.id, "vms": len(voyage.vms), **told}

    return await wait_for_all(*map(row, await voyages(config)))
