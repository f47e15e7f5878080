"""Voyages with a check in the plan: how close many checks at once come to the ideal."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.captain import Json

from . import plans
from .effort import Effort
from .fleet import claims, journal_of, landings_of, moment
from .table import Row, Target
from .world import Skipper, new_skipper

WORK_S = 5.0
CHECK_S = 5.0
ONE_IN = 50
"""One check in so many is red at random."""
EVERY = 4
"""One task in so many appends to the file that all of these share."""


@dataclass(frozen=True)
class Voyages:
    """What was measured of several voyages."""

    times_s: list[float]
    """From the first claim to the last landing."""
    checks: list[float]
    """How many checks a task took."""
    bound_s: float
    """No fleet is faster, if nothing is in conflict and nothing red."""


def independent(effort: Effort) -> Iterator[Row]:
    """Tasks that have nothing to do with each other."""
    ships = effort.choose(smoke=2, quick=8, full=8)
    tasks = apart(effort, ships)
    voyages = sailed(effort, tasks, ships)
    yield row(effort, f"{len(tasks)} tasks", ships, voyages, 1.3)
    yield Row("checks a task", voyages.checks, "", Target(1.3))
    one_by_one = sailed(effort, tasks, ships, runs=1, window=1)
    what = "… with `landing_window` 1"
    yield Row(what, one_by_one.times_s, "s", None, ("the bound", one_by_one.bound_s))


def wide(effort: Effort) -> Iterator[Row]:
    """The same with more ships: landing must not take longer for that."""
    ships = effort.choose(smoke=2, quick=16, full=16)
    tasks = apart(effort, ships)
    yield row(effort, f"{len(tasks)} tasks", ships, sailed(effort, tasks, ships), 1.5)


def shared(effort: Effort) -> Iterator[Row]:
    """Every fourth task is in conflict with each other such task."""
    ships = effort.choose(smoke=2, quick=8, full=8)
    tasks = apart(effort, ships)
    for task in tasks[EVERY - 1 :: EVERY]:
        number = int(task["id"])
        task["metadata"]["run"] = f"sleep {work_s(effort):g}; echo {number} >> shared.txt"
    what = f"{len(tasks)} tasks, every fourth in one file"
    yield row(effort, what, ships, sailed(effort, tasks, ships), 2.5)


def flaky(effort: Effort) -> Iterator[Row]:
    """A check that is red at random."""
    ships = effort.choose(smoke=2, quick=8, full=8)
    tasks = apart(effort, ships)
    voyages = sailed(effort, tasks, ships, f"; [ $((RANDOM % {ONE_IN})) -ne 0 ]")
    yield row(effort, f"{len(tasks)} tasks, 2 % of checks red", ships, voyages, 2)


def apart(effort: Effort, ships: int) -> list[Json]:
    """Some tasks for each ship that have nothing to do with each other."""
    return plans.apart(effort.choose(smoke=2, quick=4, full=4) * ships, work_s(effort))


def work_s(effort: Effort) -> float:
    """How long a task takes; a check takes as long."""
    return effort.choose(smoke=0.1, quick=WORK_S, full=WORK_S)


def sailed(
    effort: Effort,
    tasks: Sequence[Json],
    ships: int,
    judge: str = "",
    *,
    runs: int = 3,
    window: int = 16,
) -> Voyages:
    """Sail these tasks, with a check that then judges by this command."""
    check_s = work_s(effort)
    times = []
    checks = []
    with new_skipper() as captain:
        counter = captain.root / "checks"
        check = f"echo check >> {counter}; sleep {check_s:g}{judge}"
        for _ in range(effort.choose(smoke=1, quick=1, full=runs)):
            counter.write_text("")
            times.append(makespan_s(captain, tasks, ships, check=check, landing_window=window))
            checks.append(count_lines(counter) / len(tasks))
    rounds = -(-len(tasks) // ships)
    return Voyages(times, checks, rounds * (work_s(effort) + check_s))


def makespan_s(captain: Skipper, tasks: Sequence[Json], ships: int, **settings: Any) -> float:
    """From the first claim to the last landing of one voyage."""
    lines = journal_of(captain, tasks, ships, **settings)
    first = min(moment(line) for line in claims(lines))
    return max(landings_of(lines)) - first


def count_lines(path: Path) -> int:
    """How many lines a file has."""
    return path.read_text().count("\n")


def row(effort: Effort, what: str, ships: int, voyages: Voyages, limit: float) -> Row:
    """How long these voyages took, beside what is possible."""
    seconds = work_s(effort)
    whole = f"{what}, {seconds:g} s and a check of {seconds:g} s, on {ships} ships"
    bound = ("the bound", voyages.bound_s)
    return Row(whole, voyages.times_s, "s", Target(limit, ratio=True), bound)
