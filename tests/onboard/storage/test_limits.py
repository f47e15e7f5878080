"""Usage limits of a credential, which one ship hears of and all with the same have."""

from typing import Any

import pytest

from ocaptain.onboard.storage.limits import LONGEST_S, TRIAL_S
from tests.support.rules import rule
from tests.support.storage import Json, Sail, Storage, assert_sound, task

REASON = "usage limit reached five hour"
HOUR_S = 3600.0


def claim(storage: Storage, ship: str, run: str = "run", **credentials: str) -> Json:
    """Claim for a ship that says which credentials its agents have."""
    told = credentials or {"claude": "aaa"}
    return storage.ask(
        ship, "claim", run_id=run, agents=["claude", "codex"], lacks={}, credentials=told
    )


def say(storage: Storage, ship: str, number: int, **report: Any) -> Json:
    """A beat with what a ship says of its claim."""
    return storage.ask(ship, "beat", claim=number, **report)


def limit(storage: Storage, ship: str, number: int, until: float, credential: str = "aaa") -> None:
    """A ship says that its credential has a limit until then."""
    told = {"state": "limited", "reason": REASON, "until": until, "credential": credential}
    say(storage, ship, number, **told)


def limits(storage: Storage) -> Any:
    """What storage knows of limits."""
    return storage.sections()["meta"].get("limits", {})


@pytest.fixture
def limited(sail: Sail) -> Storage:
    """A voyage in which ship-0 is at task 1, and has told a limit that ends in an hour."""
    storage = sail(task("1"), task("2"), task("3"), lease_seconds=40_000)
    assert claim(storage, "ship-0")["task"]["id"] == "1"
    limit(storage, "ship-0", 1, storage.now + HOUR_S)
    return storage


@rule("R170")
def test_one_ships_limit_is_known_to_all_with_the_credential(limited: Storage):
    """They are handed no task until it ends, and `status` shows them as it shows the one."""
    until = limited.now + HOUR_S
    assert claim(limited, "ship-1")["claim"] is None
    limited.now += 60
    status = limited.order("status")
    first, second, third = status["ships"]
    for ship in (first, second):
        assert (ship["state"], ship["reason"], ship["until"]) == ("limited", REASON, until)
    assert (second["task"], second["since"]) == (None, until - HOUR_S)
    assert (third["state"], status["state"], status["reason"]) == ("starting", "running", None)
    limited.now = until - 1
    assert claim(limited, "ship-1")["claim"] is None
    assert_sound(limited)


@rule("R170")
def test_who_is_at_work_goes_on_and_others_credentials_are_not_held_up(sail: Sail):
    """A limit ends no claim; it is of one credential, whichever agent or ship has that."""
    codex = task("4", agent="codex")
    storage = sail(task("1"), task("2"), task("3"), codex, lease_seconds=40_000)
    both = {"claude": "aaa", "codex": "bbb"}
    claim(storage, "ship-0", **both)
    claim(storage, "ship-1", **both)
    limit(storage, "ship-0", 1, storage.now + HOUR_S)
    assert say(storage, "ship-1", 2, state="working")["lost"] is None
    assert storage.ask("ship-1", "land", claim=2, commit=None)["ok"]
    assert claim(storage, "ship-1", **both)["task"]["id"] == "4"
    assert claim(storage, "ship-2", claude="aaa", codex="aaa")["claim"] is None
    assert claim(storage, "ship-2", claude="ccc")["task"]["id"] == "3"


@rule("R170")
def test_no_task_comes_with_a_landing_while_there_is_a_limit(limited: Storage):
    """What a ship is given with its landing is held up as what it asks for."""
    assert claim(limited, "ship-1", claude="ccc")["task"]["id"] == "2"
    limit(limited, "ship-1", 2, limited.now + HOUR_S, "ccc")
    landed = limited.ask("ship-1", "land", claim=2, commit=None, run_id="run")
    assert (landed["ok"], landed["next"]) == (True, None)


@rule("R170")
def test_the_verification_waits_for_no_limit(sail: Sail):
    """It needs no agent."""
    storage = sail(task("1"))
    claim(storage, "ship-0")
    limit(storage, "ship-0", 1, storage.now + HOUR_S)
    assert storage.ask("ship-0", "land", claim=1, commit=None)["ok"]
    granted = claim(storage, "ship-1")
    assert (granted["claim"], granted["task"]) == (2, None)


