"""A voyage from the captain's side: set sail, find it again, ask, fetch, sink."""

import asyncio
import io
import json
import secrets
import shutil
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, Self

from . import payload
from .config import Config
from .errors import Failure, tell
from .onboard import PROTOCOL
from .plan import Plan
from .providers import VM, Provider, open_provider
from .ssh import Home, Remote, Ssh, Unreachable, attach, clean, git, lines, new_key, prepare

Answer = dict[str, Any]

ENDED = ("complete", "failed", "halted", "paused", "stalled")
SET_UP_S = 1800
REACH_S = 180
PACK = "cd ~/voyage && tar -cz artifacts journal.jsonl logs ships voyage.json"


class Voyage:
    """A voyage: `vms` are those that are known, by their names, and `ssh` reaches them."""

    def __init__(self, config: Config, provider: Provider, voyage: str) -> None:
        self.config, self.provider, self.id = config, provider, voyage
        self.storage, self.vms = f"{voyage}-storage", dict[str, VM]()
        self.ssh = Ssh(config.run_dir() / voyage / "ssh_config")

    def know(self, *vms: VM) -> Self:
        """Have `ssh` reach these VMs as well."""
        self.vms |= {vm.name: vm for vm in vms}
        prepare(self.ssh.path.parent, self.vms.values(), self.config.ssh_config)
        return self

    def program(self, *words: str) -> Remote:
        """The command that runs a program of the onboard half on storage."""
        return self.by_harbor(self.provider.python, *payload.LIB, *words)

    def by_harbor(self, *words: str) -> Remote:
        """A command on storage, as the user whose home has the voyage there."""
        become = ["sudo", "-nHu", "harbor", "sh"] if self.provider.accounts else ["sh"]
        return Remote(*become, "-c", Remote(*words))

    async def ask(self, op: str, **fields: Any) -> Answer:
        """Ask harbor; raises Failure where storage cannot be reached, or refuses."""
        if self.vms and self.storage not in self.vms:
            raise Failure(f"{self.id} has no storage any more.", f"ocaptain sink {self.id}")
        line = json.dumps({"protocol": PROTOCOL, "op": op, **fields}).encode() + b"\n"
        done = await self.ssh.run(self.storage, self.program("serve.serve", "captain"), stdin=line)
        try:
            answer = dict(json.loads(done.out))
        except (ValueError, TypeError):
            said = clean(done.err).strip().rpartition("\n")[2]
            remedy = f"Look closer: ocaptain shell --raw {self.id}  (sail not finished: sink -s)"
            raise Failure(f"{self.storage} gave no answer: {said}", remedy) from None
        if not answer.pop("ok", False):
            raise Failure(f"{self.storage} refused: {clean(str(answer))}")
        return answer

    async def log_lines(self, wanted: Mapping[str, Any]) -> AsyncIterator[str]:
        """Lines `time ship text` of the logs, as the arguments of onboard's `logbook.read` want."""
        command = self.ssh.command(self.storage, self.program("logbook.main", json.dumps(wanted)))
        async for line in lines(command):
            yield clean(line).rstrip("\n")

    def shell(self, ship: str | None, *, raw: bool) -> int:
        """Attach to the fleet's tmux session on storage; `raw`: to a shell on a VM. Exit status."""
        vm = f"{self.id}-{ship.replace('-', '')}" if ship else self.storage
        if vm not in self.vms:
            raise Failure(f"{self.id} has no {ship}.", f"There is: {', '.join(self.vms)}")
        panes = self.program("logbook.show", *([ship] if ship else []))
        place, what = (vm, Remote("bash", "-l")) if raw else (self.storage, panes)
        return attach(self.ssh.command(place, what, tty=True))

    def doomed(self, *, storage: bool) -> list[str]:
        """The VMs that `sink` would destroy."""
        return [name for name in self.vms if storage or name != self.storage]

    # Steering

    async def wait(self, timeout_s: float | None, seen: Callable[[Answer], None]) -> Answer:
        """Look until the voyage has ended or `timeout_s` is over; `seen` gets each look, and the
        last is returned."""
        ends = time.monotonic() + (timeout_s or float("inf"))
        while True:
            look = await self.ask("status")
            seen(look)
            if look["state"] in ENDED or time.monotonic() >= ends:
                return look
            await asyncio.sleep(1)

    async def fetch(self, into: Path, *, everything: bool) -> Answer:
        """Bring the branch into the repository at `into`. With `everything` also wrecks, under
        refs/ocaptain/<voyage>, and logs, journal and artifacts, into a folder. What was new of it.
        """
        new = await self.ask("unfetched")
        wrecks = new["wrecks"] if everything else {}
        refs = [f"refs/heads/{self.id}:refs/heads/{self.id}"]
        refs += [f"+refs/heads/work/*:refs/ocaptain/{self.id}/*"] * everything
        pack = f"--upload-pack={self.by_harbor('git-upload-pack', Home('voyage/repo.git'))}"
        words = ["-C", str(into), "fetch", "--quiet", pack, f"{self.storage}:voyage", *refs]
        try:
            await git(*words, **self.ssh.git_env(), timeout=SET_UP_S)
        except Failure as why:
            raise Failure(f"git fetch failed: {why}", "Into where: --into DIR") from None
        if everything:
            packed = await self.ssh.run(self.storage, self.by_harbor("sh", "-c", PACK))
            with tarfile.open(fileobj=io.BytesIO(packed.out)) as tar:
                tar.extractall(into / self.id, filter="data")
        await self.ask("fetched", refs={**wrecks, "head": new["head"]})
        return new

    async def at_risk(self) -> str:
        """What only storage has, in a sentence; empty where that is nothing."""
        try:
            new = await self.ask("unfetched")
        except Failure as unseen:
            return f"{self.id}: what was never fetched of it cannot be seen. {unseen}"
        parts = [f"{new['commits']} commits on its branch"] if new["commits"] else []
        parts += [f"unlanded work ({', '.join(new['wrecks'])})"] if new["wrecks"] else []
        return f"{self.id}: never fetched or pushed: {' and '.join(parts)}" if parts else ""

    async def sink(self, *, storage: bool) -> dict[str, str]:
        """Destroy the ships, and with `storage` all of the VMs; why, where one is left."""
        left = await self.provider.destroy(self.doomed(storage=storage))
        if storage and not left:
            shutil.rmtree(self.ssh.path.parent, ignore_errors=True)
        return left


