"""How soon another ship has the task of one that died."""

import random
import time
from collections.abc import Iterator, Sequence
from functools import partial
from statistics import median

from bench import plans
from bench.table import number
from bench.world import Json, World, until

from .fleet import Fleet
from .tally import markdown

DEATHS = 5
HEADS = ("`lease_seconds`", "bounds", "measured: median (least-most, of)")


def table(world: World, leases_s: Sequence[float]) -> str:
    """A row for each lease, as a table for a document."""
    rows = [HEADS, ("---",) * 3, *(row(lease_s, measured(world, lease_s)) for lease_s in leases_s)]
    return markdown(rows)


def row(lease_s: float, times: list[float]) -> tuple[str, str, str]:
    """What was measured, beside what it should be."""
    least, most = bounds(lease_s)
    seen = f"{number(min(times))}-{number(max(times))}, of {len(times)}"
    return f"{lease_s:g}", f"{least:.1f}-{most:.1f} s", f"{number(median(times))} s ({seen})"


def bounds(lease_s: float) -> tuple[float, float]:
    """The least and the most, in s: the last beat was up to a sixth of a lease before the death,
    and a ship that waits asks anew after an eighth of a lease or 25 s; how long asking takes comes
    on top."""
    return lease_s * 5 / 6, lease_s + min(lease_s / 8, 25)


def measured(world: World, lease_s: float) -> list[float]:
    """Seconds from each ship's death to its task's next claim."""
    tasks, chance = plans.apart(DEATHS, 3600), random.Random(DEATHS)
    voyage = world.sail(world.plan(tasks, lease_seconds=lease_s), 2 * DEATHS)
    fleet = Fleet(world, voyage.id)
    claims = partial(claimed, world, voyage.id)
    until("a claim on each task", lambda: len(claims()) == DEATHS)
    time.sleep(lease_s / 3)
    died = []
    for line in claims():
        time.sleep(chance.uniform(0, lease_s / 6))
        died.append(time.time())
        fleet.kill(line["who"].replace("-", ""))
    until("as many claims again", lambda: len(claims()) == 2 * DEATHS)
    times = list(pairs(claims(), died))
    world.sink()
    return times


def pairs(claims: list[Json], died: list[float]) -> Iterator[float]:
    """How long after each death, in the order of first claims, its task was claimed again."""
    for (task, _), death in zip(map(task_of, claims), died, strict=False):
        (again,) = [at for other, at in map(task_of, claims[DEATHS:]) if other == task]
        yield again - death


def claimed(world: World, voyage: str) -> list[Json]:
    """Lines of the journal that grant a claim, in order."""
    lines = world.journal(voyage)
    return [line for line in lines if line["op"] == "claim" and granted(line)]


def granted(line: Json) -> list[Json]:
    """Claims that a line makes."""
    claims = line["set"].get("claims", {}).values()
    return [claim for claim in claims if claim["state"] == "live" and claim["ship"] == line["who"]]


def task_of(line: Json) -> tuple[str, float]:
    """What a line's claim is on, and when it was granted."""
    return granted(line)[0]["task"], line["ns"] / 1e9
