"""What the captain may look at."""

import pytest

from ocaptain.onboard.protocol import TaskCounts
from ocaptain.onboard.storage import serve, status
from ocaptain.onboard.storage.call import Call
from ocaptain.onboard.storage.journal import Journal
from ocaptain.onboard.storage.status import next_commands
from ocaptain.onboard.tasklist import order
from tests.support.claims import give_up
from tests.support.rules import rule
from tests.support.storage import SHIPS, VOYAGE, Json, Sail, Storage, assert_sound, git, task

FETCH = "ocaptain fetch"
RESUME = "ocaptain resume"
REINFORCE = "ocaptain reinforce"
FAILED_TASKS = "ocaptain tasks --status failed"
RETRY_VERIFY = "ocaptain retry verify"


@pytest.mark.parametrize(
    ("state", "failed", "budget_is_spent", "are_broken", "commands"),
    [
        ("paused", 0, True, False, [FETCH]),
        ("running", 0, False, False, []),
        ("running", 1, False, False, [FAILED_TASKS]),
        ("halted", 0, False, False, [RESUME]),
        ("paused", 1, False, False, [RESUME, FAILED_TASKS]),
        ("stalled", 0, False, True, [RESUME, "ocaptain reinforce -n 1"]),
        ("running", 0, False, True, []),
        ("stalled", 2, False, False, [REINFORCE, FAILED_TASKS]),
        ("failed", 1, False, False, [FAILED_TASKS]),
        ("failed", 0, False, False, [RETRY_VERIFY]),
        ("complete", 0, False, False, []),
    ],
)
def test_what_to_type_next(
    state: str, failed: int, budget_is_spent: bool, are_broken: bool, commands: list[str]
):
    """All that moves the voyage on; if a task failed, verify.sh is not at fault."""
    tasks: TaskCounts = {
        "total": 4,
        "pending": 0,
        "in_progress": 0,
        "completed": 4 - failed,
        "failed": failed,
    }
    suggested = next_commands(
        state,
        tasks,
        budget_is_spent=budget_is_spent,
        are_broken=are_broken,
        is_crewed=True,
        lacks_agents=False,
    )
    assert [command["command"] for command in suggested] == commands
    assert all(command["why"].endswith(".") for command in suggested)


def test_a_voyage_without_ships_needs_a_new_one(sail: Sail):
    """`reinforce` alone would start none if all are relieved, gone from storage or not."""
    storage = sail(task("1"))
    for name in SHIPS:
        storage.ask(name, "claim", run_id="r", wait=False)
        storage.order("relieve", ship=name)
    storage.order("update_ships", lost=["ship-0"], add=0, force=True)
    for left in (["ship-1", "ship-2"], []):
        status = storage.order("status")
        assert status["state"] == "stalled"
        assert [each["command"] for each in status["next"]] == ["ocaptain reinforce -n 1"]
        storage.order("update_ships", lost=left, add=0, force=True)


@rule("R69")
def test_status_before_any_ship_calls(sail: Sail):
    """A voyage that nobody has called in for is provisioning, and its ships are starting."""
    storage = sail(task("1"), task("2", "1"))
    status = storage.order("status")
    assert (status["voyage"], status["state"], status["branch"]) == (VOYAGE, "provisioning", VOYAGE)
    assert status["objective"] == "try it"
    assert [ship["state"] for ship in status["ships"]] == ["starting"] * 3
    assert {ship["seen_s"] for ship in status["ships"]} == {None}
    assert status["tasks"] == {
        "total": 2,
        "pending": 2,
        "in_progress": 0,
        "completed": 0,
        "failed": 0,
    }
    assert (status["verify"], status["cost_usd"], status["head"]) == ("pending", 0, storage.start)


