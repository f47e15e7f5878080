"""What ships ask about claims."""

from typing import Any

import pytest

from tests.support.claims import give_up, land, state
from tests.support.rules import rule
from tests.support.storage import SHIPS, Json, Sail, assert_sound, task


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
    assert storage.tasks()["1"]["metadata"] == {"claim": 2, "interruptedBy": ["ship-0"]}
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


# Money and refusals


@rule("R67")
def test_a_spent_budget_pauses_the_voyage(sail: Sail):
    """Once the reported cost reaches the budget no task is handed out, and the reason is told."""
    storage = sail(task("1"), task("2"), task("3"), budget_usd=1.0)
    first, second = storage.claim("ship-0"), storage.claim("ship-1")
    storage.ask("ship-0", "beat", claim=first["claim"], cost_usd=0.75)
    land(storage, "ship-1", second, None, cost_usd=0.25)
    assert state(storage) == ("paused", "$1.00 of the budget of $1 are spent")
    land(storage, "ship-0", first, None)
    assert state(storage)[0] == "paused"
    assert storage.order("status")["state"] == "paused"
    assert storage.order("status")["cost_usd"] == 1.0


@rule("R67")
def test_sessions_share_what_is_left_of_the_budget(sail: Sail):
    """Together those at work cannot spend more than there is, however many they are; what one did
    not need is there for the next."""
    storage = sail(*(task(str(number)) for number in range(5)), budget_usd=9.0)
    claims = [storage.claim(ship) for ship in SHIPS]
    assert [claim["budget_usd"] for claim in claims] == [3.0, 3.0, 3.0]
    assert storage.claim("ship-1") == claims[1]
    late = storage.join()
    assert storage.claim(late)["claim"] is None
    assert storage.order("status")["state"] == "running"
    land(storage, "ship-0", claims[0], None, cost_usd=1.0)
    assert storage.claim("ship-0")["budget_usd"] == 1.0
    storage.ask("ship-1", "release", claim=2, fault="spent", why="its budget", cost_usd=3.0)
    land(storage, "ship-2", claims[2], None, cost_usd=2.0)
    assert storage.claim(late)["budget_usd"] == 1.0


@rule("R155")
def test_a_task_that_spends_its_own_budget_has_failed_an_attempt(sail: Sail):
    """No more than that is set apart, and the voyage goes on; if the voyage's budget is what ended
    the session, the task is not to blame."""
    storage = sail(task("1", budget_usd=2), task("2"), budget_usd=9.0, max_attempts=2)
    for number in (1, 2):
        assert storage.claim("ship-0")["budget_usd"] == 2.0
        spent = {"fault": "spent", "why": "it has spent $2", "cost_usd": 2.0}
        storage.ask("ship-0", "release", claim=number, **spent)
    row = storage.order("tasks")["tasks"][0]
    assert (row["attempts"], row["status"], row["cost_usd"]) == (2, "failed", 4.0)
    assert storage.order("status")["state"] == "running"
    assert storage.claim("ship-1")["budget_usd"] == 5.0
    storage.ask("ship-1", "release", claim=3, fault="spent", why="a share", cost_usd=4.5)
    assert storage.order("tasks")["tasks"][1]["attempts"] == 0


def used(tokens: int) -> dict[str, Any]:
    """What a ship reports of its claim: a model's tokens, half of them read from the cache."""
    half = tokens // 2
    return {"usage": {"m": {"input_tokens": tokens - half, "cache_read_tokens": half}}}


@rule("R67", "R155")
def test_a_budget_of_tokens_is_shared_and_pauses_the_voyage(sail: Sail):
    """As one of dollars, whatever the tokens cost, and those of the cache count."""
    storage = sail(*(task(str(number)) for number in range(5)), budget_tokens=9000)
    claims = [storage.claim(ship) for ship in SHIPS]
    assert [claim["budget_tokens"] for claim in claims] == [3000, 3000, 3000]
    assert storage.claim(storage.join())["claim"] is None
    land(storage, "ship-0", claims[0], None, **used(1000))
    assert storage.claim("ship-0")["budget_tokens"] == 1000
    storage.ask("ship-1", "release", claim=2, fault="spent", why="its tokens", **used(3000))
    storage.ask("ship-2", "beat", claim=3, **used(5000))
    assert state(storage) == ("paused", "9,000 of the budget of 9,000 tokens are spent")
    assert storage.order("status")["budget_spent"] is True
    assert storage.order("tasks")["tasks"][1]["attempts"] == 0


