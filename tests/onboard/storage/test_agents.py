"""Voyages whose tasks name agents: who is handed what, and what is said of the rest."""

from typing import Any

from tests.support.rules import rule
from tests.support.storage import Sail, Storage, task

NO_CODEX = "codex is not installed on ship-0: npm install -g codex"


def named(task_id: str, agent: str) -> dict[str, Any]:
    """A task for an agent."""
    return {**task(task_id), "metadata": {"agent": agent}}


def claim(storage: Storage, ship: str, *agents: str) -> Any:
    """What a ship is handed that can run these agents, and not codex unless it is one."""
    lacks = {} if "codex" in agents else {"codex": NO_CODEX}
    return storage.ask(ship, "claim", run_id="r", agents=[*agents], lacks=lacks, wait=False)


@rule("R165")
def test_a_ship_gets_only_what_it_can_run(sail: Sail):
    """Each takes the tasks of its agents; who works is in the status, the task and the claim."""
    storage = sail(named("1", "codex"), task("2"))
    assert claim(storage, "ship-0", "claude")["task"]["id"] == "2"
    status = storage.order("status")
    assert status["agents"] == ["claude", "codex"]
    assert [ship["agent"] for ship in status["ships"]][:1] == ["claude"]
    assert claim(storage, "ship-1", "codex")["task"]["id"] == "1"
    assert storage.order("tasks")["tasks"][0]["agent"] == "codex"
    assert [each["agent"] for each in storage.order("task", task="1")["claims"]] == ["codex"]


@rule("R165")
def test_tasks_that_no_ship_can_run_are_named(sail: Sail):
    """While others go on it is a reason; if there is nothing else, the voyage is paused."""
    storage = sail(named("1", "codex"), task("2"), max_attempts=1)
    granted = claim(storage, "ship-0", "claude")
    for ship in ("ship-1", "ship-2"):
        assert claim(storage, ship, "claude")["claim"] is None
    status = storage.order("status")
    assert status["state"] == "running"
    assert "1 task for the agent codex, which no ship can run" in status["reason"]
    assert [each["command"] for each in status["next"]] == ["ocaptain resume"]
    assert NO_CODEX in status["ships"][1]["reason"]
    storage.ask("ship-0", "release", claim=granted["claim"], why="no", fault="agent")
    assert claim(storage, "ship-0", "claude")["state"] == "paused"
    assert NO_CODEX in storage.order("status")["reason"]
    assert claim(storage, "ship-0", "claude", "codex")["task"]["id"] == "1"


@rule("R166")
def test_a_refused_credential_stops_one_agent(sail: Sail):
    """Its ship goes on with the tasks of another; after `resume` it tries both again."""
    storage = sail(named("1", "codex"), task("2"), named("3", "codex"))
    granted = claim(storage, "ship-0", "claude", "codex")
    assert granted["task"]["id"] == "1"
    storage.ask("ship-0", "release", claim=granted["claim"], why="no such key", fault="refused")
    other = claim(storage, "ship-0", "claude", "codex")
    assert other["task"]["id"] == "2"
    storage.ask("ship-0", "release", claim=other["claim"], why="later", fault="agent")
    assert storage.order("status")["ships"][0]["state"] != "broken"
    storage.order("resume")
    assert claim(storage, "ship-0", "claude", "codex")["task"]["id"] == "1"


REVIEW = {"agent": "codex", "model": None, "rounds": 2}


@rule("R177")
def test_a_ship_that_cannot_run_the_reviewer_gets_no_task(sail: Sail):
    """Nor any after the reviewer's credential is refused, whoever does the tasks."""
    storage = sail(task("1"), named("2", "gemini"), review=REVIEW)
    assert claim(storage, "ship-0", "claude")["claim"] is None
    status = storage.order("status")
    assert status["agents"] == ["claude", "codex", "gemini"]
    assert NO_CODEX in status["ships"][0]["reason"]
    granted = claim(storage, "ship-1", "claude", "gemini", "codex")
    refusal = {"why": "no such key", "fault": "refused", "agent": "codex"}
    storage.ask("ship-1", "release", claim=granted["claim"], **refusal)
    assert claim(storage, "ship-1", "claude", "gemini", "codex")["claim"] is None
    assert storage.order("status")["ships"][1]["state"] == "broken"


@rule("R177")
def test_a_voyage_whose_reviewer_no_ship_can_run_is_paused(sail: Sail):
    """And says what would move it on."""
    storage = sail(task("1"), review=REVIEW)
    for ship in ("ship-0", "ship-1", "ship-2"):
        assert claim(storage, ship, "claude")["claim"] is None
    status = storage.order("status")
    assert status["state"] == "paused"
    assert f"the agent codex, which no ship can run: {NO_CODEX}" in status["reason"]
