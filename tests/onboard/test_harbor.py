import json
import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocaptain.onboard.storage import serve
from tests.support.rules import rule
from tests.support.storage import SHIPS, Sail, Storage, assert_sound, git, task


def land(storage: Storage, ship: str, claim: dict[str, Any], commit: Any, **more: Any) -> Any:
    return storage.ask(ship, "land", claim=claim["claim"], commit=commit, **more)


def give_up(storage: Storage, ship: str, fault: str, why: str = "it broke") -> Any:
    number = storage.claim(ship)["claim"]
    return storage.ask(ship, "release", claim=number, why=why, fault=fault)


def state(storage: Storage) -> tuple[str, Any]:
    """The voyage's state and its reason, as a ship that finds nothing to claim is told."""
    answer = storage.claim(storage.join())
    assert answer["claim"] is None, answer
    return answer["state"], answer["reason"]


# Claims


@rule("R29")
def test_the_longest_chain_goes_first(sail: Sail):
    """Tasks are handed out by the length of their chain, then their dependants, then their ids."""
    tasks = [task("1"), task("10"), task("9"), task("a"), task("3"), task("4", "3"), task("5", "4")]
    tasks += [task("6"), task("7", "6"), task("8", "6"), task("20"), task("21", "20")]
    storage = sail(*tasks)
    fleet = [*SHIPS, *(storage.join() for _ in range(4))]
    claims = [storage.claim(ship) for ship in fleet]
    assert [claim["task"]["id"] for claim in claims] == ["3", "6", "20", "1", "9", "10", "a"]
    assert [claim["claim"] for claim in claims] == list(range(1, 8))
    assert state(storage) == ("running", None)
    assert_sound(storage)


@rule("R27")
def test_a_task_waits_for_its_blockers(sail: Sail):
    """A task is handed out once all of its blockers are completed, and not before."""
    storage = sail(task("1"), task("2"), task("3", "1", "2"))
    first, second = storage.claim("ship-0"), storage.claim("ship-1")
    assert storage.claim("ship-2")["claim"] is None
    land(storage, "ship-0", first, None)
    assert storage.claim("ship-2")["claim"] is None
    land(storage, "ship-1", second, None, note="was there")
    third = storage.claim("ship-2")
    assert third["task"]["id"] == "3"
    assert [done["id"] for done in third["landed"]] == ["1", "2"]
    assert third["landed"][1]["metadata"]["note"] == "was there"


@rule("R30")
def test_work_on_the_same_files_waits_while_there_is_other_work(sail: Sail):
    """A task that shares a path with work in progress comes last, but it comes."""
    storage = sail(
        task("1", files=["src/"]),
        task("2", files=["src/a.py"]),
        task("3", "2"),
        task("4", files=["src/a.pyi"]),
    )
    order = [storage.claim(f"ship-{n}")["task"]["id"] for n in range(2)]
    assert order == ["2", "4"]
    assert storage.claim("ship-2")["task"]["id"] == "1"


@rule("R19")
def test_the_same_run_gets_its_claim_again(sail: Sail):
    """A repeated claim of the same helm changes nothing but the lease."""
    storage = sail(task("1"), task("2"))
    first = storage.claim("ship-0")
    assert storage.claim("ship-0") == first
    assert list(storage.sections()["claims"]) == ["1"]
    assert storage.tasks()["1"]["owner"] == "ship-0"


@rule("R31")
def test_a_new_run_abandons_the_old_claim(sail: Sail):
    """A helm that starts anew gets a new claim at once; the old one can do nothing any more."""
    storage = sail(task("1"))
    old, new = storage.claim("ship-0", "a"), storage.claim("ship-0", "b")
    assert (old["claim"], new["claim"], new["task"]["id"]) == (1, 2, "1")
    assert land(storage, "ship-0", old, None)["code"] == "lost"
    assert storage.ask("ship-0", "beat", claim=1)["lost"] == "ship-0 started anew"
    assert storage.tasks()["1"]["metadata"] == {"claim": 2, "interruptions": 1}
    assert land(storage, "ship-0", new, None)["ok"]
    assert_sound(storage)


