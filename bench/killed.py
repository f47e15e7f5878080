"""A train of which one is killed: how long the others wait."""

import time
from collections.abc import Iterator

from tests.support.captain import Json, Voyage
from tests.support.machine import until

from . import plans
from .effort import Effort
from .fleet import moment
from .table import Row, Target
from .world import ENDS_S, Skipper, new_skipper


def killed(effort: Effort) -> Iterator[Row]:
    """`kill -9` of the ship at the front, of one in the middle, of all that serves storage."""
    ships = effort.choose(smoke=2, quick=4, full=4)
    lease_s = effort.choose(smoke=3.0, quick=18.0, full=18.0)
    victims: dict[str, int | None] = {"the ship at the train's front": 0}
    if effort is not Effort.SMOKE:
        victims |= {"one in the train's middle": ships // 2, "all that serves storage": None}
    silence_s = lease_s / 3  # for which a ship keeps its place
    limit = Target(silence_s + 5)
    with new_skipper() as captain:
        for victim, place in victims.items():
            waits_s = []
            for _ in range(effort.choose(smoke=1, quick=1, full=3)):
                waits_s.append(seconds_until_landed(captain, ships, lease_s, place))
            what = f"others land once {victim} is killed, with a lease of {lease_s:g} s"
            yield Row(what, [max(waits_s)], "s", limit)  # nobody is to wait longer


def seconds_until_landed(captain: Skipper, ships: int, lease_s: float, place: int | None) -> float:
    """Kill the ship at a place in the train, or storage if that is None.

    Returns after how many seconds all others' work has landed, whose checks end right then."""
    gate = captain.root / "gate"
    gate.unlink(missing_ok=True)
    check = f"until [ -e {gate} ]; do sleep 0.1; done"
    plan = captain.plan_of(plans.apart(ships), lease_seconds=lease_s, check=check)
    voyage = captain.sail(plan, ships)
    cars = voyage.until(lambda seen: all_check(seen["train"], ships))["train"]["cars"]
    killed_at = time.time()
    if place is None:
        voyage.hang_up()
        voyage.kill("storage")
    else:
        victim = cars.pop(place)["ship"]
        voyage.kill(victim.replace("-", ""))
    gate.touch()
    others = {car["task"] for car in cars}
    until(lambda: others <= landed_at(voyage).keys(), ENDS_S, "the others' landings")
    landed = landed_at(voyage)
    captain.sink_all()
    return max(landed[task] for task in others) - killed_at


def all_check(train: Json, ships: int) -> bool:
    """Whether so many ships are in the train, and each runs its check."""
    return [car["state"] for car in train["cars"]] == ["checking"] * ships


def landed_at(voyage: Voyage) -> dict[str, float]:
    """When each task that has landed did (UNIX time, in s)."""
    return {
        task_id: moment(line)
        for line in voyage.journal()
        if line["op"] == "land"
        for task_id, task in line["set"].get("tasks", {}).items()
        if task["status"] == "completed"
    }