@rule("R171")
def test_one_ship_alone_tries_whether_a_limit_is_over(limited: Storage):
    """The one that told it goes on by itself; once it works, the others are handed tasks."""
    limited.now += HOUR_S + 1
    assert claim(limited, "ship-1")["claim"] is None
    shown = limited.order("status")["ships"][1]
    assert (shown["state"], shown["until"]) == ("limited", None)
    assert "one ship tries" in shown["reason"]
    say(limited, "ship-0", 1, state="working")
    assert limits(limited) == {}
    assert claim(limited, "ship-1")["task"]["id"] == "2"


@rule("R171")
def test_a_limit_that_is_not_over_is_renewed(limited: Storage):
    """The others wait again, for as long as is told now, and not for less than was told before."""
    limited.now += HOUR_S + 1
    limit(limited, "ship-0", 1, limited.now + 2 * HOUR_S)
    limited.now += TRIAL_S + HOUR_S
    assert claim(limited, "ship-1")["claim"] is None
    limit(limited, "ship-0", 1, limited.now + 1)
    limited.now += 2
    assert claim(limited, "ship-1")["claim"] is None


@rule("R171")
def test_a_limit_is_tried_though_the_ship_that_told_it_is_gone(limited: Storage):
    """The first to ask tries; whoever says nothing for long keeps nobody waiting."""
    limited.order("release", task="1")
    limited.now += HOUR_S + 1
    assert claim(limited, "ship-1")["claim"] == 2
    assert claim(limited, "ship-2")["claim"] is None
    limited.now += TRIAL_S
    assert claim(limited, "ship-2")["claim"] == 3
    assert claim(limited, "ship-0", "anew")["claim"] is None
    say(limited, "ship-2", 3, state="working")
    assert claim(limited, "ship-0", "anew")["claim"] == 4


@rule("R171")
def test_resume_ends_a_limit(limited: Storage):
    """The captain may have bought more. That the ship waits on is no news after that."""
    claim(limited, "ship-1")
    limited.order("resume")
    limit(limited, "ship-0", 1, limited.now + HOUR_S)
    assert limits(limited) == {}
    assert claim(limited, "ship-1")["task"]["id"] == "2"
    limit(limited, "ship-1", 2, limited.now + HOUR_S)
    assert claim(limited, "ship-2")["claim"] is None


@rule("R170")
def test_a_limit_outlives_all_that_is_not_the_journal(limited: Storage):
    """Another process reads it there, and what `fsck` makes of the journal is the same."""
    before = limits(limited)
    (limited.folder / "state.json").unlink(missing_ok=True)
    assert limited.order("fsck")["faults"] == []
    assert limits(limited) == before
    assert [*before] == ["aaa"]
    assert claim(limited, "ship-1")["claim"] is None


def test_what_is_no_limit_of_a_credential_holds_nobody_up(sail: Sail):
    """One server's overload is of one session; nor does a limit without an end count."""
    storage = sail(task("1"), task("2"))
    claim(storage, "ship-0")
    reports: list[Json] = [
        {"until": 2e6},
        {"credential": "aaa"},
        {"credential": "aaa", "until": 1.0},
        {"credential": ["aaa"], "until": 2e6},
        {"credential": "aaa", "until": 3e6, "state": "working"},
    ]
    for report in reports:
        say(storage, "ship-0", 1, **{"state": "limited", "reason": REASON, **report})
        assert limits(storage) == {}, report
    assert claim(storage, "ship-1")["task"]["id"] == "2"


def test_no_limit_is_believed_to_last_for_ever(limited: Storage):
    """A clock may be wrong, and so may an API."""
    limit(limited, "ship-0", 1, limited.now + 1e9)
    assert limits(limited)["aaa"]["until"] == limited.now + LONGEST_S


def test_credentials_of_the_wrong_kind_are_none(limited: Storage):
    """Who does not say what it has is handed tasks."""
    told: list[Any] = [None, [], {"claude": 7}, {"": "aaa"}, {"claude": ""}]
    for number, credentials in enumerate(told, 2):
        granted = limited.ask("ship-1", "claim", run_id=f"{number}", credentials=credentials)
        assert granted["claim"] == number, credentials