@rule("R13")
def test_a_claim_is_its_ships_own(sail: Sail):
    """Nobody can beat, land, release or add by another ship's claim, or by one that never was."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    for number in (1, 7, None, "x", [1]):
        for op in ("beat", "land", "release", "add"):
            answer = storage.ask("ship-1", op, claim=number, task={"subject": "x"})
            assert answer["code"] == "claim", answer
    assert storage.tasks().keys() == {"1", "2"}
    assert storage.tasks()["1"]["status"] == "in_progress"


# Leases


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
    assert storage.tasks()["1"]["metadata"]["interruptions"] == 1
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


@rule("R38")
def test_interruptions_use_up_no_attempt(sail: Sail):
    """Infrastructure trouble sets a task aside only after twice max_attempts interruptions."""
    storage = sail(task("1"))
    give_up(storage, "ship-0", "agent")
    give_up(storage, "ship-0", "infrastructure")
    storage.claim("ship-0")
    storage.pass_time(61)
    storage.claim("ship-1", "a")
    storage.claim("ship-1", "b")
    notes = storage.tasks()["1"]["metadata"]
    assert notes == {"claim": 5, "attempts": 1, "interruptions": 3}
    storage.ask("ship-1", "release", claim=5, fault="infrastructure", why="no disk")
    assert "after 4 interruptions" in storage.tasks()["1"]["metadata"]["failed"]
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


# Landing


@rule("R41")
def test_land_is_one_act(sail: Sail):
    """One line of the journal moves the branch, completes the task and ends the claim."""
    storage = sail(task("1"), task("2", "1"))
    claim = storage.claim("ship-0")
    commit = storage.push(claim["ref"])
    assert land(storage, "ship-0", claim, commit) == {"ok": True, "head": commit}
    line = storage.lines()[-1]
    assert (line["who"], line["op"], line["claim"]) == ("ship-0", "land", 1)
    assert line["set"]["meta"]["head"] == commit == storage.head()
    assert line["set"]["tasks"]["1"]["status"] == "completed"
    assert line["set"]["tasks"]["1"]["metadata"]["commit"] == commit
    assert line["set"]["claims"]["1"]["state"] == "landed"


@rule("R18")
def test_a_lost_answer_is_given_again(sail: Sail):
    """`land` with the same id, or of the same commit, is answered and done no second time."""
    storage = sail(task("1"), task("2"))
    claim = storage.claim("ship-0")
    commit = storage.push(claim["ref"])
    first = land(storage, "ship-0", claim, commit, id="x")
    other = storage.claim("ship-1")
    land(storage, "ship-1", other, storage.push(other["ref"]))
    before = storage.lines()
    assert land(storage, "ship-0", claim, commit, id="x") == first
    assert storage.lines() == before
    assert land(storage, "ship-0", claim, commit, id="y")["ok"]
    assert land(storage, "ship-0", claim, None, id="z")["code"] == "lost"
    assert [t["status"] for t in storage.tasks().values()] == ["completed"] * 2
    assert storage.tasks()["1"]["metadata"]["commit"] == commit


@rule("R18")
def test_an_id_is_a_ships_own(sail: Sail):
    """Another ship's answer is not given to who uses the same id."""
    storage = sail(task("1"), task("2"))
    for ship in ("ship-0", "ship-1"):
        storage.claim(ship)
    given = [storage.ask(f"ship-{n}", "release", id="x", claim=n + 1) for n in range(2)]
    assert [answer["ok"] for answer in given] == [True, True]
    assert {t["status"] for t in storage.tasks().values()} == {"pending"}


