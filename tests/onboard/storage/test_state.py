"""What follows from a voyage's state."""

from typing import Any

from ocaptain.onboard.storage import budgets, state
from ocaptain.onboard.storage.call import Call
from tests.support.claims import give_up
from tests.support.rules import rule
from tests.support.storage import Sail, Storage, task


def look(storage: Storage) -> Call:
    """A call that finds the voyage as it is."""
    with (journal := storage.journal()).locked():
        return Call(journal, storage.voyage, "captain", {})


def how_it_stands(storage: Storage) -> tuple[str, str | None]:
    """The voyage's state, and the reason for it."""
    return state.voyage_state(look(storage))


def note(storage: Storage, **entries: Any) -> None:
    """Have storage know something of the voyage as a whole."""
    with (journal := storage.journal()).locked():
        journal.commit("captain", {"op": "test"}, {"meta": entries})


# How a voyage stands


@rule("R66", "R67", "R72")
def test_of_all_that_stops_a_voyage_the_gravest_is_told(sail: Sail):
    """A spent budget goes before a pause, and before both that nobody can go on."""
    storage = sail(task("1"), task("2"), max_attempts=1, budget_usd=1.5)
    assert how_it_stands(storage) == ("running", None)
    first, second = storage.claim("ship-0"), storage.claim("ship-1")
    storage.order("pause", by="ada", why="lunch")
    assert how_it_stands(storage) == ("paused", "paused by ada: lunch")
    storage.ask("ship-0", "land", claim=first["claim"], commit=None, cost_usd=2)
    assert how_it_stands(storage) == ("paused", "$2.00 of the budget of $1.5 are spent")
    storage.ask("ship-1", "release", claim=second["claim"], fault="agent", why="at a loss")
    assert how_it_stands(storage) == ("failed", "task 2 after 1 attempt, the last: at a loss")


@rule("R62", "R72")
def test_a_verification_under_way_and_its_success_go_before_a_pause(sail: Sail):
    """A paused voyage is complete once verify.sh has passed, for nothing is left to hand out."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    claim = storage.claim("ship-0")["claim"]
    storage.order("pause")
    assert how_it_stands(storage) == ("verifying", None)
    assert storage.ask("ship-0", "land", claim=claim, commit=storage.head())["ok"]
    assert how_it_stands(storage) == ("complete", None)


@rule("R64")
def test_a_verification_that_was_given_up_fails_the_voyage(sail: Sail):
    """The reason that was noted then is told, also while the voyage is paused."""
    storage = sail(task("1"), max_repairs=0)
    storage.finish("ship-0")
    give_up(storage, "ship-0", "agent", "it is red")
    storage.order("pause")
    verdict, reason = how_it_stands(storage)
    assert verdict == "failed"
    assert reason
    assert "it is red" in reason


# Its parts


@rule("R61")
def test_only_what_was_verified_is_complete(sail: Sail):
    """A task that is added, even a completed one, or a branch that moves, needs verify.sh again."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    assert not state.is_complete(look(storage))
    storage.verify()
    assert state.is_complete(look(storage))
    note(storage, head=storage.push("work/9-9"))
    assert not state.is_complete(look(storage))
    note(storage, head=storage.start)
    storage.order("edit_task", fields={"subject": "More"})
    assert not state.is_complete(look(storage))
    storage.finish("ship-0")
    assert state.all_completed(look(storage))
    assert not state.is_complete(look(storage))


def test_a_voyage_is_stuck_if_nobody_is_at_it_and_nobody_can_be(sail: Sail):
    """While a claim holds it is not: its task may yet make others ready."""
    storage = sail(task("1"), task("2", "1"), max_attempts=1)
    assert not state.is_stuck(look(storage))
    claim = storage.claim("ship-0")["claim"]
    assert not state.is_stuck(look(storage))
    storage.ask("ship-0", "release", claim=claim, fault="agent", why="no")
    assert state.is_stuck(look(storage))
    assert state.set_aside(look(storage)).keys() == {"1"}
    storage.order("retry", task="1")
    assert not state.is_stuck(look(storage))