# Finding


async def voyages(config: Config) -> list[Voyage]:
    """All voyages that have a VM, by their ids."""
    provider = open_provider(config)
    vms = sorted(await provider.list(), key=lambda vm: vm.name)
    fleets = groupby(vms, lambda vm: vm.name.rpartition("-")[0])
    return [Voyage(config, provider, name).know(*fleet) for name, fleet in fleets]


async def find(config: Config, name: str | None) -> Voyage:
    """The voyage that `name` begins, with or without `voyage-`; without a name the only one.

    Raises Failure where there is none, or more than one."""
    known = await voyages(config)
    found = [voyage for voyage in known if voyage.id.startswith(_beginning(name))]
    if len(found) == 1:
        return found[0]
    if not known:
        where = f"No voyage is under way with the provider {config.provider}."
        raise Failure(where, "ocaptain sail PLAN  or  ocaptain demo")
    listed = f"There is: {'  '.join(voyage.id for voyage in known)}"
    raise Failure("More than one voyage fits." if found else f"There is no voyage {name}.", listed)


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

    return await asyncio.gather(*map(row, await voyages(config)))


# Setting sail


async def sail(config: Config, plan: Plan, ships: int, *, pr: bool = False) -> str:
    """Make the VMs, set them up, and return the voyage's id; nothing is left where that fails.

    With `pr` the end of the voyage opens a pull request."""
    yard = Yard(config, plan, ships)
    if pr and not yard.token:
        lacking = "A pull request needs a repo on GitHub (owner/name in voyage.json) and GH_TOKEN."
        raise Failure(lacking, "export GH_TOKEN=…")
    tell(await yard.provider.look(more=1 + ships))
    tell(f"{yard.id} is being made; if this is killed, type: ocaptain sink -s {yard.id}")
    try:
        with tempfile.TemporaryDirectory(prefix="ocaptain-") as scratch:
            await yard.build(Path(scratch), pr=pr)
    except BaseException as error:
        tell("sail removes what it made")
        await asyncio.shield(yard.remove(yard.storage, *yard.ships.values()))
        raise error.exceptions[0] if isinstance(error, BaseExceptionGroup) else error from None
    return yard.id


