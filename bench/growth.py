"""What large voyages cost storage: lists of tasks and fleets that two cores could not hold.

Everything is real but the ships: the journal and the task files of a voyage that is half done, with
eight claims for five tasks, and harbor's decisions in this process, each with its state read anew.
The time of an interpreter's start is not in it. How busy the lock is follows from how long it was
held, if ships beat every sixth of a lease and complete a task every ten minutes.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.storage import serve
from ocaptain.onboard.storage.journal import Journal
from tests.support.machine import Trouble, until
from tests.support.storage import VOYAGE, Json

from . import plans
from .claims import granted, set_up_storage
from .effort import Effort
from .memory import held
from .table import Row, Target

LEASE_S = 300
TASK_S = 600
TEXT = "What is to be done, and why, and what it is to look like in the end. " * 13
WHY = "ship-7 was not heard from in time"
SIZES = ((10, 3), (100, 3), (100, 30), (1000, 30), (1000, 100), (5000, 30), (5000, 100))
"""How many tasks and ships."""


class TimedJournal(Journal):
    """A journal that knows how long the lock was held, in s."""

    held_s = 0.0
    _since = 0.0

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock."""
        self._since = 0.0
        with super().locked():
            yield
            self.held_s = time.perf_counter() - self._since

    def _catch_up(self) -> None:
        self._since = self._since or time.perf_counter()
        super()._catch_up()


class Fleet:
    """A voyage's storage at `home`, and the ships that ask it."""

    def __init__(self, home: Path, ships: list[str]) -> None:
        self.home = home
        self.ships = ships
        self.voyage: Any = json.loads((home / "voyage" / "voyage.json").read_text())
        self.claims: dict[str, int] = {}

    def ask(self, ship: str, op: str, **fields: Any) -> tuple[Json, float, float]:
        """The answer, how long it took, and how long the lock was held (s)."""
        began = time.perf_counter()
        journal = TimedJournal(self.home, self.voyage["voyage"])
        request = {"op": op, **fields}
        answer = granted(serve.decide(journal, self.voyage, ship, request).answer)
        return answer, time.perf_counter() - began, journal.held_s

    def claim(self, ship: str) -> tuple[float, float]:
        """Have a ship claim: how long that took, and the lock was held."""
        answer, took_s, held_s = self.ask(ship, "claim", run_id="a")
        self.claims[ship] = answer["claim"]
        return took_s, held_s

    def beat(self, ship: str) -> tuple[float, float]:
        """The same for a beat."""
        _, took_s, held_s = self.ask(ship, "beat", claim=self.claims[ship], state="working")
        return took_s, held_s

    def land(self, ship: str) -> tuple[float, float]:
        """The same for a landing of a task that needed no change."""
        number = self.claims.pop(ship)
        _, took_s, held_s = self.ask(ship, "land", claim=number, note="done", id=str(number))
        return took_s, held_s


def half_done(home: Path, tasks: int, ships: int) -> Fleet:
    """Make a voyage of so many tasks and ships that is half done."""
    names = [f"ship-{number}" for number in range(ships)]
    listed = [{**task, "description": TEXT} for task in plans.idle(tasks)]
    set_up_storage(home, listed, names)
    live_through_half(home, names)
    return Fleet(home, names)


def live_through_half(home: Path, ships: list[str]) -> None:
    """Have half of the tasks completed, and a good half of all claims have been in vain."""
    journal = Journal(home, VOYAGE)
    with journal.locked():
        tasks = list(journal.sections["tasks"].values())
        head = journal.sections["meta"]["head"]
        claims: dict[str, Json] = {}
        done: dict[str, Json] = {}
        for number in range(1, len(tasks) * 8 // 5 + 1):
            task = tasks[number % max(1, len(tasks) // 2)]
            ended = {"state": "expired", "why": WHY}
            if task["id"] not in done:
                ended = {"state": "landed", "commit": head}
                notes = {**task["metadata"], "claim": number, "commit": head}
                done[task["id"]] = {**task, "status": "completed", "metadata": notes}
            claims[str(number)] = {
                "number": number,
                "ship": ships[number % len(ships)],
                "run_id": "0" * 32,
                "head": head,
                "tasks": len(tasks),
                "claimed_at": time.time(),
                "task": task["id"],
                "expires": 0,
                "cost_usd": 0.25,
                **ended,
            }
        journal.commit("harbor", {"op": "half"}, {"claims": claims, "tasks": done})


def growth(effort: Effort) -> Iterator[Row]:
    """A row for beats, and one for the lock, of each size; then what storage takes at the last."""
    sizes = effort.choose(smoke=((10, 2),), quick=((10, 3), (5000, 100)), full=SIZES)
    rounds = effort.choose(smoke=2, quick=10, full=30)
    for tasks, ships in sizes:
        with tempfile.TemporaryDirectory() as folder:
            fleet = half_done(Path(folder), tasks, ships)
            yield from times(fleet, tasks, rounds)
            if (tasks, ships) == sizes[-1]:
                yield from room(fleet, f"{tasks:,} tasks, {ships} ships")


def times(fleet: Fleet, tasks: int, rounds: int) -> Iterator[Row]:
    """How long beats take, and how busy the lock is."""
    busy = fleet.ships[: min(rounds, tasks // 4)]
    claims = [fleet.claim(ship) for ship in busy]
    beats = [fleet.beat(busy[number % len(busy)]) for number in range(rounds)]
    landings = [fleet.land(ship) for ship in busy]
    of_beat = median(held_s for _, held_s in beats)
    of_task = median(held_s for _, held_s in claims) + median(held_s for _, held_s in landings)
    a_second = of_beat / (LEASE_S / 6) + of_task / TASK_S
    size = f"{tasks:,} tasks, {len(fleet.ships)} ships"
    took_ms = [took_s * 1e3 for took_s, _ in beats]
    beside = ("with the lock", of_beat * 1e3)
    yield Row(f"a beat: {size}", took_ms, "ms", Target(30), beside)
    yield Row(f"… the lock is busy: {size}", [len(fleet.ships) * a_second * 100], "%", Target(20))


def room(fleet: Fleet, size: str) -> Iterator[Row]:
    """What storage takes of memory, while all ships wait, and of the disk."""
    fleet.ask("captain", "pause", id="p")
    with ExitStack() as stack:
        waiting = [stack.enter_context(started(fleet, ship)) for ship in fleet.ships]
        until(lambda: all_wait(fleet), 120, "all ships to wait")
        memory = held({child.pid for child in waiting}, "Pss")
        for child in waiting:
            child.communicate()
    files = [path for path in fleet.home.rglob("*") if path.is_file()]
    disk = sum(path.stat().st_blocks * 512 for path in files) / 1e6
    yield Row(f"memory of storage, all wait (PSS): {size}", [memory], "MB", Target(1000))
    yield Row(f"disk of storage: {size}", [disk], "MB", Target(1000))


def started(fleet: Fleet, ship: str) -> "subprocess.Popen[bytes]":
    """A process of harbor's in which a ship waits for work, until its stdin ends."""
    program = [sys.executable, "-IS", str(fleet.home / "voyage" / "lib"), "harbor", ship]
    child = subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    request = {"protocol": PROTOCOL, "op": "claim", "run_id": "b", "wait": True}
    if child.stdin is None:
        raise Trouble("a process without stdin")
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    return child


def all_wait(fleet: Fleet) -> bool:
    """Whether each ship has called in vain."""
    records = (fleet.home / "voyage" / "ships").glob("*.json")
    states = [json.loads(path.read_text())["state"] for path in records]
    return states.count("waiting") >= len(fleet.ships)