@rule("R43")
def test_only_what_was_pushed_lands(sail: Sail):
    """A commit lands from the claim's own ref only, in full length, and as a commit."""
    storage = sail(task("1"), task("2"))
    claim, other = storage.claim("ship-0"), storage.claim("ship-1")
    pushed = storage.push(other["ref"])
    wrong: Any = (
        pushed,
        storage.start,
        "",
        "HEAD",
        pushed[:12],
        7,
        True,
        {"a": []},
        [],
        f"{pushed}\n",
    )
    for commit in wrong:
        assert land(storage, "ship-0", claim, commit)["code"] == "ref", commit
    assert storage.head() == storage.start
    own = storage.push(claim["ref"])
    assert land(storage, "ship-0", claim, pushed)["code"] == "ref"
    assert land(storage, "ship-0", claim, own)["ok"]
    assert_sound(storage)


@rule("R44")
def test_an_unrelated_history_does_not_land(sail: Sail):
    """A commit that has nothing to do with the branch is stale, and the branch stays."""
    storage = sail(task("1"))
    claim = storage.claim("ship-0")
    tree = git(storage.repo, "rev-parse", f"{storage.start}^{{tree}}")
    orphan = git(storage.repo, "commit-tree", tree, "-m", "orphan")
    git(storage.repo, "update-ref", f"refs/heads/{claim['ref']}", orphan)
    assert land(storage, "ship-0", claim, orphan)["code"] == "stale"
    assert storage.head() == storage.start


@rule("R42", "R55")
def test_the_dead_land_nothing(sail: Sail):
    """A ship whose claim expired cannot land, even what it had pushed in time."""
    storage = sail(task("1"))
    claim = storage.claim("ship-0")
    commit = storage.push(claim["ref"])
    storage.pass_time(61)
    again = storage.claim("ship-1")
    assert land(storage, "ship-0", claim, commit)["code"] == "lost"
    assert storage.head() == storage.start
    (wreck,) = again["wrecks"]
    assert (wreck["ref"], wreck["commit"], wreck["ship"]) == (claim["ref"], commit, "ship-0")


@rule("R55", "R56")
def test_wrecks_are_told_the_latest_first(sail: Sail):
    """The next claimant learns of what earlier claims left, and why, unless it left nothing."""
    storage = sail(task("1"), max_attempts=9)
    give = {"why": "no net", "fault": "infrastructure"}
    for ship in ("ship-0", "ship-1"):
        claim = storage.claim(ship)
        storage.push(claim["ref"])
        storage.ask(ship, "release", claim=claim["claim"], **give)
    storage.ask("ship-1", "release", claim=storage.claim("ship-1")["claim"], **give)
    wrecks = storage.claim("ship-2")["wrecks"]
    assert [(w["number"], w["why"]) for w in wrecks] == [(2, "no net"), (1, "no net")]


def raced(storage: Storage, ship: str, claim: dict[str, Any]) -> str:
    """Let a ship lose the race to land: another lands first. Its answer's code."""
    commit = storage.push(claim["ref"])
    other = storage.join()
    winner = storage.claim(other)
    assert land(storage, other, winner, storage.push(winner["ref"]))["ok"]
    return str(land(storage, ship, claim, commit, state="landing")["code"])


@rule("R46")
def test_who_lost_a_race_gets_the_berth(sail: Sail):
    """After a lost race only that ship lands, and others have to wait; then all may again."""
    storage = sail(*(task(str(n)) for n in range(1, 8)))
    slow, other = storage.claim("ship-0"), storage.claim("ship-1")
    assert raced(storage, "ship-0", slow) == "stale"
    commit = storage.push(other["ref"])
    assert land(storage, "ship-1", other, commit)["code"] == "berth"
    assert storage.head() != commit
    assert land(storage, "ship-0", slow, storage.push(slow["ref"]))["ok"]
    assert land(storage, "ship-1", other, commit)["code"] == "stale"
    assert land(storage, "ship-1", other, storage.push(other["ref"]))["ok"]
    assert_sound(storage)


