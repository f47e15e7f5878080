"""One voyage as storage tells it, for all who look at it: one connection, however many tabs."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, TypedDict

import msgspec

from ocaptain.errors import Failure
from ocaptain.fleet.picture import Gathered, Picture, follow_picture
from ocaptain.fleet.voyage import Voyage
from ocaptain.onboard.picture import News

Use = Callable[[bytes], None]

FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0
"""How long to wait, in seconds, until storage is tried again that was away."""
TOLD = ("status", "tasks", "claims", "chain", "is_whole")
"""What changes have as storage tells it."""


class SeenPicture(Picture):
    """A picture, and when it was seen."""

    seen_at: float
    """UNIX time, as this machine has it."""
    fault: str
    """Why storage does not answer now; empty if it does."""


class FleetRow(TypedDict):
    """A voyage in the list of all."""

    voyage: str
    provider: str
    vms: int
    name: str
    objective: str
    state: str
    reason: str | None
    created: float | None
    tasks: Mapping[str, int] | None
    cost_usd: float | None
    usage: Mapping[str, float] | None
    seen_at: float | None
    fault: str


class Sign(TypedDict):
    """That storage was heard, or that it was not."""

    voyage: str
    now: float
    seen_at: float | None
    fault: str


class Audience:
    """Those who look on. Each event is encoded once, for all of them."""

    def __init__(self) -> None:
        self._uses: set[Use] = set()

    def join(self, use: Use) -> None:
        """Have `use` be called with each event from now on."""
        self._uses.add(use)

    def leave(self, use: Use) -> None:
        """End that."""
        self._uses.discard(use)

    def tell(self, kind: str, data: object) -> None:
        """Tell all of them something."""
        if self._uses:
            message = event(kind, data)
            for use in [*self._uses]:
                use(message)


def event(kind: str, data: object) -> bytes:
    """Return an event as a stream of server-sent events has it."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode(data))


class Feed:
    """A voyage that is followed for as long as `run` is under way."""

    def __init__(self, voyage: Voyage, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called whenever the voyage's row in the list of all may be another."""
        self.voyage = voyage
        self.audience = Audience()
        self.fault = f"{voyage.storage} has not answered yet."
        self.seen_at: float | None = None
        self._changed = changed
        self._seen: Gathered | None = None
        self._landed: set[int] = set()

    async def run(self) -> None:
        """Follow the voyage; if storage is away, try again and again."""
        pause_s = FIRST_PAUSE_S
        while True:
            fresh = Gathered(self.voyage)
            fault = f"{self.voyage.storage} has stopped telling."
            try:
                await follow_picture(self.voyage, partial(self._take, fresh))
            except Failure as failure:
                fault = str(failure)
            if fresh.is_there:
                pause_s = FIRST_PAUSE_S
            self.fault = fault
            self.audience.tell("tick", self._sign())
            self._changed()
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _take(self, told: Gathered, news: News) -> None:
        was_there = told.is_there
        told.take(news)
        if not told.is_there:
            return
        self.seen_at = time.time()
        had_fault = bool(self.fault)
        self.fault = ""
        self._seen = told
        if not was_there:
            self._landed = {landing["claim"] for landing in told.landings(told.claims.values())}
            self.audience.tell("picture", self.picture())
        elif news.keys() == {"now"}:
            self.audience.tell("tick", self._sign())
        else:
            self.audience.tell("change", self._change(told, news))
        if had_fault or not was_there or "status" in news:
            self._changed()

    def _change(self, told: Gathered, news: News) -> Mapping[str, object]:
        """Return what is new as a page takes it."""
        known: Mapping[str, Any] = news
        change: dict[str, object] = {**self._sign()}
        change.update({name: known[name] for name in TOLD if name in known})
        if "status" in news:
            change["status"] = told.status
        if "costs" in news:
            change["costs_anew"] = news["costs"]
        landings = told.landings(news.get("claims", ()))
        new = [landing for landing in landings if landing["claim"] not in self._landed]
        if new:
            self._landed |= {landing["claim"] for landing in new}
            change["landings"] = new
        return change

    def _sign(self) -> Sign:
        now = self._seen.now if self._seen else 0.0
        return {
            "voyage": self.voyage.id,
            "now": now,
            "seen_at": self.seen_at,
            "fault": self.fault,
        }

    def picture(self) -> SeenPicture | None:
        """Return all that was seen last; None if nothing was yet."""
        if self._seen is None or self.seen_at is None:
            return None
        return {**self._seen.picture(), "seen_at": self.seen_at, "fault": self.fault}

    def first_events(self) -> Iterable[bytes]:
        """Yield what somebody who joins now is told first."""
        picture = self.picture()
        if picture:
            yield event("picture", picture)
        else:
            yield event("tick", self._sign())

    def row(self) -> FleetRow:
        """Return the voyage as the list of all has it."""
        row: FleetRow = {
            "voyage": self.voyage.id,
            "provider": self.voyage.config.provider,
            "vms": len(self.voyage.vms),
            "name": "",
            "objective": "",
            "state": "unseen",
            "reason": self.fault or None,
            "created": None,
            "tasks": None,
            "cost_usd": None,
            "usage": None,
            "seen_at": self.seen_at,
            "fault": self.fault,
        }
        status = self._seen.status if self._seen else None
        if status is None:
            return row
        row["name"] = status["name"]
        row["objective"] = status["objective"]
        row["created"] = status["created"]
        row["tasks"] = {**status["tasks"]}  # type: ignore[dict-item]
        row["cost_usd"] = status["cost_usd"]
        row["usage"] = {**status["usage"]}  # type: ignore[dict-item]
        if not self.fault:
            row["state"] = status["state"]
            row["reason"] = status["reason"]
        return row


async def end(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """End some tasks, and wait for that."""
    ending = [*tasks]
    for task in ending:
        task.cancel()
    for task in ending:
        with suppress(asyncio.CancelledError, Exception):
            await task