@rule("R155")
def test_a_task_that_spends_its_own_tokens_has_failed_an_attempt(sail: Sail):
    """Which of two limits ended the session is seen by what it has used."""
    storage = sail(task("1", budget_tokens=200), budget_usd=9.0, budget_tokens=9000)
    granted = storage.claim("ship-0")
    assert (granted["budget_usd"], granted["budget_tokens"]) == (9.0, 200)
    storage.ask("ship-0", "release", claim=1, fault="spent", why="dollars", cost_usd=9.0)
    assert storage.order("tasks")["tasks"][0]["attempts"] == 0
    storage = sail(task("1", budget_tokens=200), budget_usd=9.0, budget_tokens=9000)
    storage.claim("ship-0")
    storage.ask("ship-0", "release", claim=1, fault="spent", why="its tokens", **used(200))
    assert storage.order("tasks")["tasks"][0]["attempts"] == 1
    assert storage.order("status")["state"] == "running"


@rule("R67")
def test_the_last_task_may_spend_all_that_is_left(sail: Sail):
    """What is left is divided by ships that have something to do, not by those that only wait."""
    storage = sail(task("1"), task("2", "1"), budget_usd=9.0)
    assert storage.claim("ship-0")["budget_usd"] == 4.5
    land(storage, "ship-0", {"claim": 1}, None, cost_usd=1.0)
    assert storage.claim("ship-0")["budget_usd"] == 8.0


@rule("R67")
def test_no_part_of_the_budget_is_kept_for_ships_that_can_have_nothing(sail: Sail):
    """One that is broken, and one that is lost, get theirs of what is left if they come back."""
    storage = sail(*(task(str(number)) for number in range(5)), budget_usd=9.0)
    claim = storage.claim("ship-1")
    storage.ask("ship-1", "release", claim=claim["claim"], fault="refused", why="no")
    storage.claim("ship-2")
    storage.ask("ship-2", "release", claim=2, fault="none of its own", why="done")
    storage.now += 40
    assert storage.claim("ship-0")["budget_usd"] == 9.0


@rule("R67")
def test_a_refusal_pauses_the_voyage_once_it_is_everybodys(sail: Sail):
    """A ship whose credential the API refuses is handed nothing more; the others go on. When all
    are refused the voyage is paused with the reason; `resume` lets all try again."""
    storage = sail(task("1"), task("2"))
    for ship in ("ship-0", "ship-1"):
        give_up(storage, ship, "refused", "401: no such token")
        assert storage.claim(ship)["claim"] is None
        seen = storage.order("status")
        assert (seen["state"], seen["reason"]) == ("running", None)
    first, second, third = seen["ships"]
    assert (first["state"], first["reason"]) == ("broken", "401: no such token")
    assert (second["state"], third["state"]) == ("broken", "starting")
    give_up(storage, "ship-2", "refused", "401: no such token")
    seen = storage.order("status")
    assert (seen["state"], seen["reason"]) == ("paused", "401: no such token")
    assert storage.tasks()["1"]["metadata"] == {"claim": 3}
    storage.order("resume")
    assert {ship["state"] for ship in storage.order("status")["ships"]} == {"waiting"}
    assert storage.claim("ship-0")["task"]["id"] == "1"


# Verification


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
def test_agents_add_so_many_tasks_and_no_more(sail: Sail):
    """Each costs a session: there is a limit for a claim and one for the voyage, and the agent is
    told."""
    storage = sail(task("1"), *(task(str(number), "1") for number in range(2, 6)))
    claim = storage.claim("ship-0")["claim"]

    def add() -> Json:
        return storage.ask("ship-0", "add", claim=claim, task={"subject": "More"})

    assert all(add()["ok"] for _ in range(10))
    told = "this session has added 10 tasks, and may add no more; do what is left yourself"
    assert add()["error"].startswith(told)
    for _ in range(2):
        storage.ask("ship-0", "land", claim=claim, commit=None)
        claim = storage.claim("ship-0")["claim"]
        assert all(add()["ok"] for _ in range(10))
    storage.ask("ship-0", "land", claim=claim, commit=None)
    claim = storage.claim("ship-0")["claim"]
    assert add()["error"].startswith("agents have added 30 tasks, and may add no more")
    assert len(storage.tasks()) == 35
    assert storage.order("edit_task", fields={"subject": "The captain's"})["ok"]


@rule("R32")
def test_only_who_works_adds(sail: Sail):
    """A claim that has ended adds nothing: a complete voyage stays complete."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    answer = storage.ask("ship-0", "add", claim=1, task={"subject": "late"})
    assert answer["code"] == "lost"
    assert storage.tasks().keys() == {"1"}