@rule("R46")
def test_who_asks_before_it_pushes_gets_the_berth(sail: Sail):
    """`ref` says that it would land, were it pushed, and keeps the place until it is."""
    storage = sail(*(task(str(n)) for n in range(1, 8)))
    early, other = storage.claim("ship-0"), storage.claim("ship-1")
    told = {"base_commit": storage.start, "state": "landing"}
    assert land(storage, "ship-0", early, "f" * 40, **told)["code"] == "ref"
    commit = storage.push(other["ref"])
    assert land(storage, "ship-1", other, commit)["code"] == "berth"
    assert land(storage, "ship-0", early, storage.push(early["ref"]), **told)["ok"]
    assert land(storage, "ship-1", other, commit)["code"] == "stale"
    assert_sound(storage)


@rule("R44")
def test_work_on_an_old_base_need_not_be_pushed_to_be_stale(sail: Sail):
    """`base` is what the work was rebased onto; where the branch is elsewhere it is stale, and
    where it only claims to be up to date it is found out."""
    storage = sail(*(task(str(n)) for n in range(1, 8)))
    claim = storage.claim("ship-0")
    old = storage.push("work/aside")
    for base in ("f" * 40, old, "HEAD", storage.start[:12]):
        assert land(storage, "ship-0", claim, "e" * 40, base_commit=base)["code"] == "stale", base
    assert raced(storage, "ship-0", claim) == "stale"
    stale = storage.push(claim["ref"], storage.start)
    assert land(storage, "ship-0", claim, stale, base_commit=storage.start)["code"] == "stale"
    assert land(storage, "ship-0", claim, stale, base_commit=storage.head())["code"] == "stale"
    assert storage.head() != stale
    commit = storage.push(claim["ref"])
    assert land(storage, "ship-0", claim, commit, base_commit=storage.head())["ok"]
    assert_sound(storage)


@rule("R47")
def test_the_berth_ends_with_its_claim(sail: Sail):
    """Who has the berth and gives up, or is swept, holds nobody up."""
    for end in ("release", "sweep"):
        storage = sail(*(task(str(n)) for n in range(1, 8)))
        slow = storage.claim("ship-0")
        raced(storage, "ship-0", slow)
        other = storage.claim("ship-1")
        commit = storage.push(other["ref"])
        assert land(storage, "ship-1", other, commit)["code"] == "berth"
        if end == "release":
            storage.ask("ship-0", "release", claim=slow["claim"], fault="agent", why="conflict")
        else:
            storage.pass_time(45)
            storage.ask("ship-1", "beat", claim=other["claim"])
            storage.pass_time(16)
        assert land(storage, "ship-1", other, commit)["ok"], end


@rule("R47")
def test_the_berth_is_for_who_lands(sail: Sail):
    """Whose agent is at work again, after a conflict or a red check, holds nobody up meanwhile."""
    storage = sail(*(task(str(n)) for n in range(1, 8)))
    slow, other = storage.claim("ship-0"), storage.claim("ship-1")
    raced(storage, "ship-0", slow)
    commit = storage.push(other["ref"])
    storage.ask("ship-0", "beat", claim=slow["claim"], state="landing")
    assert land(storage, "ship-1", other, commit)["code"] == "berth"
    storage.ask("ship-0", "beat", claim=slow["claim"], state="working")
    assert land(storage, "ship-1", other, commit)["ok"]


@rule("R47")
def test_the_berth_has_a_time_limit(sail: Sail):
    """Who has the berth for longer than the time limit, however alive, loses it."""
    storage = sail(*(task(str(n)) for n in range(1, 8)), lease_seconds=600)
    slow = storage.claim("ship-0")
    raced(storage, "ship-0", slow)
    other = storage.claim("ship-1")
    commit = storage.push(other["ref"])
    storage.pass_time(59)
    assert land(storage, "ship-1", other, commit)["code"] == "berth"
    storage.pass_time(2)
    assert land(storage, "ship-1", other, commit)["ok"]


