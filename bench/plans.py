"""Task lists to measure with, and what the best of schedules could make of them."""

import random
from collections.abc import Mapping
from typing import Any

from ocaptain.onboard import tasklist

Json = dict[str, Any]

SEED = 20
BLOCKERS = (0, 0, 1, 1, 2)


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
    wait = f"sleep {seconds:g}; " if seconds else ""
    return f"{wait}echo {number} > file-{number}.txt"


def apart(count: int, seconds: float = 0) -> list[Json]:
    """Tasks none of which waits for another."""
    return [task(n, writing(n, seconds), []) for n in range(1, count + 1)]


def graph(count: int, seconds: float = 0) -> list[Json]:
    """Tasks that wait for up to two earlier ones each, at random but always the same."""
    chance, made = random.Random(SEED), []  # noqa: S311 - nothing secret
    for number in range(1, count + 1):
        wanted = min(chance.choice(BLOCKERS), number - 1)
        blockers = [str(n) for n in sorted(chance.sample(range(1, number), wanted))]
        made.append(task(number, writing(number, seconds), blockers))
    return made


def idle(count: int) -> list[Json]:
    """The same graph, of tasks that nobody will see the end of."""
    return [{**each, "metadata": {"run": "sleep 86400"}} for each in graph(count)]


def longest_chain(tasks: list[Json]) -> int:
    """The number of tasks on it."""
    return max(tasklist.chains(by_id(tasks)).values())


def by_id(tasks: list[Json]) -> Mapping[str, Json]:
    """Tasks by their ids."""
    return {each["id"]: each for each in tasks}


def lower_bound(tasks: list[Json], seconds: float, ships: int) -> float:
    """No fleet is faster, in s: the longest chain, and all work shared out evenly."""
    return max(longest_chain(tasks) * seconds, len(tasks) * seconds / ships)
