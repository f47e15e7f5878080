"""When ships may rest, and what wakes them."""

import pytest

from ocaptain.onboard.storage.rest import REST_S
from tests.support.claims import give_up
from tests.support.rules import rule
from tests.support.storage import SHIPS, Json, Sail, Storage, assert_sound, task


def ships(storage: Storage) -> dict[str, Json]:
    """The ships, as `status` has them."""
    return {ship["id"]: ship for ship in storage.order("status")["ships"]}


def all_rest(storage: Storage, *, state: str) -> None:
    """Have all ships ask: the voyage is in this state, and each is told to rest."""
    for ship in SHIPS:
        answer = storage.ask(ship, "claim", run_id="run", wait=True)
        assert (answer["claim"], answer["state"], answer["rest_s"]) == (None, state, REST_S)


@rule("R149")
def test_ships_rest_once_the_voyage_is_over(sail: Sail):
    """Nobody is made to wait for an answer, nor taken for lost before it asks again."""
    storage = sail(task("1"))
    storage.finish("ship-0")
    assert storage.claim("ship-1")["claim"] == 2
    assert storage.claim("ship-0")["rest_s"] == 0  # for somebody verifies
    storage.ask("ship-1", "land", claim=2, commit=storage.head())
    all_rest(storage, state="complete")
    storage.now += REST_S + 29
    assert {ship["state"] for ship in ships(storage).values()} == {"done"}
    assert ships(storage)["ship-0"]["reason"] == "at rest; an order wakes it"
    storage.now += 2
    assert {ship["state"] for ship in ships(storage).values()} == {"lost"}
    assert_sound(storage)


@rule("R149")
@pytest.mark.parametrize("order", ["pause", "halt"])
def test_ships_rest_while_nothing_is_handed_out(sail: Sail, order: str):
    """From the moment on at which the last one has put down its task; `resume` names them."""
    storage = sail(task("1"))
    number = storage.claim("ship-0")["claim"]
    storage.order(order)
    if order == "pause":
        assert storage.claim("ship-1")["rest_s"] == 0
        storage.ask("ship-0", "land", claim=number, commit=None)
    all_rest(storage, state={"pause": "paused", "halt": "halted"}[order])
    assert storage.order("resume")["resting"] == [*SHIPS]
    assert storage.order("resume")["resting"] == []


@rule("R149")
def test_an_order_that_reopens_a_voyage_wakes_its_ships(sail: Sail):
    """It names those that rest, and their silence counts from then on."""
    storage = sail(task("1"), max_attempts=1)
    give_up(storage, "ship-0", "agent")
    all_rest(storage, state="failed")
    storage.now += REST_S
    assert storage.order("retry", task="1")["resting"] == [*SHIPS]
    assert "rest_s" not in storage.sections()["ships"]["ship-0"]
    assert {ship["state"] for ship in ships(storage).values()} == {"waiting"}
    storage.now += 31
    assert {ship["state"] for ship in ships(storage).values()} == {"lost"}
    storage.finish("ship-2")
    storage.verify()
    all_rest(storage, state="complete")
    added = storage.order("edit_task", fields={"subject": "One more"})
    assert added["resting"] == [*SHIPS]


@rule("R150")
def test_a_voyage_without_a_task_is_idle(sail: Sail):
    """It is neither complete nor failed, verifies nothing, and goes on with the first task."""
    storage = sail()
    all_rest(storage, state="idle")
    assert storage.order("fsck")["faults"] == []
    status = storage.order("status")
    assert (status["state"], status["reason"]) == ("idle", "there is no task yet")
    assert [command["command"] for command in status["next"]] == ["ocaptain tasks add SUBJECT"]
    assert (status["verify"], status["ships"][0]["state"]) == ("pending", "waiting")
    assert storage.order("edit_task", fields={"subject": "Begin"})["resting"] == [*SHIPS]
    assert storage.finish("ship-0")["task"]["subject"] == "Begin"
    storage.verify()
    assert storage.order("status")["state"] == "complete"
    assert_sound(storage)


@rule("R149")
def test_ships_do_not_rest_while_origin_lacks_something(sail: Sail):
    """Their calls are what has a push tried again."""
    origin = "https://github.com/owner/name"
    storage = sail(origin=origin)
    (storage.folder / "credentials").write_text("https://x:y@github.com\n")
    assert storage.claim("ship-0")["rest_s"] == 0
    head = storage.head()
    with (journal := storage.journal()).locked():
        journal.commit("harbor", {"op": "mirror"}, {"meta": {"mirrored": head}})
    assert storage.claim("ship-0")["rest_s"] == REST_S
