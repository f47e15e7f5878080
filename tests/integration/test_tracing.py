"""One trace of a voyage, whatever becomes of its ships."""

import json
from pathlib import Path
from typing import Any

from ocaptain.onboard.telemetry import span_id
from tests.support.captain import Captain, Voyage, task
from tests.support.machine import put, until
from tests.support.otlp import a_span, attributes, sent, whole_trace
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
    lost = kill_who_is_at_work(voyage)
    voyage.wait()
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


def names_below(spans: dict[str, Any], span: Any) -> set[str]:
    """What lies below a span."""
    return {each.name for each in spans.values() if each.parent_span_id == span.span_id}
