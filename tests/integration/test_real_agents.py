"""The real agents behind the bridge, with a model on loopback."""

import os
import time
from pathlib import Path

import pytest

from ocaptain.onboard.ship.acp.orders import Orders, Patience
from ocaptain.onboard.ship.agents import AGENTS
from tests.fakes.model_apis import COUNT, LAST_WORDS, ModelApis
from tests.support.acp import Bridged
from tests.support.agents import MODELS, STEERED, settings
from tests.support.fixtures import agent_programs
from tests.support.ship import JOB

pytestmark = [pytest.mark.agents, pytest.mark.timeout(240)]
PATIENCE = Patience(answer_s=60.0)
WAIT_S = 90.0
COMMANDS = ["echo a >a.txt", "sleep 3; echo b >b.txt"]
HEARD = {"kind": "heard", "text": "hail"}
BRIDGED = ["codex", "opencode", "gemini", "claude-acp"]


def start(
    name: str,
    url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    conversation: str = "",
) -> Bridged:
    """The bridge to an agent, in a workspace that is empty at first."""
    job = JOB._replace(agent_env=settings(name, url), conversation=conversation, model=MODELS[name])
    agent = AGENTS[name]
    path = f"{agent_programs()}:{os.environ['PATH']}"
    environment = {**agent.environment(job), "PATH": path, "HOME": str(tmp_path)}
    for variable, value in environment.items():
        monkeypatch.setenv(variable, value)
    workspace = tmp_path / "workspace"
    workspace.mkdir(exist_ok=True)
    monkeypatch.chdir(workspace)
    return Bridged(Orders.read(agent.command(job)[-1]), tmp_path / "private", PATIENCE)


@pytest.mark.parametrize("name", BRIDGED)
def test_a_turn_a_hail_and_a_second_turn(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It runs both commands, hears the hail during the turn or after it, and tells its tokens."""
    with ModelApis() as apis:
        apis.on("Make two files.", COMMANDS)
        bridge = start(name, apis.url, tmp_path, monkeypatch)
        bridge.say("Make two files.", "task")
        events = bridge.until("tool", WAIT_S) + bridge.until("tool", WAIT_S)
        bridge.say("A hail of the captain's.", "hail")
        events += bridge.until("end", WAIT_S)
        steered = HEARD in events
        if not steered:
            events += bridge.until("end", WAIT_S)
        assert bridge.close() == 0
    assert steered == (name in STEERED)
    assert HEARD in events
    assert apis.heard("A hail of the captain's.")
    assert {path.name for path in (tmp_path / "workspace").iterdir()} == {"a.txt", "b.txt"}
    assert [event["words"] for event in events if event["kind"] == "text"][-1] == LAST_WORDS
    assert events[-1]["outcome"] == "done"
    tells_dollars = name == "claude-acp"  # the model of OpenCode's settings has a price, too
    assert any(event["kind"] == "cost" for event in events) == tells_dollars
    requests = {"codex": 3, "opencode": 2, "gemini": 4, "claude-acp": 3}[
        name
    ]  # OpenCode tells the last of a turn
    assert events[-1]["usage"][0]["input_tokens"] == requests * COUNT["input"]


@pytest.mark.parametrize("name", BRIDGED)
def test_another_process_goes_on_with_the_session(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It knows what was said before. Gemini CLI finds no session; so none is named."""
    with ModelApis() as apis:
        apis.on("Make a file.", COMMANDS[:1])
        apis.on("Make another.", COMMANDS[1:])
        first = start(name, apis.url, tmp_path, monkeypatch)
        first.say("Make a file.", "task")
        session = first.until("begin", WAIT_S)[-1]["text"]
        first.until("end", WAIT_S)
        assert first.close() == 0
        second = start(name, apis.url, tmp_path, monkeypatch, session)
        second.say("Make another.", "more")
        events = second.until("end", WAIT_S)
        assert second.close() == 0
    goes_on = name != "gemini"
    assert bool(session) == goes_on
    assert {"kind": "begin", "text": session} in events
    assert events[-1]["outcome"] == "done"
    assert ("Make a file." in apis.bodies[-1]) == goes_on
    assert (tmp_path / "workspace" / "b.txt").read_text() == "b\n"


@pytest.mark.parametrize("name", BRIDGED)
def test_a_credential_that_the_api_refuses(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is nothing to wait for."""
    with ModelApis(status=401) as apis:
        bridge = start(name, apis.url, tmp_path, monkeypatch)
        bridge.say("Make two files.", "task")
        end = bridge.until("end", WAIT_S)[-1]
        assert bridge.close() == 0
    assert end["outcome"] == "refused"


@pytest.mark.parametrize("name", ["codex", "claude-acp"])
def test_a_usage_limit_that_says_when_it_ends(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It ends with the minute that the agent names. (OpenCode and Gemini CLI try for minutes.)"""
    until = int(time.time()) + 7200
    with ModelApis(status=429, until=until) as apis:
        bridge = start(name, apis.url, tmp_path, monkeypatch)
        bridge.say("Make two files.", "task")
        wait, *_, end = bridge.until("wait", WAIT_S)[-1:] + bridge.until("end", WAIT_S)
        assert bridge.close() == 0
    assert end["outcome"] == "limited"
    assert 0 < wait["until"] - until <= 60


@pytest.mark.parametrize("name", ["codex", "opencode"])
def test_an_api_that_is_in_trouble_is_a_limit(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """It is waited out, however the agent tells of it. (Gemini CLI tries for minutes.)"""
    with ModelApis(status=503) as apis:
        bridge = start(name, apis.url, tmp_path, monkeypatch)
        bridge.say("Make two files.", "task")
        end = bridge.until("end", 2 * WAIT_S)[-1]
        assert bridge.close() == 0
    assert end["outcome"] == "limited"
