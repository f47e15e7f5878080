"""A voyage's trace while it goes on: what is over is told at once, what is not once it is."""

import asyncio
from collections.abc import Callable, Iterator

from ocaptain.errors import progress
from ocaptain.onboard.picture import News
from ocaptain.onboard.protocol import Json
from ocaptain.onboard.telemetry import span_id
from ocaptain.ssh import Unreachable

from .kept import KeptLines
from .lineage import Lineage
from .otlp import Broken, read_request
from .picture import Gathered, Picture, follow_picture
from .spans import Span, requests, spans_of
from .trace import Use
from .voyage import Voyage

OVER = ("complete", "failed")
"""States of a voyage that is over."""
GRACE_S = 12.0
"""For how long telemetry may come after a voyage's end: ships send it every 5 seconds."""
LOOK_S = 1.0
"""Seconds between two looks at what is new."""
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 15.0
"""How long to wait, in seconds, until storage is tried again that was away."""


async def follow_trace(voyage: Voyage, use: Use, *, grace_s: float = GRACE_S) -> int:
    """Call `use` with each request of a voyage's trace as it comes, until the voyage is over.

    Each span comes once, when it has ended. Storage may be away meanwhile. Returns how many lines
    of ships' telemetry were left out. Raises Failure if storage is not there in the beginning, or
    not any more."""
    with KeptLines() as kept:
        trail = Trail(voyage, kept)
        listening = asyncio.create_task(_listen(voyage, trail))
        try:
            while not (listening.done() or trail.is_over(grace_s)):
                await asyncio.wait([listening], timeout=LOOK_S)
                for request in trail.news():
                    await use(request)
                    await asyncio.sleep(0)  # to listen meanwhile, however much there is
            for request in trail.rest():
                await use(request)
            if not trail.is_over():
                await listening
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
    return trail.left_out


async def _listen(voyage: Voyage, trail: "Trail") -> None:
    """Take in what storage tells; if it is away, wait until it is back.

    Raises Failure if it was never there, or refuses, or is gone."""
    while True:
        seen = Gathered(voyage)
        try:
            await follow_picture(voyage, trail.taking(seen), telemetry=trail.kept.sizes)
        except Unreachable as fault:
            if trail.seen is None:
                raise
            if seen.is_whole:
                progress(f"{fault}\nIt is tried again until it answers. Ctrl-C ends that.")
        await _until_it_answers(voyage)


async def _until_it_answers(voyage: Voyage) -> None:
    """Wait until storage answers. Raises Failure if it is gone, rather than away."""
    pause_s = FIRST_PAUSE_S
    while True:
        await asyncio.sleep(pause_s)
        try:
            await voyage.ask_status()
            return
        except Unreachable:
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


class Trail:
    """What was told of a trace, and what was seen of its voyage."""

    def __init__(self, voyage: Voyage, kept: KeptLines) -> None:
        self.kept = kept
        self.seen: Gathered | None = None
        """What storage has told last, all of it."""
        self.left_out = 0
        self._voyage = voyage.id
        self._lineage = Lineage(voyage.id, goes_on=True)
        self._has_changed = False
        self._told: set[str] = set()

    def taking(self, seen: Gathered) -> Callable[[News], None]:
        """Return what takes in the news of one connection."""

        def take(news: News) -> None:
            seen.take(news)
            if "telemetry" in news:
                self.kept.take(news["telemetry"])
            if seen.is_whole:
                self.seen = seen
                self._has_changed = self._has_changed or not {*news} <= {"now", "telemetry"}

        return take

    def is_over(self, grace_s: float = 0.0) -> bool:
        """Whether the voyage has been over for so long, by storage's clock."""
        if self.seen is None:
            return False
        picture = self.seen.picture()
        ends = [claim["ended_at"] or 0.0 for claim in picture["claims"]]
        is_over = picture["status"]["state"] in OVER
        return is_over and picture["now"] >= max(ends, default=0.0) + grace_s

    def news(self) -> Iterator[Json]:
        """Yield what is new, and over."""
        if self.seen is None:
            return
        if self._has_changed:
            self._has_changed = False
            yield from self._over(self.seen.picture())
        for line in self.kept.lines():
            yield from self._of_agent(line)

    def _over(self, picture: Picture) -> Iterator[Json]:
        """Yield the voyage's own spans that have ended for good."""
        spans = list(spans_of(picture))
        self._lineage.add(spans)
        may_change = {*_may_change(picture)}
        over = [span for span in spans if span.end is not None and span.id not in may_change]
        yield from self._requests(over, picture["now"])

    def rest(self) -> Iterator[Json]:
        """Yield all that was not told yet. What goes on ends now."""
        yield from self.news()
        for line in self.kept.unfinished():
            yield from self._of_agent(line)
        if self.seen:
            picture = self.seen.picture()
            spans = [*spans_of(picture), *self._lineage.stand_ins()]
            yield from self._requests(spans, picture["now"])

    def _requests(self, spans: list[Span], now: float) -> Iterator[Json]:
        new = [span for span in spans if span.id not in self._told]
        self._told.update(span.id for span in new)
        yield from requests(self._voyage, new, now)

    def _of_agent(self, line: bytes) -> Iterator[Json]:
        try:
            request = read_request(line)
        except Broken:
            self.left_out += 1
            return
        self._lineage.put(request)
        yield request


def _may_change(picture: Picture) -> Iterator[str]:
    """Yield the ids of spans that may go on: a task that has failed may be tried again."""
    yield span_id(picture["voyage"])
    for task in picture["tasks"]:
        if task["status"] == "failed":
            yield span_id(picture["voyage"], task["id"])
