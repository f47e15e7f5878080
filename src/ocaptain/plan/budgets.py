"""Which budgets of a plan its agents can keep."""

from collections.abc import Iterable, Iterator, Sequence

from ocaptain.onboard import tasklist
from ocaptain.onboard.protocol import Task
from ocaptain.onboard.ship.agents import AGENTS

from .reading import Json
from .tasks import file_of


def budget_notes(settings: Json, agents: Iterable[str], tasks: Sequence[Task]) -> Iterator[str]:
    """Yield what is worth knowing of budgets in dollars, once for each agent.

    `agents` are those of the plan."""
    places: dict[str, str] = {}
    if "budget_usd" in settings:
        places = dict.fromkeys(agents, "voyage.json")
    for task in tasks:
        if tasklist.budget(task, "budget_usd"):
            agent = tasklist.agent(task, settings.get("agent", ""))
            places.setdefault(agent, f"{file_of(task['id'])}: metadata")
    for agent, place in places.items():
        told = AGENTS[agent].dollars if agent in AGENTS else "told"
        if told == "never":
            yield (
                f'{place}: "budget_usd" cannot be kept with {agent}, which tells no dollars; '
                '"budget_tokens" can'
            )
        elif told == "perhaps":
            yield (
                f'{place}: "budget_usd" can be kept with {agent} only if that tells dollars; '
                '"budget_tokens", if it tells tokens'
            )
