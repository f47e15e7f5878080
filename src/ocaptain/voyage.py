"""A voyage from the captain's side: set sail, find it again, ask, fetch, sink."""

import asyncio
import json
import secrets
import shutil
import tarfile
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import payload
from .config import Config
from .errors import Failure
from .onboard import PROTOCOL
from .plan import Plan
from .providers import VM, Provider, open_provider
from .ssh import Remote, Ssh, Unreachable, attach, clean, lines, prepare, run

Answer = dict[str, Any]
Say = Callable[[str, str], None]

ENDED = ("complete", "failed", "halted", "paused", "stalled")
READY_S = 180
ANSWER_S = 60
KEPT = ("artifacts", "journal.jsonl", "logs", "ships", "voyage.json")


@dataclass(frozen=True)
class Voyage:
    """A voyage whose VMs are known: `vms` by their names, `ssh` reaches them."""

    id: str
    vms: Mapping[str, VM]
    ssh: Ssh
    provider: Provider

    @property
    def storage(self) -> str:
        """The name of the storage VM."""
        return f"{self.id}-storage"

    @property
    def ships(self) -> list[str]:
        """The names of the ships' VMs, in order."""
        return sorted((n for n in self.vms if n != self.storage), key=lambda n: (len(n), n))

    async def ask(self, op: str, **fields: Any) -> Answer:
        """Ask harbor; raises Failure where storage cannot be reached, or refuses."""
        if self.storage not in self.vms:
            raise Failure(f"{self.id} has no storage any more.", f"ocaptain sink -s {self.id}")
        line = json.dumps({"protocol": PROTOCOL, "op": op, **fields}).encode() + b"\n"
        done = await self.ssh.run(
            self.storage, payload.program("harbor"), stdin=line, timeout=ANSWER_S
        )
        try:
            answer = json.loads(done.out)
        except ValueError:
            said = clean(done.err).strip().rpartition("\n")[2]
            remedy = f"If sail did not finish: ocaptain sink -s {self.id}"
            raise Failure(f"{self.storage} gave no answer: {said}", remedy) from None
        if not isinstance(answer, dict) or not answer.get("ok"):
            raise Failure(f"{self.storage} refused: {clean(str(answer.get('error')))}")
        return answer

    async def log_lines(self, wanted: Mapping[str, Any]) -> AsyncIterator[str]:
        """Lines `time ship text` of the logs, as the arguments of onboard's `logbook.read` want."""
        command = payload.program("logs", json.dumps(wanted))
        async for line in lines(self.ssh.command(self.storage, command)):
            yield clean(line).rstrip("\n")

    def shell(self, ship: str | None, *, raw: bool) -> int:
        """Attach to the fleet's tmux session on storage; `raw`: to a shell on a VM. Exit status."""
        vm = f"{self.id}-{ship.replace('-', '')}" if ship else self.storage
        if vm not in self.vms:
            raise Failure(f"{self.id} has no {ship}.", f"There is: {', '.join(self.vms)}")
        if raw:
            return attach(self.ssh.command(vm, Remote("exec", "bash", "-l"), tty=True))
        words = ["watch", "show", *([ship] if ship else [])]
        return attach(self.ssh.command(self.storage, payload.program(*words), tty=True))


# Finding


async def voyages(config: Config) -> list[Voyage]:
    """All voyages that have a VM, the newest first."""
    provider = open_provider(config)
    fleets: dict[str, dict[str, VM]] = {}
    for vm in await provider.list():
        fleets.setdefault(vm.name.rpartition("-")[0], {})[vm.name] = vm
    found = [_known(config, provider, name, vms) for name, vms in fleets.items()]
    return sorted(found, key=lambda v: min(vm.created or 0 for vm in v.vms.values()), reverse=True)


def _known(config: Config, provider: Provider, voyage: str, vms: Mapping[str, VM]) -> Voyage:
    folder = config.run_dir() / voyage
    ssh = prepare(
        folder, list(vms.values()), user_config=config.ssh_config, sockets=config.run_dir()
    )
    return Voyage(voyage, vms, ssh, provider)