@rule("R68", "R69")
def test_a_fleet_that_is_gone_is_stalled_until_a_new_ship_calls(sail: Sail):
    """Also where the captain died between having ships enlisted and making them: somebody who
    waits is told, and can reinforce again."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    gone = ["ship-0", "ship-1", "ship-2"]
    [new] = storage.order("update_ships", lost=gone, add=1, force=True)["new"]
    assert (storage.order("status")["state"], new) == ("stalled", "ship-3")
    storage.claim(new)
    assert storage.order("status")["state"] == "running"


@rule("R69")
def test_status_of_ships(sail: Sail):
    """A ship is shown with its task, what it has completed, its cost and when it was heard."""
    storage = sail(task("1"), task("2"), task("3"))
    storage.finish("ship-0", cost_usd=0.5)
    storage.claim("ship-0")
    storage.claim("ship-1")
    storage.ask("ship-1", "beat", claim=3, state="limited", reason="5-hour limit", until=2e6)
    storage.now += 4
    first, second, third = storage.order("status")["ships"]
    assert (first["state"], first["task"], first["completed"]) == ("working", "2", 1)
    assert (first["cost_usd"], first["seen_s"]) == (0.5, 4.0)
    assert (second["state"], second["reason"]) == ("limited", "5-hour limit")
    assert second["until"] == 2e6
    assert third["state"] == "starting"
    assert storage.order("status")["state"] == "running"


@rule("R68")
def test_a_ship_that_is_not_heard_is_lost(sail: Sail):
    """A ship out of sight is lost with the reason, whatever it said last; its task is its own."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    storage.now += 40
    storage.claim("ship-1")
    status = storage.order("status")
    assert [ship["state"] for ship in status["ships"]] == ["lost", "working", "starting"]
    assert status["ships"][0]["reason"] == "not heard from for 40 s"
    assert status["ships"][0]["task"] == "1"
    assert status["state"] == "running"
    storage.now += 40
    assert storage.order("status")["state"] == "stalled"
    assert storage.order("status")["reason"]


@rule("R68")
def test_a_clock_put_back_keeps_no_dead_ship_alive(sail: Sail):
    """A ship was seen 0 s ago if storage's clock went back just now, and is lost in its time."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.sleep(-3_600)
    assert storage.order("status")["ships"][0]["seen_s"] == 0
    storage.now += 31
    first = storage.order("status")["ships"][0]
    assert (first["state"], first["seen_s"]) == ("lost", 31)
    assert first["reason"] == "not heard from for 31 s"


@rule("R68", "R108")
def test_silence_counts_only_while_storage_could_have_heard(sail: Sail):
    """A laptop that slept, a machine that was paused, a clock that jumped or a boot show no ship
    as lost; they have the usual time from then on."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.sleep(8 * 3_600)
    seen = storage.order("status")
    assert (seen["state"], seen["ships"][0]["state"]) == ("running", "working")
    assert seen["ships"][0]["seen_s"] == 8 * 3_600
    assert news(storage) == {}
    storage.now += 31
    assert storage.order("status")["state"] == "stalled"
    storage.slept = storage.now - 20
    assert after_boot(storage)["state"] == "running"
    storage.now += 11
    assert after_boot(storage)["state"] == "stalled"


def after_boot(storage: Storage) -> Json:
    """The status that storage gives once it has booted anew."""
    journal = Journal(storage.home, VOYAGE, storage.time, storage.awake, boot=b"another boot")
    return serve.decide(journal, storage.voyage, "captain", {"op": "status"}).answer


