"""Makes VMs and sets them up: a new voyage's, or more ships for one that is under way."""

import asyncio
import os
import secrets
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from ocaptain.config import Config
from ocaptain.errors import Failure, progress
from ocaptain.git import author, git
from ocaptain.manual import page
from ocaptain.onboard.protocol import NewVoyage, Reviewer, ShipBoot, StorageBoot, VoyageRecord
from ocaptain.onboard.ship.agents import AGENTS
from ocaptain.plan.plan import Plan, Source
from ocaptain.process import to_its_end, wait_for_all
from ocaptain.providers import VM, open_provider
from ocaptain.ssh import Remote, Unreachable, new_key

from .archive import Half, pack
from .voyage import LIB, Signature, Voyage, sign

SET_UP_S = 1800
REACH_S = 180
# On one line, with neither `!` nor backslash: the login shell that quotes are for may be any.
NEED = '|| {{ echo "{what} is needed on this machine: install it, and try again" >&2; exit 1; }}'
MODERN = "import sys; sys.exit(sys.version_info < (3, 10))"
UNPACK = (
    "umask 077 && mkdir -p ~/voyage && cd ~/voyage"
    " && exec 9<~ && { flock 9 || true; } && tar -xzf -"
)
MAX_REPAIRS = 3


async def sail(config: Config, plan: Plan, ships: int, *, open_pr: bool = False) -> Voyage:
    """Make the VMs of a new voyage and set them up. Returns it; if it fails, nothing is left.

    `ships` is how many. With `open_pr` the end of the voyage opens a pull request."""
    token = None
    if plan.source.url.startswith("https://github.com/"):
        token = config.gh_token
    if open_pr and not token:
        raise Failure(
            "A pull request needs a repo on GitHub (owner/name in voyage.json) and GH_TOKEN.",
            hint="export GH_TOKEN=…",
        )
    voyage = Voyage(config, open_provider(config), f"voyage-{secrets.token_hex(6)}")
    progress(await voyage.provider.capacity(more=1 + ships))
    progress(f"{voyage.id} is being made; if this is killed, type: ocaptain sink -s {voyage.id}")
    names = [f"ship-{number}" for number in range(ships)]
    record = await voyage_record(plan, voyage.id, names, open_pr=open_pr)
    new: NewVoyage = {
        "voyage": record,
        "artifacts": plan.artifacts,
        "tasks": plan.tasks,
        "source": {
            "url": record["origin"],
            "ref": plan.source.ref,
            "shallow": plan.source.shallow,
            "token": token,
        },
    }
    launch = Launch(voyage, record, plan.artifacts, sign())
    await launch.launch(names, new=new, checkout=plan.source)
    return voyage


async def voyage_record(
    plan: Plan, voyage: str, ships: list[str], *, open_pr: bool
) -> VoyageRecord:
    """What storage and ships know of a plan, besides its files and tasks."""
    return {
        "voyage": voyage,
        "name": plan.name,
        "objective": plan.objective,
        "spec": plan.artifacts["spec.md"],
        "repo": str(plan.source.path or plan.repo),
        "branch": plan.branch,
        "agent": plan.agent,
        "agents": plan.crew(),
        "model": plan.model,
        "agent_command": plan.agent_command,
        "agent_setup": plan.agent_setup,
        "interactive": any(AGENTS[agent].interactive for agent in plan.agents()),
        "check": plan.check,
        "review": reviewer(plan),
        "recommended_ships": plan.recommended_ships,
        "max_attempts": plan.max_attempts,
        "max_repairs": 0 if plan.agent == "shell" else MAX_REPAIRS,
        "landing_window": plan.landing_window,
        "stall_minutes": plan.stall_minutes,
        "lease_seconds": plan.lease_seconds,
        "time_limit_minutes": plan.time_limit_minutes,
        "budget_usd": plan.budget_usd,
        "budget_tokens": plan.budget_tokens,
        "notify": plan.notify,
        "author": await author(plan.source.path or plan.folder),
        "created": time.time(),
        "origin": None if plan.source.path else plan.source.url,
        "base_branch": plan.source.branch,
        "open_pr": open_pr,
        "ships": ships,
    }


