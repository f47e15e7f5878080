"""The bridge with an agent that is made with the protocol's own SDK."""

import json
import shutil
import sys
from pathlib import Path

from ocaptain.fleet.archive import MAIN, ONBOARD
from ocaptain.onboard.ship.acp.orders import Orders
from ocaptain.onboard.ship.agents import named
from tests.support.acp import ENOUGH, Bridged
from tests.support.rules import rule
from tests.support.sessions import Start, logged

AGENT = Path(__file__).parents[3] / "fakes/sdk_agent.py"


def words(events: list[dict]) -> list[str]:
    return [event["words"] for event in events if event["kind"] == "text"]


@rule("R160", "R161", "R162", "R164", "R168")
def test_an_agent_of_the_official_sdk_works(tmp_path: Path):
    """It is told its model, granted what it asks leave for, steered, cancelled and closed; what it
    did and used is told."""
    diary = tmp_path / "diary"
    command = [sys.executable, str(AGENT), str(diary)]
    orders = Orders(command, model="big", set_model=True, budget_usd=1.0)
    bridge = Bridged(orders, tmp_path, ENOUGH)
    try:
        works(bridge)
        hears(bridge)
        end = bridge.turn("spend", "5")[-1]
        assert (end["outcome"], end["usage"][0]["output_tokens"]) == ("spent", 4 * 7)
        assert diary.read_text() == "cancel from-sdk\n"
        bridge.say("wait", "6")
        bridge.until("heard")
    finally:
        assert bridge.close() == 0
    assert diary.read_text() == "cancel from-sdk\n" * 2 + "close from-sdk\n"


def works(bridge: Bridged) -> None:
    """Have it run a command for which it wants permission, and ask for a file."""
    events = bridge.turn("work", "1")
    assert events[:4] == [
        {"kind": "begin", "text": ""},
        {"kind": "heard", "text": "1"},
        {"kind": "text", "words": "work with big"},
        {"kind": "tool", "text": "Run it: make"},
    ]
    assert json.loads(words(events)[1]) == {"outcome": "selected", "optionId": "always"}
    assert events[-1]["outcome"] == "done"
    (used,) = events[-1]["usage"]
    assert (used["output_tokens"], used["cache_read_tokens"]) == (7, 10)
    assert words(bridge.turn("ask", "2"))[1] == "refused with -32601"


def hears(bridge: Bridged) -> None:
    """Have it told more during its turn."""
    bridge.say("hear", "3")
    bridge.until("heard")
    events = bridge.turn("more", "4")
    assert {"kind": "heard", "text": "4"} in events
    assert words(events)[-1] == "told more by session/steering"


@rule("R155", "R168")
def test_helm_works_with_whatever_the_voyages_command_starts(tmp_path: Path, start: Start):
    """Through the bridge's own process; once its tokens are used up it begins no other turn."""
    library = tmp_path / "voyage" / "lib"
    caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ONBOARD, library / "onboard", ignore=caches)
    (library / "__main__.py").write_text(MAIN)
    diary = tmp_path / "diary"
    session = start("", named("acp", [sys.executable, str(AGENT), str(diary)]))
    session.grant["budget_tokens"] = 37
    assert session.turn("work").outcome == "done"
    assert logged(session)[:2] == ["[7] work with small", "[7] Run it: make"]
    end = session.turn("work")
    assert (end.outcome, end.text) == ("spent", "its budget of 37 tokens is used up: 37")
    session.close()
    assert diary.read_text() == "close from-sdk\n"
