"""What keeps a claim alive, and storage informed."""

import time
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.protocol import Json
from ocaptain.onboard.ship.channels import Unreachable
from ocaptain.onboard.ship.heartbeat import GiveUp, Heartbeat
from tests.support.rules import rule
from tests.support.sessions import Start, others
from tests.support.ship import Harbor, a_ship


@rule("R109")
def test_a_knock_makes_a_ship_ask_at_once(start: Start, harbor: Harbor):
    """Not only when the next beat is due, in 10 s; each knock counts once."""
    heartbeat = start("hear()").heartbeat
    with heartbeat:
        time.sleep(1)
        assert harbor.asked == []
        (heartbeat.ship.folder / "knock").touch()
        time.sleep(1.5)
    assert [asked["op"] for asked in harbor.asked] == ["beat"]
    assert not (heartbeat.ship.folder / "knock").exists()


@rule("R109")
def test_news_reach_storage_soon_and_once(start: Start, harbor: Harbor):
    """A state or a message taken in does not wait for the next beat."""
    heartbeat = start("hear()").heartbeat
    with heartbeat:
        heartbeat.report({"state": "landing"})
        time.sleep(1.5)
    assert [asked["state"] for asked in harbor.asked] == ["landing"]


@pytest.mark.parametrize(
    "answer",
    [{"lost": "it expired"}, {"ok": False, "code": "ship", "error": "ship-0 was let go"}],
)
def test_a_lost_claim_ends_what_was_started_for_it(start: Start, harbor: Harbor, answer: Json):
    """Work on it goes no further, and whoever waits learns that it is lost."""
    session = start("hear()")
    harbor.answers["beat"] = answer
    session.heartbeat.beat()
    assert session.heartbeat.over.is_set()
    assert not others(session)
    with pytest.raises(GiveUp, match="the claim is lost") as given_up:
        session.heartbeat.pause(60)
    assert given_up.value.fault == "lost"


def test_storage_that_is_out_of_reach_loses_no_claim(tmp_path: Path):
    """The lease may last longer than the trouble."""

    class Silent(Harbor):
        """Storage that does not answer."""

        def ask(self, op: str, **fields: Any) -> Json:
            raise Unreachable("no route")

    ship = a_ship(tmp_path, Silent(), lease_seconds=60)
    heartbeat = Heartbeat(ship, 1, "7", {})
    heartbeat.beat()
    heartbeat.check_claim()
    assert "[7] storage is out of reach: no route" in ship.log.read_text()


def test_what_a_request_has_told_is_no_news(tmp_path: Path):
    """Whoever asks about the claim tells storage how the work is going on the way."""
    ship = a_ship(tmp_path, Harbor(), lease_seconds=60)
    heartbeat = Heartbeat(ship, 1, "7", {})
    assert heartbeat.take_report()["state"] == "working"
    heartbeat.report({"state": "landing"})
    assert heartbeat.take_report()["state"] == "landing"
    assert Heartbeat(ship, 2, "", {}).take_report()["state"] == "verifying"
