"""Looks at a voyage again and again, never more often than once a second."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from ocaptain.errors import Failure
from ocaptain.fleet.voyage import RUN_S, Voyage, VoyageStatus
from ocaptain.onboard.protocol import Status, TaskRow
from ocaptain.ssh import Unreachable

REQUEST_PERIOD_S = 1.0
"""Storage is asked once in so many seconds at most, on average."""
OVER_PERIOD_S = 10.0
"""The same of a voyage that is over: only the captain's own order changes that."""
GONE_PERIOD_S = 15.0
"""The same if storage refuses, or is not there any more: the provider is asked then, too."""
TASKS_PERIOD = 30
"""After so many looks the tasks are asked for, though nothing says that they have changed."""
OVER = ("complete", "failed")


@dataclass(frozen=True)
class Sight:
    """What storage said last of a voyage, when that was, and why it does not answer now."""

    status: VoyageStatus
    tasks: list[TaskRow]
    seen_at: float
    """When storage answered, in UNIX time."""
    looked_at: float
    """When it was asked last, in UNIX time."""
    fault: str = ""

    @property
    def state(self) -> str:
        """The voyage's state; `unseen` if storage did not answer."""
        return "unseen" if self.fault else self.status["state"]

    @property
    def shown(self) -> VoyageStatus:
        """The status, as `status` would show it now."""
        if not self.fault:
            return self.status
        return {**self.status, "state": self.state, "reason": self.fault, "next": []}

    @property
    def is_over(self) -> bool:
        """Whether the voyage is complete or has failed."""
        return self.status["state"] in OVER


class Watcher:
    """Looks at one voyage, with the requests of `status` and `tasks`."""

    def __init__(self, voyage: Voyage, clock: Callable[[], float] = time.time) -> None:
        self.voyage = voyage
        self.sight: Sight | None = None
        self.pause_s = 0.0
        """How long to wait until the next look."""
        self.clock = clock
        self._looks = 0
        self._nudge = asyncio.Event()

    async def look(self) -> Sight:
        """Ask storage once: for the status, and if that tells of other tasks, for these.

        The first look may take any time, and raises Failure if it is in vain."""
        if self.sight is None:
            self.sight = await self._first_look()
            return self.sight
        try:
            self.sight = await self._next_look(self.sight)
        except Unreachable as fault:
            self.pause_s = REQUEST_PERIOD_S
            self.sight = self._unseen(self.sight, fault)
        except Failure as fault:
            self.pause_s = GONE_PERIOD_S
            self.sight = self._unseen(self.sight, fault)
        return self.sight

    def _unseen(self, before: Sight, fault: Failure) -> Sight:
        return replace(before, fault=str(fault), looked_at=self.clock())

    async def rest(self, at_most: float = inf) -> None:
        """Wait until it is time for the next look, or until somebody hurries it."""
        try:
            async with asyncio.timeout(min(self.pause_s, at_most)):
                await self._nudge.wait()
        except TimeoutError:
            return
        self._nudge.clear()

    def hurry(self) -> None:
        """Have the next look come at once, for something was ordered."""
        self._nudge.set()

    async def _first_look(self) -> Sight:
        status = await self.voyage.ask_status(timeout=inf)
        tasks = await self.voyage.ask_tasks()
        self.pause_s = 2 * REQUEST_PERIOD_S
        return self._sight(status, tasks)

    async def _next_look(self, before: Sight) -> Sight:
        status = await self.voyage.ask_status(timeout=RUN_S)
        self.pause_s = OVER_PERIOD_S if status["state"] in OVER else REQUEST_PERIOD_S
        self._looks += 1
        tasks = before.tasks
        if self._looks % TASKS_PERIOD == 0 or work(status) != work(before.status):
            tasks = await self.voyage.ask_tasks()
            self.pause_s += REQUEST_PERIOD_S
        return self._sight(status, tasks)

    def _sight(self, status: VoyageStatus, tasks: list[TaskRow]) -> Sight:
        now = self.clock()
        return Sight(status, tasks, seen_at=now, looked_at=now)


def work(status: Status) -> Any:
    """Return what is different in a status if tasks are."""
    held = [ship["task"] for ship in status["ships"]]
    done = [ship["completed"] for ship in status["ships"]]
    landing = [(car["task"], car["state"]) for car in status["train"]["cars"]]
    return status["tasks"], status["head"], held, done, landing