async def find(config: Config, name: str | None) -> Voyage:
    """The voyage that `name` begins, with or without `voyage-`; without a name the only one.

    Raises Failure where there is none, or more than one."""
    known = await voyages(config)
    wanted = f"voyage-{(name or '').removeprefix('voyage-')}"
    found = [voyage for voyage in known if voyage.id.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if not known:
        raise Failure("There is no voyage under way.", "ocaptain sail PLAN  or  ocaptain demo")
    listed = "  ".join(voyage.id for voyage in known)
    if not found:
        raise Failure(f"There is no voyage {name!r}.", f"There is: {listed}")
    raise Failure("More than one voyage fits; name one.", f"There is: {listed}")


# Setting sail


async def sail(config: Config, plan: Plan, ships: int, say: Say) -> str:
    """Make the VMs, set them up, and return the voyage's id; nothing is left where that fails.

    `say` is told each VM's progress: its name and what it has come to."""
    provider = open_provider(config)
    voyage = f"voyage-{secrets.token_hex(6)}"
    async with _or_nothing(provider, [f"{voyage}-storage", *_vm_names(voyage, ships)], say):
        with tempfile.TemporaryDirectory(prefix="ocaptain-") as scratch:
            yard = Yard(config, provider, plan, voyage, ships, Path(scratch), say)
            await yard.build()
    return voyage


def _vm_names(voyage: str, ships: int) -> list[str]:
    return [f"{voyage}-ship{number}" for number in range(ships)]


@asynccontextmanager
async def _or_nothing(provider: Provider, names: list[str], say: Say) -> AsyncIterator[None]:
    """Destroy these VMs where what is done inside fails or is interrupted."""
    try:
        yield
    except BaseException:
        say("sail", "failed; removing what it made")
        left = await asyncio.shield(provider.destroy(names))
        for name, why in left.items():
            say(name, f"could not be removed: {why}")
        raise


class Yard:
    """Where one voyage's VMs are made and set up, all at once."""

    def __init__(
        self,
        config: Config,
        provider: Provider,
        plan: Plan,
        voyage: str,
        ships: int,
        scratch: Path,
        say: Say,
    ) -> None:
        self.config, self.provider, self.plan, self.voyage = config, provider, plan, voyage
        self.scratch, self.say, self.began = scratch, say, time.monotonic()
        self.names = _vm_names(voyage, ships)
        self.ships = {f"ship-{n}": name for n, name in enumerate(self.names)}
        self.vms: dict[str, VM] = {}

    async def build(self) -> None:
        """Storage and ships, each as far as it can get by itself."""
        await asyncio.gather(*(self._make_key(ship) for ship in self.ships))
        author = await _author()
        self.record = payload.voyage_record(
            self.plan, self.voyage, list(self.ships), author, time.time()
        )
        try:
            async with asyncio.TaskGroup() as group:
                storage = group.create_task(self._create(f"{self.voyage}-storage"))
                group.create_task(self._set_up_storage(storage))
                for ship in self.ships:
                    group.create_task(self._set_up_ship(ship, storage))
        except BaseExceptionGroup as several:
            raise several.exceptions[0] from None

    async def _make_key(self, ship: str) -> None:
        path = str(self.scratch / ship)
        comment = f"{self.voyage} {ship}"
        await run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path])

    async def _create(self, name: str) -> VM:
        vm = await self.provider.create(name)
        self.vms[name] = vm
        self.ssh = _known(self.config, self.provider, self.voyage, self.vms).ssh
        self._tell(name, "created")
        return vm

    async def _set_up_storage(self, storage: asyncio.Task[VM]) -> None:
        bundle = await self._bundle()
        vm = await storage
        keys = {ship: (self.scratch / f"{ship}.pub").read_text().strip() for ship in self.ships}
        for ship, key in keys.items():
            await self.provider.admit(vm, ship, key)
        boot = payload.storage_boot(self.record, self.plan, keys, await _shallow(self.plan))
        await self._unpack(vm.name, payload.archive(boot, bundle))

    async def _set_up_ship(self, ship: str, storage: asyncio.Task[VM]) -> None:
        vm = await self._create(self.ships[ship])
        boot = payload.ship_boot(
            self.record,
            self.plan,
            ship,
            key=(self.scratch / ship).read_text(),
            host_key=(await storage).host_key,
            reach=self.provider.reach(await storage),
            captain={name: secret.reveal() for name, secret in self.config.agent_env.items()},
        )
        await self._unpack(vm.name, payload.archive(boot))

    async def _unpack(self, name: str, archive: bytes) -> None:
        done = await self.ssh.run(name, payload.UNPACK, stdin=archive, retries=READY_S)
        if done.status:
            said = clean(done.err).strip() or f"exit status {done.status}"
            raise Failure(f"{name} could not be set up: {said}")
        self._tell(name, "ready")

    async def _bundle(self) -> Path | None:
        """The captain's checkout as a git bundle, where that is what the plan starts from."""
        source = self.plan.source
        if source.path is None:
            return None
        path = self.scratch / "source.bundle"
        ref = f"refs/heads/{source.branch}" if source.branch else "HEAD"
        made = await run(["git", "-C", str(source.path), "bundle", "create", "-q", str(path), ref])
        if made.status:
            raise Failure(f"git bundle failed in {source.path}: {clean(made.err).strip()}")
        return path

    def _tell(self, name: str, what: str) -> None:
        short = name.removeprefix(f"{self.voyage}-")
        self.say(short, f"{what} after {time.monotonic() - self.began:.1f} s")