@rule("R69")
def test_status_of_an_ended_voyage(sail: Sail):
    """Complete is complete also when its ships are long gone."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    check = storage.claim("ship-0")
    assert storage.order("status")["verify"] == "running"
    assert storage.order("status")["state"] == "verifying"
    storage.ask("ship-0", "land", claim=check["claim"], commit=storage.start)
    storage.now += 10_000
    status = storage.order("status")
    assert (status["state"], status["verify"], status["reason"]) == ("complete", "passed", None)


@rule("R66")
def test_status_of_a_failed_voyage(sail: Sail):
    """Failed says which task stopped it, and which tasks are failed."""
    storage = sail(task("1"), task("2", "1"), max_attempts=1)
    storage.claim("ship-0")
    storage.ask("ship-0", "release", claim=1, fault="agent", why="exit 1")
    status = storage.order("status")
    assert status["state"] == "failed"
    assert "task 1" in status["reason"]
    assert status["tasks"]["failed"] == 1
    rows = storage.order("tasks")["tasks"]
    assert rows[0]["status"] == "failed"
    assert rows[0]["attempts"] == 1
    assert "exit 1" in rows[0]["reason"]


@rule("R69")
def test_tasks_are_listed_in_order(sail: Sail):
    """`tasks` has each task with what it waits for, its owner, claim and commit."""
    storage = sail(task("10", "2"), task("2"), task("b"))
    claim = storage.claim("ship-0")
    rows = storage.order("tasks")["tasks"]
    assert [row["id"] for row in rows] == ["2", "10", "b"] == sorted(storage.tasks(), key=order)
    assert rows[0]["owner"] == "ship-0"
    assert (rows[0]["status"], rows[0]["claim"], rows[1]["blocked_by"]) == ("in_progress", 1, ["2"])
    commit = storage.push(claim["ref"])
    storage.ask("ship-0", "land", claim=1, commit=commit)
    rows = storage.order("tasks")["tasks"]
    assert (rows[0]["status"], rows[0]["commit"], rows[1]["blocked_by"]) == (
        "completed",
        commit,
        [],
    )


@rule("R58")
def test_what_nobody_has_fetched(sail: Sail):
    """Commits on the branch and wrecks are unfetched until the captain says that they are home."""
    storage = sail(task("1"), task("2"), max_attempts=5)
    assert storage.order("unfetched") == {
        "ok": True,
        "start": storage.start,
        "head": storage.start,
        "commits": 0,
        "wrecks": {},
    }
    claim = storage.claim("ship-0")
    storage.ask("ship-0", "land", claim=1, commit=storage.push(claim["ref"]))
    wreck = storage.claim("ship-0")["ref"]
    lost = storage.push(wreck)
    storage.ask("ship-0", "release", claim=2, fault="agent", why="no")
    found = storage.order("unfetched")
    assert (found["commits"], found["wrecks"]) == (1, {wreck: lost})
    storage.order("fetched", refs={"head": found["head"]})
    assert storage.order("unfetched")["commits"] == 0
    assert storage.order("unfetched")["wrecks"] == {wreck: lost}
    storage.order("fetched", refs={wreck: lost})
    assert storage.order("unfetched")["wrecks"] == {}
    assert storage.order("unfetched")["commits"] == 0
    again = storage.push(wreck, lost)
    assert storage.order("unfetched")["wrecks"] == {wreck: again}
    assert git(storage.repo, "rev-parse", wreck) == again
    assert_sound(storage)


def news(storage: Storage) -> dict[str, str]:
    """What a captain is to be told of, by what it is about."""
    with (journal := storage.journal()).locked():
        call = Call(journal, storage.voyage, "captain", {})
        return status.news(call)


@rule("R108")
def test_news_are_ends_and_tasks_set_aside(sail: Sail):
    """What a captain is notified of: how the voyage stands where it stands still, and failures."""
    storage = sail(task("1"), task("2"), max_attempts=1)
    storage.claim("ship-0")
    assert news(storage) == {}
    storage.ask("ship-0", "release", claim=1, why="at a loss", fault="agent")
    told = "task 1 after 1 attempt, the last: at a loss"
    assert news(storage) == {"task 1": told}
    storage.now += 1_000
    assert set(news(storage)) == {"task 1", "stalled"}


@rule("R17", "R66", "R108")
def test_of_many_failures_a_few_are_told(sail: Sail):
    """However many tasks failed, and however much they said: the reason names three, and each news
    is a line."""
    storage = sail(*(task(str(number)) for number in range(20)), max_attempts=1)
    for _ in range(20):
        give_up(storage, "ship-0", "agent", "no luck\n" * 1_000)
    seen = storage.order("status")
    assert seen["state"] == "failed"
    assert seen["reason"].startswith("task 0 after 1 attempt, the last: no luck no luck")
    assert seen["reason"].endswith("; and 17 more")
    assert len(seen["reason"]) < 1_000
    assert all(len(text) < 1_000 and "\n" not in text for text in news(storage).values())
    assert len(news(storage)) == 21


def test_a_spent_budget_is_told_with_what_to_type(sail: Sail):
    """A voyage without a budget cannot have spent it; of one that has, only the work is left."""
    storage = sail(task("1"), task("2"))
    storage.finish("ship-0", cost_usd=5)
    assert storage.order("status")["budget_spent"] is False
    storage = sail(task("1"), task("2"), budget_usd=1.0)
    assert storage.order("status")["budget_spent"] is False
    storage.finish("ship-0", cost_usd=1)
    seen = storage.order("status")
    assert (seen["state"], seen["budget_spent"]) == ("paused", True)
    assert [command["command"] for command in seen["next"]] == [FETCH]
