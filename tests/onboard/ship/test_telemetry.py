"""The receiver of agents' telemetry, and the way of that to storage."""

import json
import os
import tempfile
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from ocaptain.onboard.ship.agents import AGENTS
from ocaptain.onboard.ship.attempt import Attempt
from ocaptain.onboard.ship.helm import hold
from ocaptain.onboard.ship.telemetry import BODY_LIMIT, Receiver
from ocaptain.onboard.telemetry import LIMIT, traceparent
from tests.support.rules import rule
from tests.support.sessions import Talking
from tests.support.ship import Harbor, a_ship
from tests.support.storage import Sail, task
from tests.support.yard import Yard, at_sea

SPANS = b'{"resourceSpans": []}'
SECRET = "sk-ant-oat01-a-secret"


def post(url: str, body: bytes, **headers: str) -> int:
    """Send a request. Returns the status of the answer."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.netloc, timeout=10)
    connection.request("POST", parts.path, body, headers)
    status = connection.getresponse().status
    connection.close()
    return status


@rule("R156")
def test_what_an_agent_sends_is_kept_line_by_line(tmp_path: Path):
    """Of each kind, as JSON, without secrets; after its end nothing listens any more."""
    kept = tmp_path / "telemetry.jsonl"
    with Receiver(kept, [SECRET]) as receiver:
        for kind, key in [("traces", "Spans"), ("metrics", "Metrics"), ("logs", "Logs")]:
            body = json.dumps({f"resource{key}": [SECRET, "é\n"]}, indent=2).encode()
            assert post(f"{receiver.endpoint}/v1/{kind}", body) == 200
    assert urlsplit(receiver.endpoint).hostname == "127.0.0.1"
    with pytest.raises(ConnectionRefusedError):
        post(f"{receiver.endpoint}/v1/traces", SPANS)
    assert [json.loads(line) for line in kept.read_text().splitlines()] == [
        {"resourceSpans": ["***", "é\n"]},
        {"resourceMetrics": ["***", "é\n"]},
        {"resourceLogs": ["***", "é\n"]},
    ]


@rule("R156")
def test_what_is_no_telemetry_is_refused(tmp_path: Path):
    """Also what others on this machine send, who do not know the place."""
    kept = tmp_path / "telemetry.jsonl"
    with Receiver(kept, []) as receiver:
        place = f"{receiver.endpoint}/v1/traces"
        other = receiver.endpoint.rpartition("/")[0]
        assert post(place, b"not JSON") == 400
        assert post(place, SPANS, **{"Content-Encoding": "gzip"}) == 415
        assert post(place, b"", **{"Content-Length": str(BODY_LIMIT + 1)}) == 413
        assert post(f"{receiver.endpoint}/v1/profiles", SPANS) == 404
        assert post(f"{other}/v1/traces", SPANS) == 404
    assert not kept.exists()


@rule("R156")
def test_the_file_has_a_limit_and_agents_do_not_notice(tmp_path: Path):
    """What is too much, or finds no room, is answered as if it were kept."""
    kept = tmp_path / "telemetry.jsonl"
    with Receiver(kept, [], limit=50) as receiver:
        answers = [post(f"{receiver.endpoint}/v1/traces", SPANS) for _ in range(5)]
    with Receiver(Path("/dev/full"), []) as receiver:
        answers.append(post(f"{receiver.endpoint}/v1/traces", SPANS))
    assert answers == [200] * 6
    assert len(kept.read_text().splitlines()) == 2


@rule("R157")
def test_telemetry_comes_to_storage_whole(sail: Sail, tmp_path: Path, monkeypatch):
    """Also lines that are longer than what is sent at once, and by a helm that starts anew; but
    no more than a ship may keep there."""
    storage = sail(task("1"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Storage:
        """A storage that answers ship-0."""

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            return storage.ask("ship-0", op, **fields)

    for text in ("a\n", "b" * 500_000 + "\nc\n"):
        helm = a_ship(tmp_path, Storage())
        with helm.telemetry.path.open("a") as file:
            file.write(text)
        helm.send_telemetry()
    kept = storage.folder / "telemetry" / "ship-0.jsonl"
    assert kept.read_bytes() == helm.telemetry.path.read_bytes()
    assert storage.ask("captain", "telemetry", offset=0, text="x")["code"] == "op"
    os.truncate(kept, LIMIT - 1)
    more = storage.ask("ship-0", "telemetry", offset=LIMIT - 1, text="{}\n")
    assert (more["code"], kept.stat().st_size) == ("room", LIMIT - 1)


SENDING = """
import os, urllib.request
hear()
url = os.environ.get("SENT_TO")
if url:
    urllib.request.urlopen(url + "/v1/traces", b'{"resourceSpans": []}').read()
say("NO CHANGE: " + os.environ["TRACEPARENT"])
result()
hear()
"""


class Sending(Talking):
    """An agent that sends telemetry."""

    has_telemetry = True

    def environment(self, job: Any) -> dict[str, str]:
        return {"SENT_TO": job.telemetry}


@pytest.mark.usefixtures("children")
@pytest.mark.parametrize("variables", [{}, {"OTEL_TRACES_EXPORTER": "otlp"}])
@rule("R156", "R158")
def test_an_agent_is_told_where_to_send_and_below_which_span(
    yard: Yard, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
):
    """If the captain has a collector, helm has none; the span is that of the claim all the same."""
    monkeypatch.setitem(AGENTS, "sending", Sending())
    harbor = Harbor()
    work = at_sea(yard, harbor, SENDING, agent="sending")
    work.ship.agent_env |= variables
    assert hold(work.ship, work), isinstance(work, Attempt)
    [landing] = harbor.requests("land")
    voyage = work.ship.voyage["voyage"]
    assert landing["note"] == traceparent(voyage, work.task["id"], work.claim)
    assert work.ship.telemetry.has_news() is not bool(variables)