class Yard(Voyage):
    """A voyage whose VMs are being made and set up, all at once."""

    def __init__(self, config: Config, plan: Plan, ships: int) -> None:
        super().__init__(config, open_provider(config), f"voyage-{secrets.token_hex(6)}")
        self.plan, self.began = plan, time.monotonic()
        self.token = config.gh_token if plan.source.url.startswith("https://github.com/") else None
        self.ships = {f"ship-{number}": f"{self.id}-ship{number}" for number in range(ships)}

    async def remove(self, *names: str) -> None:
        """Destroy VMs, and say which are left."""
        try:
            for vm, why in (await self.provider.destroy(names)).items():
                tell(f"{vm} could not be removed: {why}\nTry later: ocaptain sink -s {self.id}")
        except Failure as why:
            tell(f"Nothing could be removed: {why}\nTry later: ocaptain sink -s {self.id}")

    async def build(self, scratch: Path, *, pr: bool) -> None:
        """Storage and ships, each as far as it can get by itself; Failure without any ship."""
        self.scratch = scratch
        names = {"user.name": "ocaptain", "user.email": "ocaptain@localhost"}
        author = {key: await git("config", key, strict=False) or names[key] for key in names}
        sailed = {"voyage": self.id, "ships": list(self.ships), "author": author, "pr": pr}
        self.common = payload.boot(self.plan, sailed, accounts=self.provider.accounts)
        making = [new_key(scratch / ship, name) for ship, name in self.ships.items()]
        self.keys = dict(zip(self.ships, await asyncio.gather(*making), strict=True))
        async with asyncio.TaskGroup() as group:
            storage = group.create_task(self._create(self.storage))
            crew = [group.create_task(self._ship(ship, storage)) for ship in self.ships]
            cargo = await self._cargo()
            await self._unpack(await storage, cargo, *["sudo", "-n"] * self.provider.accounts)
        if not any(ship.result() for ship in crew):
            raise Failure("No ship came up.")

    async def _create(self, name: str) -> VM:
        self.know(vm := await self.provider.create(name))
        tell(f"{name} is there after {time.monotonic() - self.began:.1f} s")
        return vm

    async def _cargo(self) -> bytes:
        """Storage's archive; where the source is a checkout of the captain's, it has a bundle."""
        source, bundle = self.plan.source, None
        if source.path:
            bundle = self.scratch / "source.bundle"
            pack = ("bundle", "create", "-q", str(bundle), source.ref)
            await git("-C", str(source.path), *pack, timeout=SET_UP_S)
        told = {"token": self.token, "shallow": source.shallow, "ref": source.ref}
        told["url"] = self.common["voyage"]["origin"]
        boot = {**self.common, "tasks": self.plan.tasks, "keys": self.keys, "source": told}
        return payload.archive(boot, bundle)

    async def _ship(self, ship: str, storage: asyncio.Task[VM]) -> bool:
        """Make a ship, twice if need be; whether it came up, for the others can do without."""
        for remedy in ("is made anew", "is given up; the others sail on without it"):
            try:
                vm, there = await self._create(self.ships[ship]), await storage
                await self._unpack(vm, await self._crew(ship, there))
                return True
            except Unreachable as why:
                tell(f"{why}\n{ship} {remedy}")
                await self.remove(self.ships[ship])
        return False

    async def _crew(self, ship: str, storage: VM) -> bytes:
        """A ship's archive; its key opens storage from here on."""
        reach, via = await self.provider.admit(storage, ship, self.keys[ship])
        if via:
            tell(f"{ship}'s key opens {storage.name} as its login user: see docs/security.md")
        way = {"reach": reach, "via": via, "host_key": storage.host_key, "ship": ship}
        own = {"captain": self.config.agent_env, "key": (self.scratch / ship).read_text()}
        return payload.archive({**self.common, **own, **way})

    async def _unpack(self, vm: VM, archive: bytes, *sudo: str) -> None:
        there = payload.unpack(self.provider.python, *sudo)
        done = await self.ssh.run(vm.name, there, stdin=archive, timeout=SET_UP_S, retries=REACH_S)
        if done.status:
            said = clean(done.err).strip() or f"exit status {done.status}"
            raise Unreachable(f"{vm.name} could not be set up: {said}")
        tell(f"{vm.name} is ready after {time.monotonic() - self.began:.1f} s")
