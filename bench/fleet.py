"""Whole voyages: how soon the fleet is at work, how fast it lands, how close to the ideal."""

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from tests.support.captain import Json, Voyage
from tests.support.machine import until

from . import plans
from .effort import Effort
from .table import Row, Target
from .world import ENDS_S, Skipper, new_skipper, until_complete


def sail(effort: Effort) -> Iterator[Row]:
    """From `ocaptain sail` to the last ship's first claim, and the SSH commands that took."""
    ships = effort.choose(smoke=1, quick=3, full=3)
    to_work = []
    to_return = []
    commands = []
    with new_skipper() as captain:
        captain.count_ssh()
        for _ in range(effort.choose(smoke=1, quick=2, full=5)):
            sailed = captain.sail_timed(plans.apart(ships, 30), ships)
            voyage = sailed.voyage
            to_work.append(last_first_claim(voyage, ships) - sailed.began)
            to_return.append(sailed.returned - sailed.began)
            commands += [captain.ssh_commands(f"{voyage.id}-{vm}") for vm in voyage.vms]
            captain.sink_all()
    yield Row("SSH commands to bootstrap a VM", [max(commands)], "", Target(1))
    what = f"sail to the last ship's first claim, {ships} ships"
    yield Row(what, to_work, "s", None, ("sail returns", median(to_return)))


def last_first_claim(voyage: Voyage, ships: int) -> float:
    """Wait until each ship has claimed; when the last of them did (UNIX time, in s)."""

    def first_claims() -> list[float]:
        moments = {line["who"]: moment(line) for line in reversed(claims(voyage.journal()))}
        return list(moments.values()) if len(moments) == ships else []

    return max(until(first_claims, ENDS_S, "every ship's first claim"))


def landings(effort: Effort) -> Iterator[Row]:
    """Tasks that take no time, so that landing is all there is."""
    ships = effort.choose(smoke=2, quick=8, full=8)
    tasks = plans.apart(effort.choose(smoke=4, quick=40, full=80))
    rates = []
    with new_skipper() as captain:
        for _ in range(effort.choose(smoke=1, quick=1, full=3)):
            landed = landings_of(journal_of(captain, tasks, ships))
            rates.append((len(landed) - 1) / (max(landed) - min(landed)))
    yield Row(f"landings a second, {ships} ships", rates, "/s")


def makespan_1(effort: Effort) -> Iterator[Row]:
    """Sixty tasks of a second."""
    yield makespan(effort, effort.choose(smoke=0.1, quick=1, full=1), Target(1.4, ratio=True))


def makespan_5(effort: Effort) -> Iterator[Row]:
    """Sixty tasks of five seconds."""
    yield makespan(effort, effort.choose(smoke=0.1, quick=5, full=5), Target(1.2, ratio=True))


def makespan(effort: Effort, seconds: float, target: Target) -> Row:
    """From the first claim to the last landing, beside what no fleet can beat."""
    ships = effort.choose(smoke=2, quick=6, full=6)
    tasks = plans.graph(effort.choose(smoke=2, quick=60, full=60), seconds)
    times = []
    with new_skipper() as captain:
        for _ in range(effort.choose(smoke=1, quick=1, full=3)):
            lines = journal_of(captain, tasks, ships)
            first = min(moment(line) for line in claims(lines))
            times.append(max(landings_of(lines)) - first)
    bound = ("the lower bound", plans.lower_bound(tasks, seconds, ships))
    what = f"{len(tasks)} tasks of {seconds:g} s on {ships} ships"
    return Row(what, times, "s", target, bound)


def journal_of(captain: Skipper, tasks: Sequence[Json], ships: int, **settings: Any) -> list[Json]:
    """The journal of a whole voyage, with these settings of its plan."""
    voyage = captain.sail(captain.plan_of(tasks, **settings), ships)
    until_complete(voyage)
    lines = voyage.journal()
    captain.sink_all()
    return lines


def claims(lines: list[Json]) -> list[Json]:
    """Lines that grant a claim."""
    return [line for line in lines if line["op"] == "claim" and line["set"].get("claims")]


def landings_of(lines: list[Json]) -> list[float]:
    """When each task was completed (UNIX time, in s)."""
    landed = [line for line in lines if line["op"] == "land" and "tasks" in line["set"]]
    return [moment(line) for line in landed]


def moment(line: Json) -> float:
    """When a line was written (UNIX time, in s)."""
    return float(line["ns"]) / 1e9
