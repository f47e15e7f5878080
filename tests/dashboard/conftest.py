"""A dashboard that is served, of a voyage that is under way."""

import http.client
import json
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest

from ocaptain.dashboard.fleet import Fleet
from ocaptain.fleet.voyage import Voyage
from tests.support.browser import Browser, opened
from tests.support.dashboard import serving
from tests.support.sailing import Sailing, under_way


@dataclass(frozen=True)
class Served:
    """A dashboard, and the voyage that it shows."""

    sailing: Sailing
    address: str

    @property
    def host(self) -> str:
        """Its host and port."""
        return urlsplit(self.address).netloc

    def path(self, rest: str) -> str:
        """The path of something below the secret."""
        return urlsplit(self.address).path + rest

    @contextmanager
    def ask(
        self, path: str, method: str = "GET", body: object = None, **headers: str
    ) -> Iterator[http.client.HTTPResponse]:
        """Ask for a path, with headers whose names have `_` for `-`."""
        sent = None if body is None else json.dumps(body)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection(self.host, timeout=60)) as connection:
            connection.request(method, path, sent, named)
            with connection.getresponse() as answer:
                yield answer

    def status(self, path: str, **headers: str) -> int:
        """With which status a path is answered."""
        with self.ask(path, **headers) as answer:
            return answer.status

    def get(self, rest: str) -> tuple[int, Any]:
        """What a path below the secret answers."""
        with self.ask(self.path(rest)) as answer:
            return answer.status, json.loads(answer.read())

    def order(self, verb: str, body: object, **headers: str) -> tuple[int, Any]:
        """What comes of an order that the page gives."""
        own = {"Origin": f"http://{self.host}", "Content_Type": "application/json", **headers}
        path = self.path(f"api/voyages/{self.sailing.voyage.id}/orders/{verb}")
        with self.ask(path, "POST", body, **own) as answer:
            return answer.status, json.loads(answer.read())

    def events(self, rest: str) -> Generator[tuple[str, Any], None, None]:
        """The events of a stream."""
        kind = ""
        with self.ask(self.path(rest)) as answer:
            for raw in answer:
                name, _, value = raw.decode().rstrip("\n").partition(": ")
                if name == "event":
                    kind = value
                elif name == "data":
                    yield kind, json.loads(value)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser without a window. While it is there, asyncio.run is of no use in this thread."""
    with opened() as started:
        yield started


@pytest.fixture(scope="module")
def sailing(tools: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sailing]:
    """A voyage with two tasks and a ship, in whose place the test acts."""
    with under_way(tmp_path_factory.mktemp("sailing")) as voyage:
        yield voyage


@pytest.fixture(scope="module")
def served(sailing: Sailing) -> Iterator[Served]:
    """A dashboard of that."""

    async def find(_: str) -> Voyage:
        return sailing.voyage

    fleet = Fleet([sailing.voyage], sailing.voyage.id, None)
    with serving(fleet, find) as dashboard:
        yield Served(sailing, dashboard.address)
