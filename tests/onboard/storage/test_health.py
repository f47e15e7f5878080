"""Whose fault it is that a claim ended in vain, and which ships can be reckoned with."""

from itertools import count, cycle
from typing import Any

import pytest

from ocaptain.onboard.storage import status
from ocaptain.onboard.storage.call import Call
from tests.support.claims import give_up, land
from tests.support.rules import rule
from tests.support.storage import SHIPS, Json, Sail, Storage, assert_sound, task

NO_DISK = "setup.sh exited 1: no space left"
RUNS = count()


def fail(storage: Storage, ship: str, times: int) -> None:
    """Claim, and give back because of trouble of the machine."""
    for _ in range(times):
        give_up(storage, ship, "infrastructure", NO_DISK)


def begin_anew(storage: Storage, ship: str) -> Json:
    """Claim as a new run of helm: the one before has died. Returns the claim."""
    return storage.claim(ship, f"run {next(RUNS)}")


def ship_of(storage: Storage, name: str) -> Json:
    """A ship as `status` shows it."""
    return next(ship for ship in storage.order("status")["ships"] if ship["id"] == name)


def notes(storage: Storage, task_id: str) -> Any:
    """What ocaptain has noted of a task."""
    return storage.tasks()[task_id]["metadata"]


def alone(storage: Storage) -> None:
    """Leave ship-0 as the only ship that takes tasks."""
    for ship in ("ship-1", "ship-2"):
        storage.order("relieve", ship=ship)


# A ship


@rule("R125", "R126")
def test_a_broken_ship_sets_no_task_aside(sail: Sail):
    """It is handed ever less, and its sisters do all that it failed at."""
    storage = sail(*(task(str(number)) for number in range(6)), max_attempts=1)
    claims = 0
    for _ in range(30):
        claim = storage.claim("ship-0")["claim"]
        if claim is None:
            storage.pass_time(60)
            continue
        claims += 1
        storage.ask("ship-0", "release", claim=claim, why=NO_DISK, fault="infrastructure")
    assert claims <= 8
    assert storage.order("status")["tasks"]["failed"] == 0
    assert not [key for key in storage.tasks() if "interruptedBy" in notes(storage, key)]
    for _ in range(6):
        storage.finish("ship-1")
    storage.verify("ship-1")
    assert storage.order("status")["state"] == "complete"
    assert_sound(storage)


@rule("R126")
def test_a_broken_ship_tries_again_ever_more_seldom(sail: Sail):
    """After the third trouble in a row it waits for a lease, then for twice as long, and so on to
    twelve; `status` says why, since when and until when."""
    storage = sail(task("1"), task("2"))
    fail(storage, "ship-0", 2)
    assert ship_of(storage, "ship-0")["state"] == "waiting"
    fail(storage, "ship-0", 1)
    broke_at = storage.now
    for bench_s in (60, 120, 240, 480, 720, 720):
        seen = ship_of(storage, "ship-0")
        assert (seen["state"], seen["since"]) == ("broken", broke_at)
        assert seen["reason"].endswith(f": {NO_DISK}")
        assert seen["until"] - storage.now == pytest.approx(bench_s)
        storage.pass_time(bench_s - 1)
        assert storage.claim("ship-0")["claim"] is None
        storage.pass_time(1)
        fail(storage, "ship-0", 1)


@rule("R126")
def test_a_success_clears_a_ship(sail: Sail):
    """It counts as sound again, and so does its next trouble as the first."""
    storage = sail(task("1"), task("2"), task("3"))
    fail(storage, "ship-0", 3)
    storage.pass_time(60)
    storage.finish("ship-0")
    assert ship_of(storage, "ship-0")["state"] == "waiting"
    fail(storage, "ship-0", 2)
    assert ship_of(storage, "ship-0")["state"] == "waiting"
    fail(storage, "ship-0", 1)
    assert ship_of(storage, "ship-0")["state"] == "broken"