@rule("R46")
def test_a_berth_that_was_taken_is_not_remembered(sail: Sail):
    """The same request, by its id, is decided again once the berth is free."""
    storage = sail(*(task(str(n)) for n in range(1, 8)))
    slow, other = storage.claim("ship-0"), storage.claim("ship-1")
    raced(storage, "ship-0", slow)
    commit = storage.push(other["ref"])
    assert land(storage, "ship-1", other, commit, id="x")["code"] == "berth"
    storage.ask("ship-0", "release", claim=slow["claim"], fault="agent", why="conflict")
    assert land(storage, "ship-1", other, commit, id="x")["ok"]
    assert land(storage, "ship-1", other, commit, id="x")["head"] == commit


@rule("R21")
def test_a_request_that_waits_in_vain_changes_nothing(sail: Sail):
    """Decided again, what is still in vain leaves no line; what is no longer does what it asks."""
    storage = sail(task("1"), task("2", "1"), task("3"))
    slow, other = storage.claim("ship-0"), storage.claim("ship-1")
    land(storage, "ship-0", slow, "f" * 40, state="landing")
    commit = storage.push(other["ref"])
    asked: list[tuple[str, dict[str, Any]]] = [
        ("ship-1", {"op": "land", "claim": other["claim"], "commit": commit, "id": "x"}),
        ("ship-2", {"op": "claim", "run_id": "r"}),
    ]

    def again(ship: str, request: dict[str, Any]) -> serve.Decision:
        return serve.decide(storage.journal(), storage.voyage, ship, request, again=True)

    before = storage.journal_file.read_bytes()
    decisions = [again(*each) for each in asked]
    assert [decision.waits for decision in decisions] == [True, True]
    assert storage.journal_file.read_bytes() == before
    assert land(storage, "ship-0", slow, None)["ok"]
    decisions = [again(*each) for each in asked]
    assert [decision.waits for decision in decisions] == [False, False]
    answers = [decision.answer for decision in decisions]
    assert answers[0] == {"ok": True, "head": commit}
    assert answers[1]["task"]["id"] == "2"
    assert_sound(storage)


@rule("R48")
def test_a_note_completes_without_a_commit(sail: Sail):
    """A task that needed no change is completed with its reason, whoever has the berth."""
    storage = sail(task("1"))
    claim = storage.claim("ship-0")
    assert land(storage, "ship-0", claim, None, note="it was done\x1b[2J")["head"] == storage.start
    done = storage.tasks()["1"]
    assert done["status"] == "completed"
    assert done["metadata"] == {"claim": 1, "note": "it was done\ufffd[2J"}
    assert storage.order("tasks")["tasks"][0]["reason"] == "it was done\ufffd[2J"


# Verification


@rule("R60", "R65")
def test_one_ship_verifies(sail: Sail):
    """When all tasks are completed exactly one ship is given the verification of that head."""
    storage = sail(task("1"))
    claim = storage.claim("ship-0")
    commit = storage.push(claim["ref"])
    land(storage, "ship-0", claim, commit)
    check = storage.claim("ship-1")
    assert check == {"ok": True, "claim": 2, "head": commit, "task": None}
    assert storage.claim("ship-1") == check
    assert storage.claim("ship-0")["claim"] is None
    assert state(storage) == ("verifying", None)
    marker = storage.folder / "artifacts" / "voyage-complete.marker"
    assert not marker.exists()
    assert land(storage, "ship-1", check, commit, id="v")["ok"]
    assert state(storage) == ("complete", None)
    assert json.loads(marker.read_text())["head"] == commit
    assert storage.claim("ship-0")["claim"] is None


