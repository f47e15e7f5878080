"""Ships that die in the landing train."""

import pytest

from tests.support.audit import assert_nothing_lost, present
from tests.support.captain import Voyage, task
from tests.support.rules import LONG, rule

LEASE_S = 18


def ends(voyage: Voyage) -> list[tuple[str, str]]:
    """Which task's claims have ended and how, in the order in which they have."""
    ended: dict[int, tuple[str, str]] = {}
    for line in voyage.journal():
        for claim in line["set"].get("claims", {}).values():
            if claim["task"] and claim["state"] != "live":
                ended.setdefault(claim["number"], (claim["task"], claim["state"]))
    return list(ended.values())


@rule("R56", "R142", "R143", "R147")
@pytest.mark.parametrize(
    "place", [pytest.param(0, id="at-the-front"), pytest.param(1, id="behind", marks=LONG)]
)
def test_a_ship_that_dies_in_the_train_holds_nobody_up(captain, place):
    """The others land while its claim holds, what it checked does not, and its task is done in the
    end."""
    gate = captain.root / "gate"
    tasks = {number: task(f"Work {number}", f"echo x >{number}.txt") for number in "123"}
    check = f"until [ -e {gate} ]; do sleep 0.1; done"
    plan = captain.plan(captain.repository(), tasks, lease_seconds=LEASE_S, check=check)
    voyage = captain.sail(plan, ships=3)
    checking = ["checking"] * len(tasks)
    seen = voyage.until(lambda seen: [car["state"] for car in seen["train"]["cars"]] == checking)
    lost = present(voyage)["meta"]["train"]["cars"][place]["commit"]
    cars = seen["train"]["cars"]
    dead = cars.pop(place)
    voyage.kill(dead["ship"].replace("-", ""))
    gate.touch()
    voyage.wait(timeout=120)

    others = [(car["task"], "landed") for car in cars]
    assert ends(voyage) == [*others, (dead["task"], "expired"), (dead["task"], "landed")]
    assert lost not in voyage.git("rev-list", voyage.id).split()
    assert sorted(voyage.landed()) == ["Work 1", "Work 2", "Work 3"]
    assert_nothing_lost(voyage)
