"""How often storage is asked, and what is made of its answers."""

import asyncio

import pytest

from ocaptain.board.watching import OVER_PERIOD_S, TASKS_PERIOD, Watcher
from ocaptain.errors import Failure
from ocaptain.ssh import Unreachable
from tests.support.sights import altered, row, ship, sight

from .conftest import Nowhere


def looks(voyage: Nowhere, watcher: Watcher, count: int) -> None:
    """Look so often, without a rest, and forget what was asked before."""
    voyage.asked.clear()
    for _ in range(count):
        asyncio.run(watcher.look())


def test_tasks_are_asked_for_when_the_status_tells_of_other_ones(voyage: Nowhere):
    """At first, then if a ship has claimed or landed something, and now and then. For each request
    there is a second of rest."""
    watcher = Watcher(voyage)
    looks(voyage, watcher, 1)
    assert (voyage.asked, watcher.pause_s) == (["status", "tasks"], 2)
    looks(voyage, watcher, 2)
    assert (voyage.asked, watcher.pause_s) == (["status", "status"], 1)
    voyage.status = altered(sight(), ships=[ship(0, task="9")]).status
    voyage.tasks = [row(9)]
    looks(voyage, watcher, 1)
    assert (voyage.asked, watcher.pause_s) == (["status", "tasks"], 2)
    assert watcher.sight
    assert [task["id"] for task in watcher.sight.tasks] == ["9"]
    looks(voyage, watcher, TASKS_PERIOD)
    assert voyage.asked.count("tasks") == 1


def test_a_voyage_that_is_over_is_asked_rarely(voyage: Nowhere):
    """Until somebody gives an order, which hurries the next look."""
    watcher = Watcher(voyage)
    looks(voyage, watcher, 1)
    voyage.status = sight(state="complete").status
    looks(voyage, watcher, 1)
    assert watcher.pause_s >= OVER_PERIOD_S
    watcher.hurry()
    asyncio.run(asyncio.wait_for(watcher.rest(), 5))


def test_what_was_seen_last_stays_while_storage_is_away(voyage: Nowhere):
    """With the time that it is of. A refusal, or a voyage that was sunk, is asked rarely."""
    now = [100.0]
    watcher = Watcher(voyage, clock=lambda: now[0])
    looks(voyage, watcher, 1)
    now[0] = 134
    for fault, pause_s in ((Unreachable("gone for now"), 1), (Failure("sunk"), 15)):
        voyage.status = fault
        looks(voyage, watcher, 1)
        assert watcher.sight
        assert (watcher.sight.state, watcher.sight.fault) == ("unseen", str(fault))
        assert (watcher.sight.seen_at, watcher.sight.looked_at) == (100, 134)
        assert watcher.sight.status["state"] == "running"
        assert watcher.pause_s == pause_s
    voyage.status = sight().status
    looks(voyage, watcher, 1)
    assert watcher.sight
    assert (watcher.sight.state, watcher.sight.seen_at) == ("running", 134)


def test_a_voyage_that_was_never_seen_is_a_failure(voyage: Nowhere):
    """There is nothing to show."""
    voyage.status = Unreachable("no way")
    with pytest.raises(Unreachable, match="no way"):
        looks(voyage, Watcher(voyage), 1)