@rule("R126")
def test_a_ship_is_handed_last_what_it_failed_at(sail: Sail):
    """If there is nothing else it gets that again."""
    storage = sail(task("1"), task("2"))
    fail(storage, "ship-0", 1)
    assert storage.claim("ship-0")["task"]["id"] == "2"
    storage.order("release", task="2")
    assert storage.claim("ship-1")["task"]["id"] == "1"
    storage = sail(task("1"))
    fail(storage, "ship-0", 1)
    assert storage.claim("ship-0")["task"]["id"] == "1"


@rule("R125", "R126")
def test_a_ship_that_dies_of_everything_is_broken(sail: Sail):
    """Also if it tells nothing: it died of several tasks, and finished none."""
    storage = sail(*(task(str(number)) for number in range(4)))
    for _ in range(12):
        begin_anew(storage, "ship-0")
    seen = ship_of(storage, "ship-0")
    assert seen["state"] == "broken"
    assert seen["reason"].endswith("ship-0 started anew")
    assert storage.order("status")["tasks"]["failed"] == 0
    for _ in range(4):
        storage.finish("ship-1")
    assert_sound(storage)


# All ships


@rule("R127")
def test_a_voyage_whose_ships_are_all_broken_stalls_and_says_so(sail: Sail):
    """Nothing is set aside; it is news once; `resume` has all ships try again."""
    storage = sail(task("1"), task("2", "1"), max_attempts=1)
    for ship in SHIPS:
        assert storage.order("status")["state"] != "stalled"
        fail(storage, ship, 3)
    seen = storage.order("status")
    reason = f"no ship is left that is sound: ship-0: task 1: {NO_DISK}; ship-1: task 1: {NO_DISK}"
    assert seen["state"] == "stalled"
    assert seen["reason"].startswith(reason)
    assert [each["command"] for each in seen["next"]] == [
        "ocaptain resume",
        "ocaptain reinforce -n 1",
    ]
    assert seen["tasks"]["failed"] == 0
    storage.pass_time(60)
    storage.claim("ship-0")
    assert storage.order("status")["state"] == "running"
    with (journal := storage.journal()).locked():
        news = status.news(Call(journal, storage.voyage, "captain", {}))
    assert news.keys() == {*SHIPS, "stalled"}
    assert news["ship-1"] == f"ship-1 is broken: task 1: {NO_DISK}"
    storage.order("resume")
    storage.finish("ship-0")
    assert storage.claim("ship-1")["task"]["id"] == "2"
    assert storage.order("status")["state"] == "running"


@rule("R127")
def test_what_is_broken_or_lost_stalls_together(sail: Sail):
    """One ship is gone, and the others cannot: nobody is left."""
    storage = sail(task("1"))
    storage.claim("ship-2", "a")
    storage.order("release", task="1")
    storage.now += 31
    for ship in ("ship-0", "ship-1"):
        fail(storage, ship, 3)
    assert storage.order("status")["state"] == "stalled"
    assert "ship-1: task 1" in storage.order("status")["reason"]


# A task


@rule("R38", "R125")
def test_a_task_that_takes_every_ship_down_is_set_aside(sail: Sail):
    """Whichever ship takes it: the others tasks are done, and no ship counts as broken."""
    storage = sail(*(task(str(number)) for number in range(1, 6)))
    for ship, _ in zip(cycle(SHIPS), range(40), strict=False):
        claim = begin_anew(storage, ship)
        if claim["claim"] and claim["task"] and claim["task"]["id"] != "1":
            land(storage, ship, claim, None)
    ships = notes(storage, "1")["interruptedBy"]
    assert len({*ships}) > 1
    assert all(ships.count(ship) <= 2 for ship in ships)
    assert notes(storage, "1")["failed"].startswith("after 4 interruptions, the last: ship-")
    seen = storage.order("status")
    assert (seen["state"], seen["tasks"]["completed"]) == ("failed", 4)
    assert not [ship for ship in SHIPS if ship_of(storage, ship)["state"] == "broken"]
    storage.order("retry", task="1")
    assert "interruptedBy" not in notes(storage, "1")


