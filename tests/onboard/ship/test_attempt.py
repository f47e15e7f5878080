"""An attempt at a task, from its claim to the landing."""

from typing import Any

import pytest

from ocaptain.onboard.ship.heartbeat import GiveUp
from ocaptain.onboard.ship.helm import hold
from tests.support.rules import rule
from tests.support.ship import Harbor
from tests.support.storage import git
from tests.support.yard import Yard, at_sea, wreck

pytestmark = pytest.mark.usefixtures("children")


@rule("R48")
@pytest.mark.parametrize("code", ["lost", "claim", "unheard-of"])
def test_a_completion_that_is_refused_is_none(yard: Yard, code: str):
    """Where harbor does not take it that nothing had to change, whatever it says, the claim is
    given up, and no log says that the task was completed."""
    refused = {"ok": False, "code": code, "error": "no"}
    work = at_sea(yard, Harbor(land=refused))
    work.begin()
    with pytest.raises(GiveUp, match="no"):
        work.land(last_words="")
    assert not work.ship.log.exists() or "completed" not in work.ship.log.read_text()


def test_a_check_that_fails_leaves_nothing_in_the_tree(yard: Yard):
    """What it wrote is not taken for the agent's work."""
    work = at_sea(yard, Harbor(), "echo x >a", check="echo x >rubbish; exit 1")
    assert hold(work.ship, work)
    assert "a" in wreck(yard).split()
    assert "rubbish" not in wreck(yard).split()


@rule("R117")
def test_what_waits_for_the_berth_is_on_storage_meanwhile(yard: Yard):
    """Finished work does not die with its ship while others land."""

    class Busy(Harbor):
        """Storage while another has the berth, until the work is there."""

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            if op == "land" and "work/1-1" in git(yard.bare, "for-each-ref"):
                self.answers.clear()
            return super().ask(op, **fields)

    harbor = Busy(land={"ok": False, "code": "berth", "error": "another lands"})
    work = at_sea(yard, harbor, "echo x >a")
    assert hold(work.ship, work)
    assert "a" in wreck(yard).split()
    assert harbor.requests("release") == []
