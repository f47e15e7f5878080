"""One trace of a voyage, whatever becomes of its ships."""

import json
import signal
from pathlib import Path
from typing import Any

from ocaptain.onboard.telemetry import span_id
from tests.support.captain import Captain, Voyage, task
from tests.support.commands import await_end
from tests.support.machine import put, until
from tests.support.otlp import a_span, attributes, sent, strictly_read, whole_trace
from tests.support.rules import rule


def at_work(captain: Captain, struck: Path) -> Voyage:
    """A voyage of two ships, of which the first at work goes on until it is killed."""
    once = f"[ -e {struck} ] || {{ touch {struck}; sleep 600; }}"
    tasks = {
        "1": task("Work", f"{once}; echo 1 >one"),
        "2": task("Go on", "echo 2 >two", after=["1"]),
    }
    voyage = captain.sail(captain.plan(captain.repository(), tasks, lease_seconds=3), ships=2)
    until(struck.exists)
    return voyage


def kill_who_is_at_work(voyage: Voyage) -> str:
    """Pull the plug of the ship at work, whose agent has sent a span, but not yet its parent."""
    [ship] = [ship["id"] for ship in voyage.look()["ships"] if ship["task"] == "1"]
    request = sent(voyage.id, a_span(voyage.id, "aa", "bb"), ship=ship)
    put(voyage.storage / "telemetry" / f"{ship}.jsonl", f"{json.dumps(request)}\ntorn")
    voyage.kill(ship.replace("-", ""))
    return str(ship)


@rule("R159")
def test_a_voyage_with_a_killed_ship_makes_one_whole_trace(captain: Captain):
    """The lost attempt has its end, and is an error; what its agent had sent lies below it."""
    voyage = at_work(captain, captain.root / "struck")
    followed = captain.home / "followed.jsonl"
    following = captain.start("trace", "--follow", "-o", str(followed), voyage.id)
    interrupt_a_follower(voyage)
    lost = kill_who_is_at_work(voyage)
    end = await_end(following, 100)
    done = captain.run("trace", voyage.id)
    assert "Left out: 1 line of ships' telemetry" in done.err
    spans = whole_trace([json.loads(line) for line in done.out.splitlines()], voyage.id)
    attempt = spans[span_id(voyage.id, "1", 1)]
    assert attempt.status.code == attempt.status.STATUS_CODE_ERROR
    assert attributes(attempt)["error.type"] == "expired"
    assert attributes(attempt)["ocaptain.ship.id"] == lost
    assert names_below(spans, attempt) == {"work", "lost", "claude_code.tool"}
    landed = spans[span_id(voyage.id, "1", 2)]
    assert landed.status.code == landed.status.STATUS_CODE_OK
    assert attempt.end_time_unix_nano <= landed.start_time_unix_nano
    assert not [span for span in spans.values() if "ocaptain.under_way" in attributes(span)]
    assert (end.status, end.out.count("Left out: 1 line of ships' telemetry")) == (0, 1), end.out
    assert_all_was_followed(followed, voyage, spans)
    full = captain.run("trace", "--follow", "-o", "/dev/full", voyage.id, status=1)
    assert full.err == "ocaptain: /dev/full cannot be written: No space left on device\n"


def interrupt_a_follower(voyage: Voyage) -> None:
    """Follow, and type Ctrl-C once something has come."""
    follower = voyage.captain.start("trace", "-f", voyage.id)
    assert follower.stdout
    first = follower.stdout.readline()
    follower.send_signal(signal.SIGINT)
    done = await_end(follower, 30)
    assert (done.status, done.err) == (130, "")
    for line in [first, *done.out.splitlines()]:
        strictly_read(json.loads(line))


def assert_all_was_followed(file: Path, voyage: Voyage, spans: dict[str, Any]) -> None:
    """What came while it went on is the same trace, but for what stands in for a lost span."""
    told = whole_trace([json.loads(line) for line in file.read_text().splitlines()], voyage.id)
    assert told.keys() == spans.keys() | {"00000000000000bb"}
    for this, span in spans.items():
        assert told[this].end_time_unix_nano == span.end_time_unix_nano


def names_below(spans: dict[str, Any], span: Any) -> set[str]:
    """What lies below a span."""
    return {each.name for each in spans.values() if each.parent_span_id == span.span_id}