@rule("R61")
def test_a_verification_of_another_head_counts_nothing(sail: Sail):
    """Only the head that was claimed can be verified; else the verification is due again."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    others: list[Any] = [None, "0" * 40, ["x"]]
    for commit in others:
        check = storage.claim("ship-0")
        assert land(storage, "ship-0", check, commit)["code"] == "void"
    assert storage.claim("ship-1")["task"] is None
    assert_sound(storage)


@rule("R61")
def test_a_task_added_meanwhile_voids_the_verification(sail: Sail):
    """A verification during which a task came in neither completes the voyage nor repairs it."""
    for outcome in ("green", "red"):
        storage = sail(task("1"))
        storage.finish("ship-0")
        check = storage.claim("ship-0")
        storage.ask("ship-0", "add", claim=check["claim"], task={"subject": "One more"})
        if outcome == "green":
            assert land(storage, "ship-0", check, storage.start)["code"] == "void"
        else:
            storage.ask("ship-0", "release", claim=check["claim"], fault="agent", why="red")
        assert storage.tasks().keys() == {"1", "2"}
        assert storage.claim("ship-1")["task"]["subject"] == "One more"
        assert_sound(storage)


@rule("R62")
def test_a_lost_verifier_is_replaced(sail: Sail):
    """A verification that expires, or fails for the infrastructure's sake, is given out again."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    storage.claim("ship-0")
    storage.pass_time(61)
    check = storage.claim("ship-1")
    assert check["claim"] == 3
    storage.ask("ship-1", "release", claim=3, fault="infrastructure", why="no disk")
    assert storage.claim("ship-0")["claim"] == 4
    assert storage.tasks().keys() == {"1"}


@rule("R64")
def test_a_red_verification_makes_a_repair_task(sail: Sail):
    """verify.sh's output becomes a task, as often as the voyage allows; then it has failed."""
    storage = sail(task("1"), max_repairs=2)
    storage.finish("ship-0")
    for n in (1, 2):
        give_up(storage, "ship-0", "agent", f"broken {n}")
        repair = storage.claim("ship-1")
        assert repair["task"]["metadata"]["repair"] == n
        assert repair["task"]["description"].endswith(f"broken {n}")
        assert land(storage, "ship-1", repair, storage.push(repair["ref"]))["ok"]
    give_up(storage, "ship-0", "agent", "still broken")
    verdict, reason = state(storage)
    assert verdict == "failed"
    assert "red after 2 repair tasks: still broken" in reason
    assert storage.tasks().keys() == {"1", "2", "3"}
    assert storage.claim("ship-1")["claim"] is None


@rule("R66")
def test_a_repair_that_is_set_aside_fails_the_voyage(sail: Sail):
    """When nobody can do the repair, the voyage is failed and says so."""
    storage = sail(task("1"), max_attempts=1)
    storage.finish("ship-0")
    give_up(storage, "ship-0", "agent", "red")
    give_up(storage, "ship-0", "agent", "no idea")
    assert state(storage) == ("failed", "task 2 after 1 attempt, the last: no idea")


# Money and refusals


@rule("R67")
def test_a_spent_budget_pauses_the_voyage(sail: Sail):
    """Once the reported cost reaches the budget no task is handed out, and the reason is told."""
    storage = sail(task("1"), task("2"), task("3"), budget_usd=1.0)
    first, second = storage.claim("ship-0"), storage.claim("ship-1")
    assert first["budget_usd"] == 1.0
    storage.ask("ship-0", "beat", claim=first["claim"], cost_usd=0.75)
    assert storage.claim("ship-1")["budget_usd"] == 0.25
    land(storage, "ship-1", second, None, cost_usd=0.25)
    assert state(storage) == ("paused", "$1.00 of the budget of $1 are spent")
    land(storage, "ship-0", first, None)
    assert state(storage)[0] == "paused"
    assert storage.order("status")["state"] == "paused"
    assert storage.order("status")["cost_usd"] == 1.0


@rule("R67")
def test_a_refusal_pauses_the_voyage(sail: Sail):
    """Credentials that the API refuses stop all claims, with the reason, and use no attempt."""
    storage = sail(task("1"), task("2"))
    give_up(storage, "ship-0", "refused", "401: no such token")
    assert state(storage) == ("paused", "401: no such token")
    assert "attempts" not in storage.tasks()["1"]["metadata"]


