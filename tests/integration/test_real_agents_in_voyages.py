"""The real agents in real voyages, with a model on loopback that says what the test scripted."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from tests.fakes.model_apis import Command, ModelApis
from tests.support.agents import KEY, MODELS, STEERED, settings
from tests.support.captain import Captain, new_captain, task
from tests.support.fixtures import TOKEN, agent_programs
from tests.support.rules import rule

pytestmark = [pytest.mark.agents, pytest.mark.timeout(600)]
WAIT_S = 120.0
PRICED = ("claude", "claude-acp")
"""Those that tell what the model here costs."""

CHECK = "! grep -r wrong parts"
TASKS = {
    "1": task("Write to both.txt", description="MARK-left"),
    "2": task("Write to both.txt, too", description="MARK-right"),
    "3": task("Write a wrong part", description="MARK-wrong"),
    "4": task("Wait for the captain", description="MARK-wait"),
    "5": task("Add to both.txt", after=["1", "2"], description="MARK-more"),
    "6": task("End it", after=["3", "4", "5"], description="MARK-end"),
}


class Script:
    """What the model has agents do: two tasks collide, a part is wrong, and one waits."""

    def __init__(self, apis: ModelApis) -> None:
        self.is_waiting = threading.Event()
        """Set once the fourth task is at work; it goes on after `hailed`."""
        self.hailed = threading.Event()
        left, right = threading.Event(), threading.Event()
        apis.on("MARK-left", ["ls", lambda: together(left, right, "echo left >both.txt")])
        apis.on("MARK-right", ["ls", lambda: together(right, left, "echo right >both.txt")])
        mend = "printf 'left\\nright\\n' >both.txt && git add both.txt"
        apis.on("Rebasing your work onto", ["git status", mend])
        apis.on("MARK-wrong", ["mkdir parts; echo wrong >parts/3"])
        apis.on("Mend it and end your turn", ["echo right >parts/3"])
        wait: Sequence[Command] = ["echo 4 >four.txt", self._wait]
        apis.on("MARK-wait", wait)
        apis.on("Mind the rocks.", ["echo heard >rocks.txt"])
        apis.on("MARK-more", ["echo more >>both.txt"])
        apis.on("MARK-end", ["cat both.txt parts/3 >end.txt"])

    def _wait(self) -> str:
        together(self.is_waiting, self.hailed)
        return "true"


def together(here: threading.Event, there: threading.Event, command: str = "true") -> str:
    """Return the command once both are at it."""
    here.set()
    assert there.wait(WAIT_S)
    return command


@contextmanager
def captain_with(*names: str, url: str) -> Iterator[Captain]:
    """A captain who has these agents' programs and keys; all ask the model at `url`."""
    env: dict[str, str] = {}
    for name in names:
        env |= settings(name, url)
    with new_captain(**env) as captain:
        for program in agent_programs().iterdir():
            (captain.root / "bin" / program.name).symlink_to(program.resolve())
        yield captain


def ship_of(seen: dict[str, Any], task_id: str) -> str:
    """The ship that is at work on a task."""
    return next(str(ship["id"]) for ship in seen["ships"] if ship["task"] == task_id)


@rule("R49", "R110", "R164")
@pytest.mark.parametrize("name", MODELS)
def test_a_voyage_of_six_tasks(name: str, tools: None):
    """All land, through a conflict and a check that is red at first; and a hail is taken in."""
    with ModelApis() as apis, captain_with(name, url=apis.url) as captain:
        script = Script(apis)
        plan = captain.plan(
            captain.repository(),
            TASKS,
            check=CHECK,
            agent=name,
            model=MODELS[name],
            lease_seconds=60,
        )
        voyage = captain.sail(plan, ships=2)
        assert script.is_waiting.wait(WAIT_S), voyage.log()
        ship = ship_of(voyage.status(), "4")
        answer = captain.json("hail", voyage.id, ship, "Mind the rocks.")
        script.hailed.set()
        seen = voyage.wait(timeout=4 * WAIT_S)

        assert (seen["state"], seen["tasks"]["completed"]) == ("complete", 6)
        assert set(voyage.landed()) == {each["subject"] for each in TASKS.values()}
        assert voyage.show("end.txt") == "left\nright\nmore\nright"
        assert [ship["hails"] for ship in answer["ships"]] == [int(name not in STEERED)]
        assert voyage.show("rocks.txt") == "heard"
        assert [ship["hails"] for ship in seen["ships"]] == [0, 0]
        assert all(voyage.ends(task_id) == ["landed"] for task_id in TASKS)
        rows = captain.json("tasks", voyage.id)
        assert all(row["usage"]["input_tokens"] for row in rows)
        assert [row["cost_usd"] > 0 for row in rows] == [name in PRICED] * len(TASKS)
        assert not any(secret in voyage.log() for secret in (KEY, TOKEN))


@rule("R165", "R167")
def test_three_agents_at_work_at_once(tools: None):
    """Each does the task that names it, with its model, and `status` says who is at what."""
    crew = {"1": "claude", "2": "codex", "3": "opencode"}
    tasks = {
        task_id: task(
            f"By {name}",
            description=f"MARK-{name}.",
            metadata={"agent": name, "model": MODELS[name]},
        )
        for task_id, name in crew.items()
    }
    go_on = threading.Event()
    at_work = {name: threading.Event() for name in crew.values()}
    with ModelApis() as apis, captain_with(*crew.values(), url=apis.url) as captain:
        for name, here in at_work.items():
            work = partial(together, here, go_on, f"echo {name} >{name}.txt")
            apis.on(f"MARK-{name}.", [work])
        plan = captain.plan(captain.repository(), tasks, agent="claude", lease_seconds=60)
        voyage = captain.sail(plan, ships=3)
        for here in at_work.values():
            assert here.wait(WAIT_S), voyage.log()
        seen = voyage.status()
        table = captain.run("status", voyage.id).out
        go_on.set()
        voyage.wait(timeout=2 * WAIT_S)

        assert {ship["task"]: ship["agent"] for ship in seen["ships"]} == crew
        assert seen["agents"] == sorted(crew.values())
        assert all(name in table for name in crew.values())
        assert [voyage.show(f"{name}.txt") for name in crew.values()] == list(crew.values())
        rows = captain.json("tasks", voyage.id)
        assert {row["id"]: row["agent"] for row in rows} == crew
        used = captain.json("usage", voyage.id, "--by", "model")["rows"]
        assert {row["name"] for row in used} == {MODELS[name] for name in crew.values()}
