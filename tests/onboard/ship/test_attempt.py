"""An attempt at a task, from its claim to the landing."""

from typing import Any

import pytest

from ocaptain.onboard.ship.agents import AGENTS
from ocaptain.onboard.ship.heartbeat import GiveUp
from ocaptain.onboard.ship.helm import hold
from tests.support.rules import rule
from tests.support.sessions import Talking
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


@pytest.fixture
def talking(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an agent that can be told things, and runs the task's program."""
    monkeypatch.setitem(AGENTS, "talking", Talking())
    return "talking"


def test_a_red_check_goes_back_into_the_same_session(yard: Yard, talking: str):
    """The agent is told what failed, mends it, and its work lands in one piece."""
    harbor = Harbor()
    run = (
        "hear(); open('a', 'w'); result()\n"
        "message = hear(); open('told', 'w').write(message); result()\n"
        "hear()"
    )
    work = at_sea(yard, harbor, run, check="echo no telling; test -e told", agent=talking)
    assert hold(work.ship, work)
    [landing] = harbor.requests("land")
    told = yard.shown(landing["commit"], "told")
    assert "`echo no telling; test -e told` fails with status 1:\n\nno telling" in told
    assert "a" in wreck(yard).split()


def test_work_that_never_lands_is_given_back(yard: Yard, talking: str):
    """An agent is told three times what is wrong, not for ever."""
    harbor = Harbor()
    run = "while hear(): open('a', 'a').write('x'); result()"
    work = at_sea(yard, harbor, run, check="false", agent=talking)
    assert hold(work.ship, work)
    assert yard.shown("work/1-1", "a") == "xxxx"
    [release] = harbor.requests("release")
    assert release["why"].startswith("still, after 3 more turns: ")
    assert release["fault"] == "agent"


def test_an_agent_that_changed_nothing_is_asked_why(yard: Yard, talking: str):
    """What it says then completes the task, and is kept as a note."""
    harbor = Harbor()
    run = "hear(); result(); hear(); say('NO CHANGE: it is there'); result(); hear()"
    work = at_sea(yard, harbor, run, agent=talking)
    assert hold(work.ship, work)
    [landing] = harbor.requests("land")
    assert (landing["commit"], landing["note"]) == (None, "it is there")


def test_an_agent_that_does_not_say_why_has_failed(yard: Yard, talking: str):
    """Silence is not taken for an answer, and it is asked once only."""
    harbor = Harbor()
    work = at_sea(yard, harbor, "while hear(): result()", agent=talking)
    assert hold(work.ship, work)
    [release] = harbor.requests("release")
    assert release["why"] == "it changed nothing, and did not say why"
    assert harbor.requests("land") == []


def test_others_who_land_first_are_rebased_on(yard: Yard):
    """Storage says that the branch has moved on; what is asked for next is on top of it."""

    class Racing(Harbor):
        """Storage where somebody else lands just before."""

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            if op == "land" and not self.requests("land"):
                yard.land(theirs="theirs\n")
                super().ask(op, **fields)
                return {"ok": False, "code": "stale", "error": "the branch has moved on"}
            return super().ask(op, **fields)

    harbor = Racing()
    work = at_sea(yard, harbor, "echo x >a")
    assert hold(work.ship, work)
    first, second = harbor.requests("land")
    assert second["base_commit"] != first["base_commit"]
    assert yard.shown(second["commit"], "theirs") == "theirs"
    assert yard.shown(second["commit"], "a") == "x"