# Tasks that agents add


@rule("R32")
def test_an_added_task_is_pending(sail: Sail):
    """An added task has what its author may say, where it came from, and nothing else."""
    storage = sail(task("7"), task("a"))
    storage.claim("ship-0")
    given = {
        "subject": "More\x07 work",
        "description": "line\n\ttab",
        "activeForm": "Working",
        "status": "completed",
        "id": "1",
        "owner": "ship-0",
        "blockedBy": ["7"],
        "metadata": {"files": ["a", 5], "commit": "abc", "attempts": -100},
    }
    assert "8" in storage.ask("ship-0", "add", claim=1, task=given, id="t")["message"]
    storage.ask("ship-0", "add", claim=1, task=given, id="t")
    assert storage.tasks().keys() == {"7", "a", "8"}
    added = storage.tasks()["8"]
    assert (added["subject"], added["description"]) == ("More\ufffd work", "line\n\ttab")
    assert added["status"] == "pending"
    assert "owner" not in added
    assert added["metadata"] == {"files": ["a"], "addedBy": "ship-0", "addedIn": 1}


@rule("R17")
def test_what_is_taken_however_little_room_there_is_is_small(sail: Sail):
    """No claim, beat or landing makes the journal grow by much, whatever is in it."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    journal, long = storage.folder / "journal.jsonl", "x" * 16_000
    for op in ("claim", "beat", "land"):
        before = journal.stat().st_size
        told = dict.fromkeys(("run_id", "commit", "base_commit", "reason", "state"), long)
        for number in range(20):
            storage.ask("ship-0", op, id=f"{long}{number}", **{"claim": 1, **told})
        assert journal.stat().st_size - before < 20 * 6_000, op


@rule("R17")
def test_files_of_an_added_task_are_few_and_short(sail: Sail):
    """Each claim compares them with those of tasks at work, under the lock."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    files = ["a\x1b" * 1000] * 1000
    given = {"subject": "More", "metadata": {"files": files}}
    storage.ask("ship-0", "add", claim=1, task=given)
    kept = storage.tasks()["2"]["metadata"]["files"]
    assert kept == [("a\ufffd" * 1000)[:300]] * 100


@rule("R32")
@pytest.mark.parametrize("given", [None, [], "x", {}, {"subject": " \n"}, {"subject": 5}])
def test_what_is_no_task_is_refused(sail: Sail, given: Any):
    """A task without a subject is not added, and the refusal is remembered with its id."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    answers = [storage.ask("ship-0", "add", claim=1, task=given, id="t") for _ in range(2)]
    assert answers[0]["code"] == "task"
    assert answers[0] == answers[1]
    assert storage.tasks().keys() == {"1"}


@rule("R32")
def test_only_who_works_adds(sail: Sail):
    """A claim that has ended adds nothing: a complete voyage stays complete."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    answer = storage.ask("ship-0", "add", claim=1, task={"subject": "late"})
    assert answer["code"] == "lost"
    assert storage.tasks().keys() == {"1"}


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


@rule("R17")
def test_an_answer_is_kept_for_a_while(sail: Sail):
    """Answers of a ship are kept by the last few ids only, so that state does not grow."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    for n in range(40):
        storage.ask("ship-0", "add", claim=1, task={}, id=f"id-{n}")
    kept = storage.sections()["answers"]["ship-0"]
    assert list(kept) == [f"id-{n}" for n in range(40 - len(kept), 40)]
    assert 2 <= len(kept) <= 20


@rule("R17")
def test_a_refusal_is_short(sail: Sail):
    """However much a ship sends, what it is refused with, and the journal, stay small."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    before = storage.journal_file.stat().st_size
    huge = "x" * 1_000_000
    for n in range(3):
        answer = storage.ask("ship-0", "land", claim=1, commit=huge, id=str(n))
        assert len(json.dumps(answer)) < 2_000
        storage.ask("ship-0", "beat", claim=huge, id=huge, reason=huge, run_id=huge)
    assert storage.journal_file.stat().st_size - before < 500_000


