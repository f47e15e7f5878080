"""Whole voyages: how soon the fleet is at work, how fast it lands, how close to the ideal."""

from collections.abc import Callable, Iterator
from functools import partial
from statistics import median

from . import plans
from .table import Row, Target
from .world import Json, World, until


def sail(world: World, quick: bool) -> Iterator[Row]:
    """From `ocaptain sail` to the last ship's first claim, and the SSH commands that took."""
    world.count_ssh()
    times, returned, commands = [], [], 0
    for _ in range(2 if quick else 5):
        voyage = world.sail(world.plan(plans.apart(3, 30)), 3)
        times.append(last_first_claim(partial(world.journal, voyage.id), 3) - voyage.began)
        returned.append(voyage.returned - voyage.began)
        vms = [f"{voyage.id}-{vm}" for vm in ("storage", "ship0", "ship1", "ship2")]
        commands = max(commands, *map(world.ssh_commands, vms))
        world.sink()
    yield Row("SSH commands to bootstrap a VM", [commands], "", Target(1))
    beside = "sail returns", median(returned)
    yield Row("sail to the last ship's first claim, 3 ships", times, "s", None, beside)


def last_first_claim(journal: Callable[[], list[Json]], ships: int) -> float:
    """When the last of the ships made its first claim (UNIX time, in s)."""

    def look() -> dict[str, float]:
        first = {line["who"]: moment(line) for line in reversed(claims(journal()))}
        return first if len(first) == ships else {}

    return max(until("every ship's first claim", look).values())


def landings(world: World, quick: bool) -> Iterator[Row]:
    """Tasks that take no time, so that landing is all there is."""
    tasks = plans.apart(40 if quick else 80)
    rates = []
    for _ in range(1 if quick else 3):
        lines = voyage_of(world, tasks, 8)
        landed = [moment(line) for line in lines if lands_a_task(line)]
        rates.append((len(landed) - 1) / (max(landed) - min(landed)))
    yield Row("landings a second, 8 ships", rates, "/s")


def makespan_1(world: World, quick: bool) -> Iterator[Row]:
    """Sixty tasks of a second."""
    yield from spans(world, 1, 1.6, 1 if quick else 3)


def makespan_5(world: World, quick: bool) -> Iterator[Row]:
    """Sixty tasks of five seconds."""
    yield from spans(world, 5, 1.2, 1 if quick else 3)


def spans(world: World, seconds: float, most: float, runs: int) -> Iterator[Row]:
    """From the first claim to the last landing, beside what no fleet can beat."""
    tasks, ships = plans.graph(60, seconds), 6
    times = []
    for _ in range(runs):
        lines = voyage_of(world, tasks, ships)
        landed = [moment(line) for line in lines if lands_a_task(line)]
        times.append(max(landed) - min(map(moment, claims(lines))))
    bound = "the lower bound", plans.lower_bound(tasks, seconds, ships)
    what = f"{len(tasks)} tasks of {seconds:g} s on {ships} ships"
    yield Row(what, times, "s", Target(most, ratio=True), bound)


def voyage_of(world: World, tasks: list[Json], ships: int) -> list[Json]:
    """The journal of a whole voyage."""
    voyage = world.sail(world.plan(tasks), ships).id
    until("the end of the voyage", lambda: world.completed(voyage))
    lines = world.journal(voyage)
    world.sink()
    return lines


def claims(lines: list[Json]) -> list[Json]:
    """Lines that grant a claim."""
    return [line for line in lines if line["op"] == "claim" and line["set"].get("claims")]


def lands_a_task(line: Json) -> bool:
    """Whether a line completes a task."""
    return line["op"] == "land" and "tasks" in line["set"]


def moment(line: Json) -> float:
    """When a line was written (UNIX time, in s)."""
    return float(line["ns"]) / 1e9
