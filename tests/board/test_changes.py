"""What changes in a voyage, as events and as lines."""

from dataclasses import replace

from ocaptain.board.changes import changes, line
from ocaptain.board.watching import Sight
from tests.support.sights import altered, row, ship, sight

AT = "2027-01-15T08:00:00.000Z"


def texts(before: Sight | None, after: Sight) -> list[str]:
    """What the events say to people."""
    return [change["text"] for change in changes(before, after)]


def test_at_first_it_says_how_things_stand():
    """The voyage, then what needs a person: ships and tasks that are in trouble."""
    assert texts(None, sight(ships=6)) == [
        "voyage-3f9a1c0b7d52 running, 1 of 6 tasks, 1 failed, $0.42",
        "ship-5 limited: usage limit reached",
        "ship-4 lost: not heard from for 40 s",
        "task 1 failed: the check is red: Subject 1",
    ]


def test_nothing_new_is_no_event():
    """Nor is a ship that goes from working to landing: its task will say what came of that."""
    seen = sight()
    ships = [ship(0, state="landing"), ship(1), ship(2)]
    assert texts(seen, seen) == []
    assert texts(seen, altered(seen, ships=ships)) == []


def test_the_ways_of_a_task():
    """Claimed, landed, completed without a change, failed, given back, added."""
    before = sight(tasks=5)
    after = altered(
        before,
        tasks=[
            row(1, status="pending", reason=None),
            row(2, status="completed", commit="4b0a30fb42990000"),
            row(3, status="completed", reason="nothing to do"),
            row(4, status="in_progress", owner="ship-0"),
            row(5, status="failed", reason="it\x1b is red"),
            row(6, status="pending"),
        ],
    )
    assert texts(before, after) == [
        "task 1 pending again: Subject 1",
        "task 2 completed by ship-1, landed 4b0a30fb4299: Subject 2",
        "task 3 completed by ship-2, nothing to do: Subject 3",
        "task 4 claimed by ship-0: Subject 4",
        "task 5 failed: it\ufffd is red: Subject 5",
        "task 6 is new: Subject 6",
    ]


def test_ships_that_join_leave_and_are_in_trouble():
    """What was lost and is heard again is told as well."""
    before = sight(ships=5)
    broken = ship(0, state="broken", reason="no disk")
    heard = ship(4, state="waiting", reason=None)
    told = changes(before, altered(before, ships=[broken, ship(1), heard, ship(7)]))
    assert [change["text"] for change in told] == [
        "ship-0 broken: no disk",
        "ship-4 waiting",
        "ship-7 joins",
        "ship-2 is gone",
        "ship-3 is gone",
    ]
    assert told[-1]["state"] == "gone"


def test_the_ways_of_a_voyage():
    """Its state with the reason, what it has trouble with, its pull request, storage away."""
    seen = sight()
    [change] = changes(seen, altered(seen, state="paused", reason="paused by ada"))
    assert (change["kind"], change["state"]) == ("voyage", "paused")
    assert change["reason"] == "paused by ada"
    standing = "voyage-3f9a1c0b7d52 paused, 1 of 6 tasks, 1 failed, $0.42"
    assert line(change) == f"{AT} {standing}: paused by ada"
    away = replace(seen, fault="no answer", looked_at=seen.looked_at + 1)
    [unseen] = changes(seen, away)
    assert (unseen["state"], unseen["reason"]) == ("unseen", "no answer")
    assert unseen["seen_at"] == AT.replace(":00.", ":01.")
    assert [change["state"] for change in changes(away, seen)] == ["running"]
    known = altered(seen, mirror_fault="refused", pr_url="https://example.com/1")
    assert texts(seen, known) == [
        "voyage-3f9a1c0b7d52 has the pull request https://example.com/1",
        "voyage-3f9a1c0b7d52 has trouble: refused",
    ]
    assert texts(known, known) == []
