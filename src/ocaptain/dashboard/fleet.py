"""All voyages that the dashboard shows, each with its feed, and who looks at them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import ocaptain
from ocaptain.errors import Failure
from ocaptain.fleet.voyage import Voyage

from .feed import Audience, Feed, end

SURVEY_S = 30.0
"""Seconds between two looks for voyages that are new, or gone."""

Search = Callable[[], Awaitable[Sequence[Voyage]]]


class Fleet:
    """The voyages. `search` finds those that there are; None: only those that are given."""

    def __init__(self, voyages: Sequence[Voyage], named: str | None, search: Search | None) -> None:
        self.named = named
        self.audience = Audience()
        """Who looks at the list of all."""
        self.feeds: dict[str, Feed] = {}
        self._search = search
        self._fault = ""
        self._running: dict[str, asyncio.Task[None]] = {}
        for voyage in voyages:
            self._add(voyage)

    def _add(self, voyage: Voyage) -> None:
        self.feeds[voyage.id] = Feed(voyage, self.tell)

    async def run(self) -> None:
        """Follow all voyages, and look for others now and then, until this is cancelled."""
        try:
            while True:
                for name in self.feeds.keys() - self._running.keys():
                    self._running[name] = asyncio.create_task(self.feeds[name].run())
                await asyncio.sleep(SURVEY_S)
                if self._search:
                    await self._survey(self._search)
        finally:
            await end(self._running.values())

    async def _survey(self, search: Search) -> None:
        try:
            found = {voyage.id: voyage for voyage in await search()}
            self._fault = ""
        except Failure as failure:
            self._fault = str(failure)
            found = {name: feed.voyage for name, feed in self.feeds.items()}
        for name in self.feeds.keys() - found.keys():
            del self.feeds[name]
            await end([self._running.pop(name)])
        for name in found.keys() - self.feeds.keys():
            self._add(found[name])
        self.tell()

    def tell(self) -> None:
        """Tell those who look at the list how it is now."""
        self.audience.tell("fleet", self.rows())

    def rows(self) -> dict[str, object]:
        """Return the list of all voyages."""
        return {
            "version": ocaptain.__version__,
            "named": self.named,
            "voyages": [feed.row() for feed in self.feeds.values()],
            "faults": [self._fault] if self._fault else [],
        }
