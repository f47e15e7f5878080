"""Endpoints that telemetry is sent to while a voyage goes on."""

import asyncio
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ocaptain.errors import Failure, listener
from ocaptain.fleet.collector import Collector

SPANS: dict[str, list[Any]] = {"resourceSpans": []}


class Endpoint(ThreadingHTTPServer):
    """Answers with one status after the other, and with the last of them from then on."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: Endpoint

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        statuses = self.server.statuses
        self.send_response(statuses.pop(0) if len(statuses) > 1 else statuses[0])
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nobody reads that."""


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    with Endpoint() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def said() -> Iterator[list[str]]:
    """What the captain is told."""
    told: list[str] = []
    token = listener.set(told.append)
    yield told
    listener.reset(token)


def deliver(endpoint: Endpoint, count: int, *statuses: int) -> None:
    """Send some requests, one after the other."""
    endpoint.statuses = [*statuses]
    collector = Collector(f"http://127.0.0.1:{endpoint.server_port}")

    async def send() -> None:
        for _ in range(count):
            await collector.deliver(SPANS)

    asyncio.run(send())


def test_an_endpoint_that_was_there_is_waited_for(endpoint: Endpoint, said: list[str]):
    """It is tried again until it takes what it had no time for; that is said."""
    deliver(endpoint, 2, 200, 503, 200)
    [told] = said
    assert "answers 503" in told
    assert endpoint.statuses == [200]


@pytest.mark.parametrize("statuses", [(503,), (200, 400)], ids=["never there", "refuses"])
def test_one_that_was_never_there_or_refuses_is_not(
    endpoint: Endpoint, said: list[str], statuses: tuple[int, ...]
):
    """What is wrong would be so for ever."""
    with pytest.raises(Failure, match=f"answers {statuses[-1]}"):
        deliver(endpoint, 2, *statuses)
    assert said == []
