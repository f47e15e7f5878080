"""Who does which task, and which ships can run whom."""

from __future__ import annotations

from .. import tasklist
from .call import text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import ShipRecord, TaskOutline
    from .call import Call

AGENTS_LIMIT = 50
"""How many agents a ship may name."""
NAME_LIMIT = 100
LACK_LIMIT = 300
"""Characters that are kept of an agent's name, and of what keeps it from running."""
DONE = ("completed", "failed")


def agent_of(call: Call, task: TaskOutline) -> str:
    """Return who does a task."""
    return tasklist.agent(task, call.voyage["agent"])


def agents_of(call: Call, task: TaskOutline) -> list[str]:
    """Return whom a task needs: who does it, and who reviews that."""
    return [agent_of(call, task), *reviewers(call)]


def reviewers(call: Call) -> list[str]:
    """Return who reads the work on tasks before it lands, if anybody does."""
    review = call.voyage.get("review")
    return [review["agent"]] if review else []


def in_use(call: Call) -> list[str]:
    """Return all that the voyage's tasks and reviews need, in alphabetical order."""
    return sorted({call.voyage["agent"], *reviewers(call), *call.named_agents()})


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
    """Return those of some tasks whose agents a ship can run."""
    barred = {agent for agent in in_use(call) if hindrance(call, ship, agent)}
    if not barred:
        return ranked
    tasks = call.task_outlines
    return [task_id for task_id in ranked if barred.isdisjoint(agents_of(call, tasks[task_id]))]


def has_other_work(call: Call, ship: ShipRecord, agent: str) -> bool:
    """Whether there are tasks left that do without this agent, and that a ship can run."""
    for task in call.task_outlines.values():
        needed = agents_of(call, task)
        is_left = tasklist.state(task) not in DONE
        is_hindered = any(hindrance(call, ship, other) for other in needed)
        if is_left and agent not in needed and not is_hindered:
            return True
    return False
