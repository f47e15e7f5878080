"""Since when the voyage, its ships and its tasks stand as they do."""

from tests.support.storage import Json, Sail, Storage, assert_sound, task


def since(storage: Storage) -> tuple[str, float | None]:
    """The voyage's state, and since when it is so."""
    seen = storage.order("status")
    return seen["state"], seen["since"]


def test_a_state_has_its_own_age(sail: Sail):
    """It begins when the state changes, whatever happens while the voyage stands like that."""
    storage = sail(task("1"), task("2"), max_attempts=1)
    began = storage.now
    assert since(storage) == ("provisioning", 0.0)
    storage.claim("ship-0")
    storage.now += 10
    storage.claim("ship-1")
    assert since(storage) == ("running", began)
    storage.order("pause")
    storage.now += 2
    storage.order("pause", why="again")
    storage.ask("ship-0", "release", claim=1, fault="error", why="no")
    assert since(storage) == ("paused", began + 10)
    storage.order("resume")
    assert since(storage) == ("running", began + 12)
    storage.now += 1
    storage.ask("ship-1", "release", claim=2, fault="error", why="no")
    assert since(storage) == ("failed", began + 13)
    assert_sound(storage)


def test_a_voyage_that_is_over_says_when_and_after_how_long(sail: Sail):
    """Nothing of that before the end; after it, time goes on without it."""
    storage = sail(task("1"), created=1_000_000.0)
    storage.finish("ship-0")
    underway = storage.order("status")
    assert (underway["ended_at"], underway["took_s"]) == (None, None)
    storage.now += 98.5
    storage.verify()
    storage.now += 5_000
    seen = storage.order("status")
    assert (seen["state"], seen["since"], seen["took_s"]) == ("complete", 1_000_098.5, 98.5)
    assert seen["created_at"] == "1970-01-12T13:46:40.000Z"
    assert seen["ended_at"] == seen["since_at"] == "1970-01-12T13:48:18.500Z"
    storage.order("edit_task", fields={"subject": "More"})
    assert storage.order("status")["ended_at"] is None


def test_a_voyage_that_nobody_is_heard_of_stalled_when_it_was_heard_last(sail: Sail):
    """No change says so, for nobody called."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    heard = storage.now
    storage.now += 5_000
    assert since(storage) == ("stalled", heard)
    [lost, *_] = storage.order("status")["ships"]
    assert (lost["state"], lost["since"]) == ("lost", heard)


def test_an_idle_ship_is_done_when_the_voyage_is(sail: Sail):
    """However long it has waited before."""
    storage = sail(task("1"))
    claim = storage.claim("ship-0")["claim"]
    storage.ask("ship-1", "claim", run_id="b")
    storage.now += 10
    storage.ask("ship-0", "land", claim=claim, commit=None)
    storage.now += 10
    storage.verify()
    ended = storage.now
    storage.now += 1
    ships: list[Json] = storage.order("status")["ships"]
    assert [ship["state"] for ship in ships[:2]] == ["done", "done"]
    assert {ship["since"] for ship in ships[:2]} == {ended}


def test_a_task_says_since_when_it_has_its_status(sail: Sail):
    """And a completed one, how long its ship was at it."""
    storage = sail(task("1"), task("2"), task("3"), max_attempts=1)
    begun = storage.now
    storage.claim("ship-0")
    storage.claim("ship-1")
    storage.now += 98
    storage.ask("ship-0", "land", claim=1, commit=None)
    storage.ask("ship-1", "release", claim=2, fault="error", why="no")
    storage.claim("ship-2")
    storage.now += 5
    done, failed, busy = storage.order("tasks")["tasks"]
    assert (done["since"], done["took_s"]) == (begun + 98, 98)
    assert (failed["status"], failed["since"], failed["took_s"]) == ("failed", begun + 98, None)
    assert (busy["status"], busy["since"], busy["took_s"]) == ("in_progress", begun + 98, None)
    assert busy["since_at"] == "1970-01-12T13:48:18.000Z"
