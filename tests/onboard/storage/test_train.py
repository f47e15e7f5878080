"""The train: checks at once, each on top of the work of the one ahead."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.crashes import Act, assert_whole_or_not_at_all
from tests.support.rules import rule
from tests.support.storage import Json, Sail, Storage, assert_sound, task

CHECK = "make test"


class Yard:
    """A storage whose plan has a check, and ships that bring work to it."""

    def __init__(self, sail: Sail, ships: int, **changes: Any) -> None:
        tasks = [task(str(number + 1)) for number in range(ships)]
        changes.setdefault("lease_seconds", 60)
        self.storage: Storage = sail(*tasks, check=CHECK, **changes)
        while len(self.storage.order("status")["ships"]) < ships:
            self.storage.join()
        self.claims: list[Json] = [self.storage.claim(self.ship(at)) for at in range(ships)]

    @staticmethod
    def ship(at: int) -> str:
        return f"ship-{at}"

    def ask(self, at: int, op: str, **fields: Any) -> Json:
        return self.storage.ask(self.ship(at), op, claim=self.claims[at]["claim"], **fields)

    def base(self, at: int) -> str:
        """Where a ship is told to put its work."""
        return str(self.ask(at, "enter")["base"])

    def board(self, at: int) -> str:
        """A ship enters, puts its work on its base, and checks it. Its commit."""
        base = self.base(at)
        commit = self.storage.push(self.claims[at]["ref"], base)
        answer = self.ask(at, "enter", commit=commit, base_commit=base)
        assert answer["ok"], answer
        assert answer["base"] == base
        return commit

    def land(self, at: int, commit: str) -> Json:
        return self.ask(at, "land", commit=commit)

    def checking(self, at: int, commit: str) -> bool:
        """Whether a ship that checks a commit is to go on."""
        return bool(self.ask(at, "beat", commit=commit)["checking"])

    def window(self) -> float:
        return float(self.storage.sections()["meta"]["train"]["window"])

    def landed(self) -> list[int]:
        """Which ships' claims have landed."""
        claims = self.storage.sections()["claims"].values()
        return [int(c["ship"][5:]) for c in claims if c["state"] == "landed"]


@rule("R142")
def test_ships_check_at_once_each_on_top_of_the_one_ahead(sail: Sail):
    """Each that enters is based on the pushed commit of the one ahead, the first on the head."""
    yard = Yard(sail, 3)
    first = yard.board(0)
    assert yard.base(1) == first
    second = yard.board(1)
    third = yard.board(2)
    answer = yard.ask(2, "enter")
    assert (answer["base"], answer["ahead"]) == (second, [first, second])
    assert yard.land(0, first) == {"ok": True, "head": first, "next": None}
    assert yard.land(1, second)["head"] == second
    assert yard.land(2, third)["head"] == third == yard.storage.head()
    assert_sound(yard.storage)


@rule("R142")
def test_the_green_beginning_lands_in_one_line(sail: Sail):
    """Who is green before those ahead waits; then all that is green lands by one change, and each
    ship learns so by its own question."""
    yard = Yard(sail, 3)
    commits = [yard.board(at) for at in range(3)]
    assert yard.land(2, commits[2])["code"] == "place"
    assert yard.land(1, commits[1])["code"] == "place"
    assert yard.storage.head() == yard.storage.start
    assert yard.land(0, commits[0])["ok"]
    line = yard.storage.lines()[-1]
    assert line["set"]["meta"]["head"] == commits[2] == yard.storage.head()
    assert [line["set"]["tasks"][each]["status"] for each in "123"] == ["completed"] * 3
    assert [line["set"]["claims"][each]["state"] for each in "123"] == ["landed"] * 3
    assert [yard.land(at, commits[at])["ok"] for at in (1, 2)] == [True, True]
    assert [yard.storage.tasks()[each]["metadata"]["commit"] for each in "123"] == commits
    assert_sound(yard.storage)


