"""Task lists to measure with, and what the best of schedules could make of them."""

import random
from typing import Any, cast

from ocaptain.onboard import tasklist
from ocaptain.onboard.protocol import Task

Json = dict[str, Any]

SEED = 20
BLOCKERS = (0, 0, 1, 1, 2)
"""How many tasks one waits for, to choose from."""


def task(number: int, run: str, blockers: list[str]) -> Json:
    """One task of the shell agent's."""
    return {
        "id": str(number),
        "subject": f"Task {number}",
        "description": "",
        "status": "pending",
        "blockedBy": blockers,
        "metadata": {"run": run},
    }


def writing(number: int, seconds: float = 0) -> str:
    """A command that takes so long and changes a file of its own."""
    write = f"echo {number} > file-{number}.txt"
    if not seconds:
        return write
    return f"sleep {seconds:g}; {write}"


def apart(count: int, seconds: float = 0) -> list[Json]:
    """Tasks none of which waits for another."""
    return [task(number, writing(number, seconds), []) for number in range(1, count + 1)]


def graph(count: int, seconds: float = 0) -> list[Json]:
    """Tasks that wait for up to two earlier ones each, at random but always the same."""
    chance = random.Random(SEED)  # noqa: S311 - nothing secret
    tasks = []
    for number in range(1, count + 1):
        blockers = some_before(number, chance)
        tasks.append(task(number, writing(number, seconds), blockers))
    return tasks


def some_before(number: int, chance: random.Random) -> list[str]:
    """Choose up to two of the tasks before one."""
    count = min(chance.choice(BLOCKERS), number - 1)
    return [str(blocker) for blocker in sorted(chance.sample(range(1, number), count))]


def idle(count: int) -> list[Json]:
    """The same graph, of tasks that nobody will see the end of."""
    return [{**task, "metadata": {"run": "sleep 86400"}} for task in graph(count)]


def longest_chain(tasks: list[Json]) -> int:
    """The number of tasks on it."""
    by_id = {task["id"]: cast(Task, task) for task in tasks}
    return max(tasklist.chains(by_id).values())


def lower_bound(tasks: list[Json], seconds: float, ships: int) -> float:
    """No fleet is faster, in s: the longest chain, and all work shared out evenly."""
    return max(longest_chain(tasks) * seconds, len(tasks) * seconds / ships)
