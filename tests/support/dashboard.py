"""Dashboards that are served, and feeds that show what a test wants to be seen."""

import asyncio
import queue
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from ocaptain.dashboard.feed import Feed, FleetRow
from ocaptain.dashboard.fleet import Fleet
from ocaptain.dashboard.server import serve
from ocaptain.fleet.voyage import Voyage
from tests.support.captain import Captain
from tests.support.machine import Trouble

Json = dict[str, Any]


@dataclass(frozen=True)
class Dashboard:
    """A dashboard that is served in a thread of its own."""

    address: str
    loop: asyncio.AbstractEventLoop
    stop: Callable[[], None]

    def call(self, use: Callable[..., object], *values: object) -> None:
        """Call something in its thread."""
        self.loop.call_soon_threadsafe(use, *values)


@contextmanager
def serving(fleet: Fleet, find: Callable[[str], Awaitable[Voyage]]) -> Iterator[Dashboard]:
    """Serve a dashboard for as long as the context lasts."""
    addresses: queue.Queue[str] = queue.Queue()
    ends: queue.Queue[Any] = queue.Queue()

    async def run() -> None:
        task = asyncio.create_task(serve(fleet, find, 0, addresses.put))
        ends.put((asyncio.get_running_loop(), task))
        await asyncio.wait([task])

    thread = threading.Thread(target=asyncio.run, args=[run()])
    thread.start()
    loop, task = ends.get()

    def stop() -> None:
        if thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
        thread.join()

    try:
        yield Dashboard(addresses.get(timeout=60), loop, stop)
    finally:
        stop()


@contextmanager
def typed(captain: Captain, voyage: str) -> Iterator[str]:
    """Have a captain type `ocaptain dashboard VOYAGE`; its address."""
    child = captain.start("dashboard", voyage)
    if child.stdout is None:
        raise Trouble("a process without stdout")
    lines = iter(child.stdout.readline, "")
    try:
        yield next(line.strip() for line in lines if line.startswith("http"))
    finally:
        child.terminate()
        child.wait(30)


class StagedFeed(Feed):
    """A feed that shows a picture that was made up, and tells what a test has it tell."""

    def __init__(self, voyage: Voyage, shown: Json) -> None:
        super().__init__(voyage)
        self.shown = {**shown, "voyage": voyage.id}

    async def run(self) -> None:
        """Follow nothing."""
        await asyncio.Event().wait()

    def picture(self) -> Any:
        """The picture."""
        return self.shown

    def row(self) -> FleetRow:
        """The voyage as the list of all has it."""
        status = self.shown["status"]
        return {
            **super().row(),
            "name": status["name"],
            "objective": status["objective"],
            "state": status["state"],
            "tasks": status["tasks"],
            "cost_usd": status["cost_usd"],
            "seen_at": self.shown["seen_at"],
            "reason": None,
            "fault": "",
        }

    def news(self, kind: str, **said: object) -> None:
        """Tell all who look on something; storage has just been heard, if nothing else is said."""
        heard = {"now": self.shown["now"], "seen_at": self.shown["seen_at"], "fault": ""}
        self.shown.update({key: said[key] for key in ("fault", "status") if key in said})
        self.audience.tell(kind, {"voyage": self.voyage.id, **heard, **said})


@contextmanager
def staged(feed: StagedFeed, *others: StagedFeed) -> Iterator[Dashboard]:
    """Serve a dashboard of feeds that are staged."""

    async def find(_: str) -> Voyage:
        return feed.voyage

    fleet = Fleet([], None if others else feed.voyage.id, None)
    fleet.feeds.update({each.voyage.id: each for each in (feed, *others)})
    with serving(fleet, find) as dashboard:
        yield dashboard