def test_the_next_waits_until_the_one_ahead_has_pushed(sail: Sail):
    """A place behind a car whose commit is not known has no base yet."""
    yard = Yard(sail, 2)
    assert yard.base(0) == yard.storage.start
    assert yard.ask(1, "enter")["code"] == "place"
    first = yard.board(0)
    assert yard.base(1) == first


@rule("R143")
def test_who_turns_red_takes_nobody_along(sail: Sail):
    """Those behind keep their places, and are put on what is ahead now."""
    yard = Yard(sail, 4)
    commits = [yard.board(at) for at in range(4)]
    assert yard.ask(1, "leave", why="red", on=commits[0])["code"] == "place"
    assert yard.checking(0, commits[0])
    assert not yard.checking(2, commits[2])
    assert yard.land(2, commits[2])["code"] == "stale"
    assert yard.ask(3, "enter")["code"] == "place", "it is behind the one that has to push anew"
    again = yard.board(2)
    assert yard.base(3) == again
    assert yard.land(0, commits[0])["ok"]
    assert yard.ask(1, "leave", why="red", on=commits[0]) == {"ok": True, "landed": True}
    assert yard.land(2, again)["ok"]
    assert yard.landed() == [0, 2]


@rule("R144")
def test_a_red_that_was_the_fault_of_its_base_is_told_so(sail: Sail):
    """If the car ahead does not land, what was red on top of it was never judged."""
    yard = Yard(sail, 2)
    commits = [yard.board(at) for at in range(2)]
    assert yard.ask(1, "leave", why="red", on=commits[0])["code"] == "place"
    window = yard.window()
    assert yard.ask(0, "leave", why="red", on=yard.storage.start)["landed"] is True
    assert yard.ask(1, "leave", why="red", on=commits[0])["landed"] is False
    assert yard.window() == window / 2, "one red, not two"
    assert yard.base(1) == yard.storage.start


@rule("R148")
def test_the_window_grows_with_landings_and_is_halved_by_a_red(sail: Sail):
    """It begins at 8, grows by one for each landing up to the plan's limit, and never closes."""
    yard = Yard(sail, 3, landing_window=9)
    commits = [yard.board(at) for at in range(3)]
    assert yard.window() == 8
    for at in range(3):
        yard.land(at, commits[at])
    assert yard.window() == 9
    other = Yard(sail, 1, landing_window=2)
    for _ in range(3):
        other.board(0)
        other.ask(0, "leave", why="red", on=other.storage.start)
    assert other.window() == 1


@rule("R148")
def test_the_rest_wait_for_a_place(sail: Sail):
    """With a window of one only one checks at a time, in the order in which they came."""
    yard = Yard(sail, 3, landing_window=1)
    first = yard.board(0)
    assert yard.ask(2, "enter")["code"] == "place"
    assert yard.ask(1, "enter")["code"] == "place"
    yard.land(0, first)
    assert yard.ask(1, "enter")["code"] == "place", "ship-2 was there before"
    assert yard.base(2) == first


@rule("R51", "R142")
def test_nothing_lands_without_its_check(sail: Sail):
    """With a check in the plan a commit lands by its place in the train, and in no other way."""
    yard = Yard(sail, 2)
    commit = yard.storage.push(yard.claims[0]["ref"])
    assert yard.land(0, commit)["code"] == "stale"
    base = yard.base(0)
    assert yard.land(0, commit)["code"] == "stale"
    assert yard.ask(0, "enter", commit=yard.storage.start, base_commit=base)["code"] == "ref"
    elsewhere = yard.storage.push(yard.claims[1]["ref"], commit)
    assert yard.ask(0, "enter", commit=elsewhere, base_commit=base)["code"] == "ref"
    checked = yard.board(0)
    assert yard.land(0, elsewhere)["code"] == "stale"
    assert yard.land(0, checked)["ok"]


