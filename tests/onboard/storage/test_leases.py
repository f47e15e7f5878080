"""Time and leases, and what ships say of themselves."""

import json

import pytest

from tests.support.claims import give_up, land, state
from tests.support.rules import rule
from tests.support.storage import Sail, assert_sound, task


@rule("R35")
def test_a_lease_expires_on_the_voyage_clock(sail: Sail):
    """A claim that was not renewed for a lease goes back to pending when another ship calls."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.pass_time(60)
    assert storage.claim("ship-1")["claim"] is None
    storage.pass_time(1)
    assert storage.tasks()["1"]["status"] == "in_progress"
    claim = storage.claim("ship-1")
    assert (claim["claim"], claim["task"]["id"]) == (2, "1")
    assert "not heard from" in storage.ask("ship-0", "beat", claim=1)["lost"]
    assert storage.tasks()["1"]["metadata"]["interruptedBy"] == ["ship-0"]
    assert_sound(storage)


@rule("R34")
@pytest.mark.parametrize("jump", [1e9, -1e6])
def test_a_jump_of_the_clock_expires_nobody(sail: Sail, jump: float):
    """A reboot, a pause or a wrong clock counts as a quarter of a lease at most, and never back."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    for _ in range(4):
        storage.now += jump
        assert storage.claim("ship-1")["claim"] is None
    clock = storage.sections()["meta"]["clock"]
    assert clock == (60 if jump > 0 else 0)
    assert storage.ask("ship-0", "beat", claim=1)["lost"] is None


@rule("R33", "R34")
def test_a_silent_storage_expires_nobody(sail: Sail):
    """While no ship calls, as when storage is off, no lease runs out."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    storage.claim("ship-1")
    storage.now += 86_400
    for ship, number in (("ship-1", 2), ("ship-0", 1)):
        assert storage.ask(ship, "beat", claim=number)["lost"] is None
    storage.order("status")
    assert storage.sections()["meta"]["clock"] == 15


@rule("R35")
def test_a_late_beat_renews_what_nobody_swept(sail: Sail):
    """An expired claim is its ship's until another's call sweeps it."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.pass_time(300)
    assert storage.ask("ship-0", "beat", claim=1)["lost"] is None
    storage.pass_time(59)
    assert storage.claim("ship-1")["claim"] is None
    storage.pass_time(300)
    assert storage.ask("ship-0", "land", claim=1, commit=None)["ok"]
    assert_sound(storage)


@rule("R33")
def test_captains_calls_do_not_move_the_clock(sail: Sail):
    """Only ships' calls let time pass."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    before = storage.journal_file.read_bytes()
    for _ in range(20):
        storage.now += 100
        storage.order("status")
    assert storage.journal_file.read_bytes() == before


# Attempts


@rule("R37")
def test_an_agents_failures_use_up_the_attempts(sail: Sail):
    """After max_attempts failures of an agent a task is set aside; Claude's file says pending."""
    storage = sail(task("1"), task("2", "1"))
    give_up(storage, "ship-0", "agent")
    give_up(storage, "ship-1", "agent", "exit 1")
    first = storage.tasks()["1"]
    assert first["status"] == "pending"
    assert "owner" not in first
    assert first["metadata"]["failed"] == "after 2 attempts, the last: exit 1"
    assert state(storage) == ("failed", "task 1 after 2 attempts, the last: exit 1")


@rule("R37", "R38")
@pytest.mark.parametrize("count", [None, "two", 1.5, [3]])
@pytest.mark.parametrize(("fault", "kept"), [("agent", 1), ("spent", ["ship-0"])])
def test_counts_of_another_kind(sail: Sail, fault: str, kept: object, count: object):
    """What is no count counts as none: a plan that has one keeps nobody from calling."""
    storage = sail(task("1", attempts=count, interruptedBy=count, claim=count))
    [row] = storage.order("tasks")["tasks"]
    assert (row["attempts"], row["claim"]) == (0, None)
    give_up(storage, "ship-0", fault)
    notes = storage.tasks()["1"]["metadata"]
    assert notes["attempts" if fault == "agent" else "interruptedBy"] == kept
    assert storage.claim("ship-1")["claim"] == 2


@rule("R38")
def test_interruptions_use_up_no_attempt(sail: Sail):
    """A task that takes its ships down is set aside only after twice max_attempts of that."""
    storage = sail(task("1"))
    give_up(storage, "ship-0", "agent")
    for ship in ("ship-1", "ship-2", "ship-1"):
        storage.claim(ship, "a")
        storage.claim(ship, "b")
        storage.order("release", task="1")
    notes = storage.tasks()["1"]["metadata"]
    assert (notes["attempts"], notes["interruptedBy"]) == (1, ["ship-1", "ship-2", "ship-1"])
    storage.claim("ship-2", "c")
    storage.claim("ship-2", "d")
    failed = "after 4 interruptions, the last: ship-2 started anew"
    assert storage.tasks()["1"]["metadata"]["failed"] == failed
    assert state(storage)[0] == "failed"


@rule("R40", "R66")
def test_the_rest_goes_on_when_a_task_is_set_aside(sail: Sail):
    """A voyage is failed when nothing is left to do, not before; the reason names every task."""
    storage = sail(task("1"), task("2"), task("3"), task("4", "3"), max_attempts=1)
    for _ in range(2):
        give_up(storage, "ship-0", "agent")
    claim = storage.claim("ship-1")
    assert claim["task"]["id"] == "2"
    assert state(storage)[0] == "running"
    land(storage, "ship-1", claim, None)
    verdict, reason = state(storage)
    assert verdict == "failed"
    assert "task 1 after" in reason
    assert "task 3 after" in reason
    assert_sound(storage)


@rule("R19")
def test_a_release_is_only_the_first(sail: Sail):
    """Releasing twice counts once, also with another request id."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    for n in range(3):
        assert storage.ask("ship-0", "release", id=f"{n}", claim=1, fault="agent")["ok"]
    assert storage.tasks()["1"]["metadata"]["attempts"] == 1


# What ships say of themselves


def test_what_a_ship_says_of_itself(sail: Sail):
    """A ship's record has its claim's state, what it waits for, and since when."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.now += 5
    said = {"state": "limited", "reason": "full\x1b", "until": 99.5}
    storage.ask("ship-0", "beat", claim=1, **said)
    record = json.loads((storage.folder / "ships" / "ship-0.json").read_text())
    assert (record["state"], record["reason"], record["until"]) == ("limited", "full\ufffd", 99.5)
    assert (record["since"], record["last_seen_at"], record["task"]) == (
        storage.now,
        storage.now,
        "1",
    )
    storage.now += 5
    storage.ask("ship-0", "beat", claim=1, state="flying", until="soon")
    record = json.loads((storage.folder / "ships" / "ship-0.json").read_text())
    assert (record["state"], record["until"]) == ("working", 0)
