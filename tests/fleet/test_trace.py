"""A voyage as one trace."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ocaptain.errors import Failure
from ocaptain.fleet.chrome import Chrome
from ocaptain.fleet.collector import Collector
from ocaptain.fleet.trace import trace
from ocaptain.onboard.telemetry import span_id
from tests.support.otlp import a_span, sent, whole_trace
from tests.support.rules import rule
from tests.support.sailing import Sailing
from tests.support.storage import Json


@pytest.fixture
def kept(sailing: Sailing) -> Json:
    """What an agent has sent that died with its ship: a span whose parent never came."""
    span = a_span(sailing.voyage.id, "aa", "bb")
    request = sent(sailing.voyage.id, span)
    folder = sailing.home() / "voyage" / "telemetry"
    folder.mkdir(exist_ok=True)
    text = f'torn\n{json.dumps(request)}\n[]\n{{"resourceLogs": []}}\n'
    (folder / "ship-0.jsonl").write_text(text)
    return span


def requests_of(sailing: Sailing) -> list[Json]:
    """A voyage's trace; two lines of what was kept are not of it."""
    found: list[Json] = []

    async def use(request: Json) -> None:
        found.append(request)

    assert asyncio.run(trace(sailing.voyage, use)) == 2
    return found


@rule("R159")
def test_a_voyage_makes_one_trace(sailing: Sailing, kept: Json):
    """Voyage, tasks, attempts and what agents sent, each below the other; all in one trace."""
    by_id = whole_trace(requests_of(sailing), sailing.voyage.id)
    attempt = by_id[span_id(sailing.voyage.id, "1", 1)]
    assert attempt.parent_span_id.hex() == span_id(sailing.voyage.id, "1")
    assert by_id[kept["spanId"]].parent_span_id == attempt.span_id
    assert {"wait for a ship", "work"} <= {span.name for span in by_id.values()}


@rule("R159")
def test_a_trace_is_sent_to_whatever_takes_it(sailing: Sailing, kept: Json):
    """What takes traces only gets these; what takes nothing, or is not there, is an error."""
    posted: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            posted.append(self.path)
            self.send_response(200 if self.path == "/x/v1/traces" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read `posted` instead."""

    requests = requests_of(sailing)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        collector = Collector(f"http://127.0.0.1:{server.server_port}/x/")
        for request in requests:
            collector.take(request)
        assert posted.count("/x/v1/traces") == len(requests) - 1
        assert collector.left_out == {"logs"}
        with pytest.raises(Failure, match="answers 404"):
            Collector(f"http://127.0.0.1:{server.server_port}").take(requests[0])
        server.shutdown()
    with pytest.raises(Failure, match=r"cannot be reached: Connection refused$"):
        Collector(f"http://127.0.0.1:{server.server_port}").take(requests[0])


def test_a_trace_for_perfetto_has_no_spans_across_others(sailing: Sailing, kept: Json):
    """In one lane each lies beside another, or within it."""
    chrome = Chrome()
    for request in requests_of(sailing):
        chrome.take(request)
    names = [event["args"]["name"] for event in chrome.events if event["ph"] == "M"]
    assert {"voyage", "ship-0"} <= {*names}
    spans = [event for event in chrome.events if event["ph"] == "X"]
    assert kept["name"] in [event["name"] for event in spans]
    for one in spans:
        for other in spans:
            if (one["pid"], one["tid"]) == (other["pid"], other["tid"]):
                is_across = (
                    one["ts"] < other["ts"] < one["ts"] + one["dur"] < other["ts"] + other["dur"]
                )
                assert not is_across