def test_what_is_pushed_must_be_on_its_base(sail: Sail):
    """A commit that is not on top of the one ahead does not enter."""
    yard = Yard(sail, 2)
    first = yard.board(0)
    assert yard.base(1) == first
    beside = yard.storage.push(yard.claims[1]["ref"], yard.storage.start)
    assert yard.ask(1, "enter", commit=beside, base_commit=first)["code"] == "stale"
    answer = yard.ask(1, "enter", commit=beside, base_commit=yard.storage.start)
    assert answer["base"] == first, "it is told the base that it has to be on"
    assert not yard.checking(1, beside)


@rule("R143")
def test_a_lost_claim_loses_its_place(sail: Sail):
    """Who starts anew, or is not heard for a lease, is in the train no more; who is behind goes
    on."""
    yard = Yard(sail, 3)
    commits = [yard.board(at) for at in range(2)]
    yard.storage.claim("ship-0", run="another")
    assert not yard.checking(1, commits[1])
    assert yard.base(1) == yard.storage.start
    assert yard.land(0, commits[0])["code"] == "lost"


@rule("R147")
def test_a_silent_ship_loses_its_place_and_not_its_claim(sail: Sail):
    """After a third of a lease without a word of it those behind go on; it may enter again."""
    yard = Yard(sail, 3)
    commits = [yard.board(at) for at in range(2)]
    for _ in range(3):
        yard.storage.now += 7
        answer = yard.ask(1, "beat", commit=commits[1])
    assert not answer["checking"]
    assert yard.base(1) == yard.storage.start
    assert yard.land(0, commits[0])["code"] == "stale"
    assert yard.storage.sections()["claims"]["1"]["state"] == "live"
    again = yard.board(1)
    assert yard.base(0) == again


@rule("R145", "R147")
def test_who_waits_outside_the_train_is_held_up_by_no_silence(sail: Sail):
    """A ship that has left because of a conflict waits no longer for a silent one than others."""
    yard = Yard(sail, 2)
    first = yard.board(0)
    yard.base(1)
    told = {"why": "conflict", "on": first}
    for _ in range(3):
        assert yard.ask(1, "leave", **told)["code"] == "place"
        yard.storage.now += 7
    assert yard.ask(1, "leave", **told) == {"ok": True, "landed": False}
    assert yard.base(1) == yard.storage.start


@rule("R146", "R147")
def test_a_silent_ship_has_no_berth(sail: Sail):
    """Nobody waits for a ship that may be dead, whatever right it had."""
    yard = Yard(sail, 2)
    assert yard.ask(0, "leave", why="berth")["ok"]
    for _ in range(3):
        assert yard.ask(1, "enter")["code"] == "place"
        yard.storage.now += 7
    assert yard.base(1) == yard.storage.start
    assert yard.ask(0, "enter")["code"] == "place", "it is behind the other now"


def test_silence_holds_up_nobody_who_is_ahead(sail: Sail):
    """A silent ship with nobody behind it keeps its place."""
    yard = Yard(sail, 2)
    commits = [yard.board(at) for at in range(2)]
    for _ in range(3):
        yard.storage.now += 7
        assert yard.checking(0, commits[0])
    assert yard.land(1, commits[1])["code"] == "place"
    assert yard.land(0, commits[0])["ok"]
    assert yard.land(1, commits[1])["ok"]


@rule("R147")
def test_who_takes_too_long_loses_its_place(sail: Sail):
    """A ship that is heard, and whose check never ends, holds others up for its time limit."""
    yard = Yard(sail, 2, time_limit_minutes=1)
    commits = [yard.board(at) for at in range(2)]
    for _ in range(13):
        yard.storage.now += 10
        assert yard.ask(0, "beat")["ok"]
        stays = yard.checking(1, commits[1])
    assert not stays
    assert yard.base(1) == yard.storage.start


