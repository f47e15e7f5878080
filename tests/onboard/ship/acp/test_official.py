"""The bridge with an agent that is made with the protocol's own SDK."""

import json
import sys
from pathlib import Path

from ocaptain.onboard.ship.acp.orders import Orders
from tests.support.acp import ENOUGH, Bridged
from tests.support.rules import rule

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
