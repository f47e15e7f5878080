from ocaptain.onboard.tasklist import order
from tests.onboard.storage import VOYAGE, Sail, assert_sound, git, task


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


def test_a_clock_put_back_shows_nobody_in_the_future(sail: Sail):
    """Where storage's clock went back, a ship was seen 0 s ago."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.now -= 3_600
    assert storage.order("status")["ships"][0]["seen_s"] == 0


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


def test_what_nobody_has_fetched(sail: Sail):
    """Commits on the branch and wrecks are unfetched until the captain says that they are home."""
    storage = sail(task("1"), task("2"), max_attempts=5)
    assert storage.order("unfetched") == {
        "ok": True,
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


def test_ships_and_captain_have_their_own_questions(sail: Sail):
    """A ship cannot give the captain's orders, nor the captain ask as a ship."""
    storage = sail(task("1"))
    before = storage.journal_file.read_bytes()
    for op in ("status", "tasks", "unfetched", "fetched"):
        assert storage.ask("ship-0", op, refs={})["code"] == "op"
    for op in ("claim", "beat", "land", "release", "add", "log"):
        assert storage.order(op)["code"] == "op"
    assert storage.journal_file.read_bytes() == before