@rule("R147")
def test_who_waits_for_a_base_is_not_late(sail: Sail):
    """Only the ship that takes too long loses its place, and not those that wait for it."""
    yard = Yard(sail, 3, time_limit_minutes=1)
    yard.base(0)
    assert yard.ask(1, "enter")["code"] == "place"
    assert yard.ask(2, "enter")["code"] == "place"
    for _ in range(13):
        yard.storage.now += 10
        assert [yard.ask(at, "beat")["lost"] for at in range(3)] == [None] * 3
    assert yard.base(1) == yard.storage.start
    assert yard.ask(2, "enter")["code"] == "place", "it is behind the second still"


@rule("R142")
def test_what_lands_by_no_train_has_no_place_in_it(sail: Sail):
    """Neither a verification nor the work of a plan without a check can enter."""
    without = sail(task("1"))
    held = without.claim("ship-0")["claim"]
    assert without.ask("ship-0", "enter", claim=held)["code"] == "claim"
    assert without.ask("ship-0", "leave", claim=held, why="red")["code"] == "claim"
    with_check = sail(task("1"), check=CHECK)
    with_check.finish("ship-0")
    held = with_check.claim("ship-0")["claim"]
    assert with_check.ask("ship-0", "enter", claim=held)["code"] == "claim"
    assert "train" not in with_check.sections()["meta"]


@rule("R145")
def test_a_conflict_with_a_car_ahead_waits_for_it(sail: Sail):
    """Who is in conflict with what has not landed leaves, and learns what became of that."""
    yard = Yard(sail, 3)
    commits = [yard.board(at) for at in range(2)]
    yard.base(2)
    told = {"why": "conflict", "on": commits[0]}
    assert yard.ask(2, "leave", **told)["code"] == "place"
    yard.land(0, commits[0])
    assert yard.ask(2, "leave", **told) == {"ok": True, "landed": True}


@rule("R146")
@pytest.mark.parametrize("frees", ["land", "release", "time"])
def test_who_was_overtaken_twice_gets_the_berth(sail: Sail, frees: str):
    """Nobody enters ahead of it until it has landed, has left, or its time is over."""
    yard = Yard(sail, 3, time_limit_minutes=1)
    for _ in range(2):
        yard.base(0)
        assert yard.ask(0, "leave", why="conflict")["ok"]
    assert yard.ask(1, "enter")["code"] == "place"
    if frees == "land":
        first = yard.board(0)
        assert yard.base(1) == first, "behind it there is room"
        yard.land(0, first)
    elif frees == "release":
        yard.ask(0, "release", why="enough", fault="agent")
    else:
        for _ in range(7):
            yard.storage.now += 10
            assert [yard.ask(at, "beat")["lost"] for at in range(3)] == [None] * 3
    assert yard.base(1)


@rule("R146")
def test_the_berth_ends_with_a_red_of_ones_own(sail: Sail):
    """Nobody waits while an agent mends what nobody else is to blame for."""
    yard = Yard(sail, 2)
    for _ in range(2):
        yard.base(0)
        yard.ask(0, "leave", why="conflict")
    yard.board(0)
    assert yard.ask(0, "leave", why="red", on=yard.storage.start)["landed"] is True
    assert yard.base(1) == yard.storage.start


@rule("R146")
def test_nobody_gets_ahead_of_the_berth_while_its_holder_tries(sail: Sail):
    """Who has the berth and is in conflict once more has only those ahead who were so before."""
    yard = Yard(sail, 3)
    ahead = yard.board(2)
    for _ in range(2):
        yard.base(0)
        yard.ask(0, "leave", why="conflict", on=ahead)
    assert yard.ask(1, "enter")["code"] == "place"
    assert yard.base(0) == ahead
    assert yard.ask(0, "leave", why="conflict", on=ahead)["code"] == "place"
    assert yard.ask(1, "enter")["code"] == "place"
    yard.land(2, ahead)
    first = yard.board(0)
    assert yard.base(1) == first


