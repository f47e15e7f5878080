"""Who does which task, and which ships can run whom."""

from __future__ import annotations

from .. import tasklist
from .call import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import ShipRecord, Task
    from .call import Call

AGENTS_LIMIT = 50
"""How many agents a ship may name."""
NAME_LIMIT = 100
LACK_LIMIT = 300
"""Characters that are kept of an agent's name, and of what keeps it from running."""
DONE = ("completed", "failed")


def agent_of(call: Call, task: Task) -> str:
    """Return who does a task."""
    return tasklist.agent(task, call.voyage["agent"])


def in_use(call: Call) -> list[str]:
    """Return all that the voyage's tasks need, in alphabetical order."""
    named = {agent_of(call, task) for task in call.task_outlines.values()}
    return sorted(named | {call.voyage["agent"]})


def note_abilities(call: Call) -> None:
    """Keep what the asking ship says of the agents that it can run, and of what it lacks."""
    names = call.request.get("agents")
    lacks = call.request.get("lacks")
    if not isinstance(names, list) or not isinstance(lacks, dict):
        return
    able = [name[:NAME_LIMIT] for name in names[:AGENTS_LIMIT] if isinstance(name, str)]
    # Of the others not a word: each call of a ship writes all that is kept of it to the journal.
    needed = [name for name in in_use(call) if name in lacks]
    said = {name: text(lacks, name, LACK_LIMIT) for name in needed}
    call.put_ship({**call.ships[call.who], "agents": able, "lacks": said})


def hindrance(call: Call, ship: ShipRecord, agent: str) -> str:
    """Return what keeps a ship from running an agent now; empty if nothing does."""
    refused = ship.get("refused", {}).get(agent)
    if refused and refused["until"] > call.meta["clock"]:
        return refused["reason"]
    if "agents" not in ship or agent in ship["agents"]:
        return ""
    return ship["lacks"].get(agent) or f"{ship['id']} cannot run it"


def runnable(call: Call, ship: ShipRecord, ranked: list[str]) -> list[str]:
    """Return those of some tasks whose agent a ship can run."""
    barred = {agent for agent in in_use(call) if hindrance(call, ship, agent)}
    if not barred:
        return ranked
    tasks = call.task_outlines
    return [task_id for task_id in ranked if agent_of(call, tasks[task_id]) not in barred]


def has_other_work(call: Call, ship: ShipRecord, agent: str) -> bool:
    """Whether there are tasks left for an agent that is another, and that a ship can run."""
    for task in call.task_outlines.values():
        other = agent_of(call, task)
        is_left = tasklist.state(task) not in DONE
        if is_left and other != agent and not hindrance(call, ship, other):
            return True
    return False