def reviewer(plan: Plan) -> Reviewer | None:
    """Who reads the work on tasks before it lands."""
    review = plan.review
    if review is None:
        return None
    return {"agent": review.agent, "model": review.model, "rounds": review.rounds}


class SailOutcome(TypedDict):
    """What `sail --json` prints."""

    voyage: str
    vms: list[str]
    plan: str
    """The plan's directory."""


def unpack_and_run(python: str, program: Remote, *, with_sudo: bool = False) -> Remote:
    """Return what unpacks the archive on stdin of a VM and runs a program of it.

    It says in a sentence what a VM lacks, before anything is written there. If two captains do this
    at once, the second one waits: the shell has a lock on the home directory until the program
    ends."""
    needs = {
        "Python 3.10 or later": Remote(python, "-c", MODERN),
        "git": Remote("command", "-v", "git"),
        "tar": Remote("command", "-v", "tar"),
    }
    if with_sudo:
        needs["sudo"] = Remote("command", "-v", "sudo")
    checks = [f"{check} >/dev/null 2>&1 {NEED.format(what=what)};" for what, check in needs.items()]
    return Remote("sh", "-c", f"{' '.join(checks)} {UNPACK} && {program}")


class Launch:
    """The making of VMs for one voyage: storage if there is none yet, and some ships.

    `record` and `artifacts` are what all ships are given of the plan. `signature` signs the order
    to let ships go that did not come up."""

    def __init__(
        self,
        voyage: Voyage,
        record: VoyageRecord,
        artifacts: Mapping[str, str],
        signature: Signature,
    ) -> None:
        self.voyage = voyage
        self.record = record
        self.artifacts = dict(artifacts)
        self.signature = signature
        self.began = time.monotonic()
        self.scratch = Path()
        self.keys: dict[str, str] = {}
        is_new = voyage.storage not in voyage.vms
        self.again = f"sink -s {voyage.id}" if is_new else f"reinforce {voyage.id}"
        """The verb that removes what could not be removed now."""

    async def launch(
        self,
        ships: Sequence[str],
        *,
        new: NewVoyage | None = None,
        checkout: Source | None = None,
    ) -> list[str]:
        """Make ships, and with `new` their storage, all at once. Returns the ships that came up.

        If it fails, nothing of it is left. `checkout` is the captain's, which storage gets as a
        bundle if it has a path."""
        wanted = [self.voyage.storage, *(self.voyage.vm(ship) for ship in ships)]
        made = [vm for vm in wanted if vm not in self.voyage.vms]
        with tempfile.TemporaryDirectory(prefix="ocaptain-") as scratch:
            self.scratch = Path(scratch)
            try:
                return await self._launch(ships, new, checkout)
            except BaseException as error:
                progress("What was made is removed")
                await to_its_end(self._undo(made, ships))
                if isinstance(error, BaseExceptionGroup):
                    raise error.exceptions[0] from None
                raise

    async def _launch(
        self, ships: Sequence[str], new: NewVoyage | None, checkout: Source | None
    ) -> list[str]:
        await self._make_keys(ships)
        bundle = self.scratch / "source.bundle"
        async with asyncio.TaskGroup() as group:
            storage = group.create_task(self._create(self.voyage.storage))
            launched = {ship: group.create_task(self._make_ship(ship, storage)) for ship in ships}
            if checkout and checkout.path:
                words = ("bundle", "create", "-q", str(bundle), checkout.ref)
                await git("-C", str(checkout.path), *words, timeout=SET_UP_S)
            await storage
            await self._set_up_storage(new, bundle)
        up = [ship for ship in ships if launched[ship].result()]
        down = [ship for ship in ships if ship not in up]
        if not up:
            raise Failure("No ship came up.")
        if down:
            await self._let_go(down)
        return up

    async def _undo(self, vms: Sequence[str], ships: Sequence[str]) -> None:
        await self.voyage.destroy(vms, self.again)
        if self.voyage.storage not in vms:
            await self._let_go(ships)

    async def _let_go(self, ships: Sequence[str]) -> None:
        """Have storage forget ships; if it does not answer, the next `reinforce` will."""
        with suppress(Failure):
            await self.voyage.forget_ships(self.signature, ships)

    async def _make_keys(self, ships: Sequence[str]) -> None:
        making = [new_key(self.scratch / ship, self.voyage.vm(ship)) for ship in ships]
        self.keys = dict(zip(ships, await wait_for_all(*making), strict=True))

    async def _create(self, vm: str) -> VM:
        """Make a VM, unless it is there."""
        if vm not in self.voyage.vms:
            self.voyage.add_vms(await self.voyage.provider.create(vm))
            self._report(f"{vm} is there")
        return self.voyage.vms[vm]

    async def _make_ship(self, ship: str, storage: asyncio.Task[VM]) -> bool:
        """Make a ship, twice if need be. Returns whether it came up: the others can do without."""
        vm = self.voyage.vm(ship)
        for remedy in ("is made anew", "is given up; the others sail on without it"):
            try:
                await self._create(vm)
                await self._set_up_ship(ship, await storage)
            except Unreachable as why:
                progress(f"{why}\n{ship} {remedy}")
                await self.voyage.destroy([vm], self.again)
            else:
                return True
        return False

    async def _set_up_storage(self, new: NewVoyage | None, bundle: Path) -> None:
        boot: StorageBoot = {
            "accounts": self.voyage.provider.accounts,
            "ship_keys": self.keys,
            "new": new,
        }
        code: Half | None = "storage" if new else None
        packed = pack(boot, code=code, bytecode=self._runs_our_python(), bundle=bundle)
        as_root = ("sudo", "-n") if self.voyage.provider.accounts else ()
        await self._set_up(self.voyage.storage, packed, *as_root, program="set-up-storage")

    async def _set_up_ship(self, ship: str, storage: VM) -> None:
        """Set a ship up; its key opens storage from here on."""
        key = self.keys[ship]
        access = await self.voyage.provider.authorize_key(storage, ship, key)
        if access.sudo_prefix:
            progress(
                f"{ship}'s key opens {storage.name} as its login user: see {page('security.md')}"
            )
        boot: ShipBoot = {
            "accounts": self.voyage.provider.accounts,
            "ship": ship,
            "voyage": self.record,
            "artifacts": self.artifacts,
            "agent_env": self.voyage.config.env_of(self.record["agents"]),
            "key": (self.scratch / ship).read_text(),
            "host_key": storage.host_key,
            "ssh_options": list(access.ssh_options),
            "sudo_prefix": list(access.sudo_prefix),
        }
        packed = pack(boot, code="ship", bytecode=self._runs_our_python())
        await self._set_up(self.voyage.vm(ship), packed, program="set-up-ship")

    def _runs_our_python(self) -> bool:
        """Whether VMs have the very Python that runs this, and so can use its bytecode."""
        return self.voyage.provider.python == os.path.realpath(sys.executable)

    async def _set_up(self, vm: str, packed: bytes, *prefix: str, program: str) -> None:
        """Unpack on a VM, as soon as it can be reached, and run a program of what was unpacked."""
        python = self.voyage.provider.python
        program_there = Remote(*prefix, python, *LIB, program)
        with_sudo = self.voyage.provider.accounts
        remote = unpack_and_run(python, program_there, with_sudo=with_sudo)
        faults = await self.voyage.run_on(
            [vm], remote, stdin=packed, timeout=SET_UP_S, retries=REACH_S, are_new=True
        )
        if faults:
            raise Unreachable(f"{vm} could not be set up: {faults[vm]}")
        self._report(f"{vm} is ready")

    def _report(self, event: str) -> None:
        progress(f"{event} after {time.monotonic() - self.began:.1f} s")
