"""The bridge with what the real agents have said: two commands, and a message during the turn."""

from pathlib import Path

import pytest

from ocaptain.onboard.ship.acp.orders import Orders
from ocaptain.onboard.ship.agents import AGENTS
from tests.support.acp import bridged
from tests.support.ship import JOB

FOLDER = Path(__file__).parent / "transcripts"
REPLAY = """
for line in open({path!r}):
    record = json.loads(line)
    if "from_agent" in record:
        print(json.dumps(record["from_agent"]), flush=True)
        continue
    message = get()
    assert message.get("method") == record["to_agent"].get("method"), message
get()
"""
COMMANDS = ["echo a > a.txt", "sleep 3; echo b > b.txt"]


@pytest.mark.parametrize("name", ["codex", "opencode", "gemini"])
def test_a_real_agents_turn_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """What each did and said, in order, and when it heard the message."""
    orders = Orders.read(AGENTS[name].command(JOB)[-1])._asdict()
    orders.pop("command")
    monkeypatch.setenv("GEMINI_API_KEY", "k")
    program = REPLAY.format(path=str(FOLDER / f"{name}.jsonl"))
    with bridged(program, tmp_path, **orders) as bridge:
        bridge.say("go", "task")
        events = bridge.until("tool") + bridge.until("tool")
        bridge.say("a hail", "hail")
        events += bridge.until("end")
        if name != "codex":
            assert {"kind": "heard", "text": "hail"} not in events
            events += bridge.until("end")
    assert {"kind": "heard", "text": "hail"} in events
    tools = [event["text"] for event in events if event["kind"] == "tool"]
    assert [tool.removeprefix("bash: ") for tool in tools] == COMMANDS
    assert [event["words"] for event in events if event["kind"] == "text"][-1] == "All is done."
    assert {event["outcome"] for event in events if event["kind"] == "end"} == {"done"}