async def _author() -> dict[str, str]:
    """The captain, as git knows them: what ships commit as."""
    found = {}
    for key, default in {"user.name": "ocaptain", "user.email": "ocaptain@localhost"}.items():
        said = (await run(["git", "config", "--get", key])).out.decode(errors="replace").strip()
        found[key] = said or default
    return found


async def _shallow(plan: Plan) -> str:
    """Where the history of a shallow checkout ends, as git keeps it; empty where it is whole."""
    if not plan.source.shallow or plan.source.path is None:
        return ""
    git = ["git", "-C", str(plan.source.path), "rev-parse", "--git-path", "shallow"]
    path = (await run(git)).out.decode().strip()
    return (plan.source.path / path).read_text()


# Steering


async def wait(voyage: Voyage, timeout_s: float | None, seen: Callable[[Answer], None]) -> Answer:
    """Look until the voyage has ended or `timeout_s` is over; `seen` gets each look, the last is
    returned."""
    ends = time.monotonic() + (timeout_s or float("inf"))
    while True:
        look = await voyage.ask("status")
        seen(look)
        if look["state"] in ENDED or time.monotonic() >= ends:
            return look
        await asyncio.sleep(1)


async def fetch(voyage: Voyage, into: Path, *, everything: bool) -> Answer:
    """Bring the voyage's branch into the repository at `into`; with `everything` also wrecks (under
    refs/ocaptain/<voyage>), and logs, journal and artifacts into a folder. What storage alone had."""
    before = await voyage.ask("unfetched")
    refs = [f"refs/heads/{voyage.id}:refs/heads/{voyage.id}"]
    if everything:
        refs.append(f"+refs/heads/work/*:refs/ocaptain/{voyage.id}/*")
    url = f"{voyage.storage}:~/voyage/repo.git"
    command = ["git", "-C", str(into), "fetch", "--quiet", url, *refs]
    done = await run(command, env=voyage.ssh.git_env())
    if done.status:
        raise Failure(f"git fetch into {into.resolve()} failed: {clean(done.err).strip()}")
    if everything:
        await _fetch_files(voyage, into / voyage.id)
    home = before["wrecks"] if everything else {}
    await voyage.ask("fetched", refs={**home, "head": before["head"]})
    return before


async def _fetch_files(voyage: Voyage, folder: Path) -> None:
    """Logs, journal and artifacts, unpacked into `folder`."""
    pack = Remote("sh", "-c", f"cd ~/voyage && tar -cz {' '.join(KEPT)}")
    done = await voyage.ssh.run(voyage.storage, pack)
    with tempfile.TemporaryFile() as file:
        file.write(done.out)
        file.seek(0)
        with tarfile.open(fileobj=file) as tar:
            tar.extractall(folder, filter="data")


async def sink(voyages_: Iterable[Voyage], *, storage: bool) -> dict[str, str]:
    """Destroy the voyages' ships, and with `storage` all of their VMs; why, where one is left."""
    left: dict[str, str] = {}
    for voyage in voyages_:
        names = doomed(voyage, storage=storage)
        await voyage.ssh.close(*names)
        left |= await voyage.provider.destroy(names)
        if storage and not left:
            shutil.rmtree(voyage.ssh.path.parent, ignore_errors=True)
    return left


def doomed(voyage: Voyage, *, storage: bool) -> list[str]:
    """The VMs that `sink` would destroy."""
    return [*voyage.ships, *([voyage.storage] if storage and voyage.storage in voyage.vms else [])]


async def at_risk(voyage: Voyage) -> str:
    """What only storage has, in a sentence; empty where that is nothing."""
    if voyage.storage not in voyage.vms:
        return ""
    try:
        found = await voyage.ask("unfetched")
    except (Unreachable, Failure) as unseen:
        return f"{voyage.id}: whether its work was fetched cannot be seen ({unseen})"
    parts = [f"{found['commits']} commits on its branch"] if found["commits"] else []
    parts += (
        [f"{len(found['wrecks'])} wrecks ({', '.join(found['wrecks'])})"] if found["wrecks"] else []
    )
    return f"{voyage.id}: never fetched: {' and '.join(parts)}" if parts else ""