@rule("R38", "R125")
def test_a_task_that_takes_the_only_ship_down_is_set_aside(sail: Sail):
    """There is no other ship to try it on."""
    storage = sail(task("1"), task("2"))
    alone(storage)
    for _ in range(9):
        claim = begin_anew(storage, "ship-0")
        if claim["claim"] and claim["task"]["id"] == "2":
            land(storage, "ship-0", claim, None)
    assert notes(storage, "1")["interruptedBy"] == ["ship-0"] * 4
    assert "after 4 interruptions" in notes(storage, "1")["failed"]
    assert storage.tasks()["2"]["status"] == "completed"


@rule("R125")
def test_trouble_of_sound_ships_counts_on_the_task(sail: Sail):
    """A ship that does all else shows that it is the task, once for each time that it does."""
    storage = sail(*(task(str(number)) for number in range(1, 9)), max_attempts=1)
    storage.finish("ship-0")
    fail(storage, "ship-0", 2)
    assert notes(storage, "2")["interruptedBy"] == ["ship-0"]
    assert "interruptedBy" not in notes(storage, "3")
    storage.finish("ship-1")
    give_up(storage, "ship-1", "infrastructure")
    assert notes(storage, "3")["interruptedBy"] == ["ship-1"]
    storage.finish("ship-0")
    assert storage.order("status")["tasks"]["failed"] == 0


# The verification


@rule("R38", "R128")
@pytest.mark.parametrize("how", ["dies", "fails"])
def test_a_verification_that_no_ship_survives_is_given_up(sail: Sail, how: str):
    """It is limited as tasks are, over different ships; `retry verify` is the way on."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    for ship in ("ship-0", "ship-0", "ship-1", "ship-1"):
        assert storage.order("status")["state"] in ("running", "verifying")
        if how == "dies":
            begin_anew(storage, ship)
            begin_anew(storage, ship)
            storage.order("halt")
            storage.order("resume")
        else:
            fail(storage, ship, 1)
    seen = storage.order("status")
    assert seen["state"] == "failed"
    assert seen["reason"].startswith("verify.sh was interrupted 4 times, the last: ")
    assert storage.claim("ship-2")["claim"] is None
    assert [each["command"] for each in seen["next"]] == ["ocaptain retry verify"]
    storage.order("retry", task="verify")
    storage.verify("ship-2")
    assert storage.order("status")["state"] == "complete"
    assert_sound(storage)


@rule("R128")
def test_one_broken_ship_does_not_end_the_verification(sail: Sail):
    """Another ship runs it; what the first one broke down at is forgotten then."""
    storage = sail(task("1"))
    storage.finish("ship-1")
    fail(storage, "ship-0", 3)
    assert storage.sections()["meta"]["verify_interrupted_by"] == ["ship-0", "ship-0"]
    assert ship_of(storage, "ship-0")["reason"] == f"verify.sh: {NO_DISK}"
    give_up(storage, "ship-1", "agent", "red")
    assert "verify_interrupted_by" not in storage.sections()["meta"]
    storage.finish("ship-1")
    storage.verify("ship-1")
    assert storage.order("status")["state"] == "complete"


@rule("R128")
def test_a_verification_that_expires_again_and_again_is_given_up(sail: Sail):
    """Also if nobody ever says why."""
    storage = sail(task("1"), max_attempts=1)
    storage.finish("ship-0")
    for ship in ("ship-0", "ship-1"):
        assert storage.claim(ship)["claim"]
        storage.pass_time(61)
    storage.pass_time(1)
    storage.order("status")
    assert storage.claim("ship-2")["claim"] is None
    told = "verify.sh was interrupted 2 times, the last: ship-1 was not heard from in time"
    assert storage.order("status")["reason"] == told