# Anything at all

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from([1, 2, 3, "1", "x", 1e308, -1, 2**70, "\ud800", "\x1b[2J", "a" * 20_000])
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
FIELDS: tuple[str, ...] = (
    "id",
    "run_id",
    "claim",
    "commit",
    "note",
    "why",
    "fault",
    "task",
    "state",
    "reason",
    "until",
)
FIELDS += ("base_commit", "wait", "cost_usd", "subject", "files", "metadata", "unknown")
OPS = st.sampled_from(["claim", "beat", "land", "release", "add", "status", "serve", ""])
NUMBERS = st.integers(1, 6)
REQUESTS = st.fixed_dictionaries(
    {"op": OPS | JSON},
    optional={
        **dict.fromkeys(FIELDS, JSON),
        "claim": NUMBERS | NUMBERS | JSON,
        "commit": st.none() | JSON,
        "fault": st.sampled_from(["agent", "infrastructure", "refused"]) | JSON,
        "run_id": st.sampled_from(["a", "b"]) | JSON,
        "task": st.fixed_dictionaries({"subject": st.text(min_size=1)}) | JSON,
    },
)


@rule("R15")
@settings(max_examples=settings().max_examples // 4)
@given(st.lists(st.tuples(st.sampled_from(SHIPS), REQUESTS, st.floats(0, 70)), max_size=6))
def test_whatever_a_ship_sends_it_gets_an_answer(
    model_storage: Path, calls: list[tuple[str, dict[str, Any], float]]
):
    """Requests of any shape are granted or refused, and leave a sound state."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = [task("1"), task("2", "1"), task("3")]
        storage = Storage(model_storage, Path(folder) / "home", tasks)
        storage.claim("ship-0", "a")
        for ship, request, seconds in calls:
            storage.now += seconds
            answer = storage.ask(ship, **request)
            assert isinstance(answer["ok"], bool)
            json.dumps(answer).encode()
        assert_sound(storage)


def story(storage: Storage, dice: random.Random) -> None:
    """One random, sensible step of one of the ships."""
    ship = dice.choice(SHIPS)
    storage.now += dice.choice([0, 1, 10, 20, 500])
    live = [c for c in storage.sections()["claims"].values() if c["ship"] == ship]
    if not live or dice.random() < 0.4:
        storage.claim(ship, dice.choice("aab"))
        return
    number = dice.choice(live)["number"]
    what = dice.choice(["beat", "land", "land", "release", "add"])
    fault = dice.choice(["agent", "infrastructure"])
    told = {"commit": None, "fault": fault, "task": {"subject": "more"}, "id": dice.choice("xyz")}
    if what != "add" or len(storage.tasks()) < 8:
        storage.ask(ship, what, claim=number, **told)


@rule("R24", "R45")
@settings(max_examples=settings().max_examples // 4)
@given(st.randoms(use_true_random=False))
def test_a_random_voyage_stays_sound(model_storage: Path, dice: random.Random):
    """Whatever ships do, in any order and with any delay, no task is held twice or done twice."""
    with tempfile.TemporaryDirectory() as folder:
        tasks = [task("1"), task("2", "1"), task("3", "1"), task("4", "2", "3")]
        storage = Storage(model_storage, Path(folder) / "home", tasks)
        for _ in range(12):
            story(storage, dice)
        assert_sound(storage)
        completed: list[str] = []
        for line in storage.lines():
            done = [
                i for i, t in line["set"].get("tasks", {}).items() if t["status"] == "completed"
            ]
            assert not {*done} & {*completed}, "a completed task was changed"
            completed += done
            for task_id in done:
                blockers = {"2": ["1"], "3": ["1"], "4": ["2", "3"]}.get(task_id, [])
                assert {*blockers} <= {*completed}