@rule("R67")
def test_every_claim_costs_whatever_became_of_it(sail: Sail):
    """What failed attempts have cost is spent, and a budget is spent to the last cent of it."""
    storage = sail(task("1"), task("2"), budget_usd=1.0)
    claim = storage.claim("ship-0")["claim"]
    storage.ask("ship-0", "release", claim=claim, fault="agent", why="no", cost_usd=0.75)
    assert state.cost(look(storage)) == 0.75
    assert not budgets.reason(look(storage))
    storage.finish("ship-0", cost_usd=0.25)
    assert budgets.reason(look(storage))


def test_without_a_budget_none_is_spent(sail: Sail):
    """However much a voyage costs, it goes on if no budget was set."""
    storage = sail(task("1"), task("2"))
    storage.finish("ship-0", cost_usd=5000)
    assert not budgets.reason(look(storage))
    assert how_it_stands(storage) == ("running", None)


@rule("R78")
def test_a_message_waits_for_one_ship_until_its_agent_has_it(sail: Sail):
    """Messages to others, and those that were taken in, are none of a ship's."""
    storage = sail(task("1"))
    storage.order("hail", ship="ship-0", text="Hello")
    storage.order("hail", ship="ship-1", text="Ahoy")
    storage.order("hail", text="All hands")
    assert state.waiting_hails(look(storage), "ship-0") == {"1": "Hello", "3": "All hands"}
    claim = storage.claim("ship-0")["claim"]
    storage.ask("ship-0", "beat", claim=claim, delivered=["1"])
    assert state.waiting_hails(look(storage), "ship-0") == {"3": "All hands"}
    assert state.waiting_hails(look(storage), "ship-1") == {"2": "Ahoy", "4": "All hands"}


@rule("R55", "R56")
def test_a_wreck_is_what_was_pushed_and_did_not_land(sail: Sail):
    """What has landed is none, nor is an attempt that pushed nothing; the latest comes first."""
    storage = sail(task("1"), task("2"), max_attempts=9)
    landed = storage.claim("ship-0")
    commit = storage.push(landed["ref"])
    assert storage.ask("ship-0", "land", claim=landed["claim"], commit=commit)["ok"]
    saved = {}
    for why in ("no net", "no disk"):
        claim = storage.claim("ship-1")
        saved[claim["ref"]] = storage.push(claim["ref"])
        storage.ask("ship-1", "release", claim=claim["claim"], fault="infrastructure", why=why)
    give_up(storage, "ship-1", "infrastructure", "it had nothing")
    call = look(storage)
    wrecks = state.wrecks(call, call.claims.values())
    assert [(wreck["ref"], wreck["why"]) for wreck in wrecks] == [
        ("work/2-3", "no disk"),
        ("work/2-2", "no net"),
    ]
    assert {wreck["ref"]: wreck["commit"] for wreck in wrecks} == saved
    assert {wreck["ship"] for wreck in wrecks} == {"ship-1"}


@rule("R55", "R138")
def test_what_was_found_apart_from_the_work_is_a_wreck(sail: Sail):
    """Also of a claim that has landed, since that is nowhere on the branch."""
    storage = sail(task("1"))
    claim = storage.claim("ship-0")
    further = f"{claim['ref']}+0123456789ab"
    stash = storage.push(further)
    commit = storage.push(claim["ref"])
    call = look(storage)
    assert {wreck["ref"] for wreck in state.wrecks(call, call.claims.values())} == {
        further,
        claim["ref"],
    }
    assert storage.ask("ship-0", "land", claim=claim["claim"], commit=commit)["ok"]
    call = look(storage)
    [wreck] = state.wrecks(call, call.claims.values())
    assert (wreck["ref"], wreck["commit"]) == (further, stash)
