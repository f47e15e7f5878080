"""How soon another ship has the task of one that died."""

import random
import time
from collections.abc import Sequence
from statistics import median

from bench import plans
from bench.table import markdown, number
from bench.world import ENDS_S, Skipper
from tests.support.captain import Json, Voyage
from tests.support.machine import until

DEATHS = 5
HEADS = ("`lease_seconds`", "bounds", "measured: median (least-most, of)")


def table(captain: Skipper, leases_s: Sequence[float]) -> str:
    """A row for each lease, as a table for a document."""
    return markdown(HEADS, [row(lease_s, measure(captain, lease_s)) for lease_s in leases_s])


def row(lease_s: float, times: list[float]) -> tuple[str, str, str]:
    """What was measured, beside what it should be."""
    least, most = bounds(lease_s)
    spread = f"{number(min(times))}-{number(max(times))}, of {len(times)}"
    return (
        f"{lease_s:g}",
        f"{least:.1f}-{most:.1f} s",
        f"{number(median(times))} s ({spread})",
    )


def bounds(lease_s: float) -> tuple[float, float]:
    """The least and the most, in s: the last beat was up to a sixth of a lease before the death,
    and a ship that waits asks anew after an eighth of a lease or 25 s; how long asking takes comes
    on top."""
    return lease_s * 5 / 6, lease_s + min(lease_s / 8, 25)


def measure(captain: Skipper, lease_s: float) -> list[float]:
    """Seconds from each ship's death to its task's next claim."""
    chance = random.Random(DEATHS)
    tasks = plans.apart(DEATHS, 3600)
    plan = captain.plan_of(tasks, lease_seconds=lease_s)
    voyage = captain.sail(plan, 2 * DEATHS)
    until(lambda: len(claims(voyage)) == DEATHS, ENDS_S, "a claim on each task")
    time.sleep(lease_s / 3)
    died = {}
    for claim in claims(voyage):
        time.sleep(chance.uniform(0, lease_s / 6))
        died[claim["task"]] = time.time()
        voyage.kill(claim["ship"].replace("-", ""))
    until(lambda: len(claims(voyage)) == 2 * DEATHS, ENDS_S, "as many claims again")
    again = {claim["task"]: claim["granted_at"] for claim in claims(voyage)[DEATHS:]}
    captain.sink_all()
    return [again[task] - moment for task, moment in died.items()]


def claims(voyage: Voyage) -> list[Json]:
    """All claims in order, each with `granted_at`, when that was (UNIX time, in s)."""
    granted = []
    for line in voyage.journal():
        if line["op"] == "claim":
            for claim in line["set"].get("claims", {}).values():
                if claim["state"] == "live" and claim["ship"] == line["who"]:
                    granted.append({**claim, "granted_at": line["ns"] / 1e9})
    return granted
