"""How work lands."""

import json
from typing import Any

from ocaptain.onboard.storage import serve
from tests.support.claims import land, state
from tests.support.rules import rule
from tests.support.storage import Sail, Storage, assert_sound, git, task


@rule("R41")
def test_land_is_one_act(sail: Sail):
    """One line of the journal moves the branch, completes the task and ends the claim."""
    storage = sail(task("1"), task("2", "1"))
    claim = storage.claim("ship-0")
    commit = storage.push(claim["ref"])
    assert land(storage, "ship-0", claim, commit) == {"ok": True, "head": commit, "next": None}
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
def test_the_next_claim_comes_with_the_landing(sail: Sail):
    """By one line, if it is asked for; who has not got that answer asks for its claim."""
    storage = sail(task("1"), task("2"))
    claim = storage.claim("ship-0")
    commit = storage.push(claim["ref"])
    answer = land(storage, "ship-0", claim, commit, id="x", run_id="run", state="landing")
    assert (answer["head"], answer["next"]["task"]["id"]) == (commit, "2")
    assert list(storage.lines()[-1]["set"]["claims"]) == ["1", "2"]
    assert storage.order("status")["ships"][0]["state"] == "working"
    assert land(storage, "ship-0", claim, commit, id="x", run_id="run")["next"] is None
    assert storage.claim("ship-0") == {**answer["next"], "ok": True}
    assert storage.ask("ship-0", "land", claim=2, commit=None, run_id="run")["next"] == {
        "claim": 3,
        "head": commit,
        "task": None,
    }, "the verification"
    assert_sound(storage)


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
    """Who has the berth and gives up, is silent or is swept, holds nobody up."""
    for end in ("release", "silence", "sweep"):
        storage = sail(*(task(str(n)) for n in range(1, 8)))
        slow = storage.claim("ship-0")
        raced(storage, "ship-0", slow)
        other = storage.claim("ship-1")
        commit = storage.push(other["ref"])
        assert land(storage, "ship-1", other, commit)["code"] == "berth"
        if end == "release":
            storage.ask("ship-0", "release", claim=slow["claim"], fault="agent", why="conflict")
        elif end == "silence":
            storage.pass_time(21)
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
    assert all(decision.waits_on for decision in decisions)
    assert storage.journal_file.read_bytes() == before
    assert land(storage, "ship-0", slow, None)["ok"]
    decisions = [again(*each) for each in asked]
    assert not any(decision.waits_on for decision in decisions)
    answers = [decision.answer for decision in decisions]
    assert answers[0] == {"ok": True, "head": commit, "next": None}
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


def test_an_earlier_run_that_asks_once_more_ends_nothing(sail: Sail):
    """A helm that started anew keeps its claim, whatever the one before it had on the way."""
    storage = sail(task("1"), task("2"))
    first = storage.claim("ship-0", run="old")["claim"]
    assert storage.ask("ship-0", "land", claim=first, commit=None)["ok"]
    second = storage.claim("ship-0", run="new")["claim"]
    late = storage.ask("ship-0", "land", claim=first, commit=None, run_id="old")
    assert (late["ok"], late["next"]) == (True, None)
    assert storage.sections()["claims"][str(second)]["state"] == "live"
    assert_sound(storage)