@rule("R144", "R146")
def test_who_is_red_twice_by_the_fault_of_others_gets_the_berth(sail: Sail):
    """What was never judged starves no less than what was in conflict."""
    yard = Yard(sail, 3)
    for _ in range(2):
        ahead = yard.board(2)
        yard.board(0)
        assert yard.ask(0, "leave", why="red", on=ahead)["code"] == "place"
        yard.ask(2, "leave", why="red", on=yard.storage.start)
        assert yard.ask(0, "leave", why="red", on=ahead)["landed"] is False
    assert yard.ask(1, "enter")["code"] == "place"
    first = yard.board(0)
    assert yard.base(1) == first


@rule("R146")
def test_the_berth_is_waited_for(sail: Sail):
    """A command that is to be run again on the branch as it is asks for the berth; one at a time
    has it."""
    yard = Yard(sail, 2)
    assert yard.ask(0, "leave", why="berth")["ok"]
    assert yard.ask(1, "leave", why="berth")["code"] == "berth"
    yard.land(0, yard.board(0))
    assert yard.ask(1, "leave", why="berth")["ok"]


def test_what_needs_no_change_needs_no_place(sail: Sail):
    """A task that is completed as it is leaves the train as if it had never been in it."""
    yard = Yard(sail, 2)
    yard.board(0)
    second = yard.base(1)
    assert yard.ask(0, "land", commit=None, note="it was so already")["ok"]
    assert yard.base(1) == yard.storage.start != second
    assert yard.storage.tasks()["1"]["metadata"]["note"] == "it was so already"


def test_entering_again_is_entering_once(sail: Sail):
    """A question that is asked again, after a lost answer, changes nothing."""
    yard = Yard(sail, 2)
    base = yard.base(0)
    commit = yard.board(0)
    second = yard.board(1)
    before = yard.storage.sections()["meta"]["train"]
    assert yard.ask(0, "enter", commit=commit, base_commit=base)["base"] == base
    assert yard.base(0) == base
    assert yard.storage.sections()["meta"]["train"] == before
    assert yard.checking(1, second)


def test_a_check_is_timed(sail: Sail):
    """Storage knows how long the last few checks took that passed."""
    yard = Yard(sail, 1)
    commit = yard.board(0)
    yard.storage.now += 4
    yard.land(0, commit)
    assert yard.storage.sections()["meta"]["train"]["checks_s"] == [4.0]


# Storage is killed


def a_place(yard: Yard) -> Act:
    """A ship says which commit its check is of."""
    first = yard.board(0)
    commit = yard.storage.push(yard.claims[1]["ref"], yard.base(1))
    told = {"claim": yard.claims[1]["claim"], "commit": commit, "base_commit": first}
    return lambda it: it.ask("ship-1", "enter", **told, id="once")


def a_landing_of_all(yard: Yard) -> Act:
    """The first check passes, as those behind it have before."""
    commits = [yard.board(at) for at in range(3)]
    for at in (1, 2):
        yard.land(at, commits[at])
    told = {"claim": yard.claims[0]["claim"], "commit": commits[0]}
    return lambda it: it.ask("ship-0", "land", **told, id="once")


def a_red_check(yard: Yard) -> Act:
    """The first check fails: the ship leaves, and those behind it are on another base."""
    for at in range(3):
        yard.board(at)
    told = {"claim": yard.claims[0]["claim"], "why": "red", "on": yard.storage.start}
    return lambda it: it.ask("ship-0", "leave", **told, id="once")


@rule("R1", "R142", "R143")
@pytest.mark.parametrize("prepare", [a_place, a_landing_of_all, a_red_check])
def test_a_crash_of_storage_leaves_the_train_as_it_was_or_as_it_is_to_be(
    sail: Sail, tmp_path: Path, prepare: Callable[[Yard], Act]
):
    """Killed at any single step, nothing lands that was not green, and nobody's place is lost."""
    yard = Yard(sail, 3)
    assert_whole_or_not_at_all(yard.storage, prepare(yard), tmp_path)
