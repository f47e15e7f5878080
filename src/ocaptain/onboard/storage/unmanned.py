"""Tasks that wait for an agent which no ship can run, and what to do about it."""

from __future__ import annotations

from .. import tasklist
from ..text import one_line, several
from . import health
from .agents import agents_of, hindrance, in_use

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .call import Call

REASON_LIMIT = 300
"""Characters of what keeps an agent from running."""


def hindered(call: Call) -> dict[str, str]:
    """Return the agents in use that no ship which is heard can run, each with what hinders it."""
    ships = [ship for ship in health.crew(call) if not health.is_lost(call, ship)]
    found: dict[str, str] = {}
    if not ships:
        return found  # which is another trouble
    for agent in in_use(call):
        hindrances = [hindrance(call, ship, agent) for ship in ships]
        if all(hindrances):
            found[agent] = one_line(hindrances[0], REASON_LIMIT)
    return found


def unmanned(call: Call) -> dict[str, list[str]]:
    """Return the tasks that could begin if a ship could run an agent, by the agent's name."""
    return waiting_for(call, hindered(call))


def waiting_for(call: Call, agents: Mapping[str, str]) -> dict[str, list[str]]:
    """Return the tasks that could begin, but for one of these agents, by its name."""
    waiting: dict[str, list[str]] = {}
    if not agents:
        return waiting
    for task in tasklist.ready(call.task_outlines, sorted(call.task_outlines, key=tasklist.order)):
        lacking = [agent for agent in agents_of(call, task) if agent in agents]
        if lacking:
            waiting.setdefault(lacking[0], []).append(task["id"])
    return waiting


def reason(call: Call) -> str:
    """Return why tasks wait for their agents; empty if none does."""
    hindrances = hindered(call)
    lines = []
    for agent, task_ids in waiting_for(call, hindrances).items():
        count = several(len(task_ids), "task")
        lines.append(f"{count} for the agent {agent}, which no ship can run: {hindrances[agent]}")
    return "; ".join(lines)


def all_wait(call: Call) -> bool:
    """Whether nobody is at work, and every task that could begin waits for its agent."""
    if call.live_claims():
        return False
    waiting = sum(map(len, unmanned(call).values()))
    ready = list(tasklist.ready(call.task_outlines, call.task_outlines))
    return bool(ready) and waiting == len(ready)
