"""A ship's loop: what becomes of a claim, and of the ship's own trouble."""

import signal
import threading
import time
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ocaptain.onboard import process
from ocaptain.onboard.protocol import Task, TaskGrant
from ocaptain.onboard.ship.agents import Agent, Job, shell
from ocaptain.onboard.ship.helm import clean_up, hold, race
from tests.support.rules import rule
from tests.support.ship import Harbor, a_grant
from tests.support.storage import git
from tests.support.yard import Yard, at_sea, wreck

pytestmark = pytest.mark.usefixtures("children")


@rule("R117")
def test_what_an_unknown_refusal_keeps_from_landing_is_a_wreck(yard: Yard):
    """The claim goes back as this ship's trouble, and the work is there for the next."""
    harbor = Harbor(land={"ok": False, "code": "unheard-of", "error": "no"})
    work = at_sea(yard, harbor, "echo x >a")
    assert not hold(work.ship, work)
    assert "a" in wreck(yard).split()
    [released] = harbor.requests("release")
    assert (released["fault"], released["why"]) == ("infrastructure", "no")


@rule("R117")
@pytest.mark.parametrize(
    "beat",
    [{"lost": "ann halted the voyage"}, {"ok": False, "code": "ship", "error": "no such ship"}],
)
def test_an_agent_that_is_told_to_stop_is_stopped_and_its_work_kept(
    yard: Yard, beat: dict[str, Any]
):
    """Where the claim is lost nothing of it goes on, and what it had done is a wreck: commits, and
    what was not committed yet."""
    run = "echo x >a; git add a; git commit -qm A; echo x >b; sleep 600"
    harbor = Harbor(beat=beat)
    work = at_sea(yard, harbor, run)
    threading.Timer(1, (yard.root / "voyage" / "knock").touch).start()
    began = time.monotonic()
    assert hold(work.ship, work)
    assert time.monotonic() - began < 10
    assert not work.ship.processes.pids()
    assert {"a", "b"} <= set(wreck(yard).split())
    why = beat.get("lost") or beat["error"]
    assert f"the claim is lost: {why}" in work.ship.log.read_text()


@rule("R117")
def test_what_an_agent_that_failed_had_done_is_kept(yard: Yard):
    """Not only what the last save had found."""
    work = at_sea(yard, Harbor(), "echo x >a; exit 1")
    assert hold(work.ship, work)
    assert "a" in wreck(yard).split()


@rule("R37")
def test_what_a_command_that_failed_said_last_comes_with_the_reason(yard: Yard):
    """It is why a task is set aside, and what its next attempt is told."""
    harbor = Harbor()
    work = at_sea(yard, harbor, "seq 30; echo no such tool >&2; exit 3")
    hold(work.ship, work)
    [released] = harbor.requests("release")
    lines = released["why"].splitlines()
    assert lines[0] == "error: the agent exited with status 3"
    assert lines[1:] == [*map(str, range(22, 31)), "no such tool"]


@rule("R67")
def test_a_ship_whose_agent_is_not_installed_says_so(yard: Yard):
    """No other task would end otherwise: it is the ship's own fault, as a refused credential is."""
    harbor = Harbor()
    work = at_sea(yard, harbor, "true")
    agent = {**vars(shell), "program": "no-claude", "command": no_claude}
    work.agent = cast(Agent, SimpleNamespace(**agent))
    hold(work.ship, work)
    [released] = harbor.requests("release")
    assert released["fault"] == "refused"
    assert released["why"] == (
        f"no-claude is not installed on {work.ship.name}: install it there, then: ocaptain resume"
    )


def no_claude(_job: Job) -> list[str]:
    """The command line of an agent that is nowhere."""
    return ["no-claude"]


def test_a_ship_is_not_told_that_it_lost_what_it_gave_back(yard: Yard):
    """A beat beside, or after, its own release logs no loss."""

    class Slow(Harbor):
        """Storage that takes its time to release a claim."""

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            if op == "release":
                self.lost = "its command failed"
                (yard.root / "voyage" / "knock").touch()
                time.sleep(2)  # in which there is a beat
            return super().ask(op, **fields)

    work = at_sea(yard, Slow(), "exit 3")
    assert hold(work.ship, work)
    assert "gives up: error" in work.ship.log.read_text()
    assert "the claim is lost" not in work.ship.log.read_text()


def test_a_ship_with_nothing_to_do_is_not_in_trouble(yard: Yard):
    """It asks again at once, as storage has let it wait already."""
    harbor = Harbor(claim={"claim": None, "state": "running", "reason": None, "rest_s": 0})
    ship = at_sea(yard, harbor).ship
    assert race(ship)
    [request] = harbor.requests("claim")
    assert (request["run_id"], request["wait"]) == (ship.storage.run_id, True)


@rule("R149")
def test_a_ship_at_rest_hears_a_knock(yard: Yard):
    """It asks again long before its time is over, and once for each knock."""
    harbor = Harbor(claim={"claim": None, "state": "complete", "reason": None, "rest_s": 600})
    ship = at_sea(yard, harbor).ship
    threading.Timer(0.2, (ship.folder / "knock").touch).start()
    assert race(ship)
    assert not ship.was_knocked()


def test_a_ship_that_was_let_go_says_so_and_slows_down(yard: Yard):
    """Its log tells why it does nothing."""
    harbor = Harbor(claim={"ok": False, "code": "ship", "error": "ship-7 was let go"})
    ship = at_sea(yard, harbor).ship
    assert not race(ship)
    assert "storage refuses: ship-7 was let go" in ship.log.read_text()


def test_what_is_granted_with_a_landing_is_worked_on_next(yard: Yard):
    """A ship whose agent ends at once learns of its next task by the answer to its landing."""

    def grant(number: int) -> TaskGrant:
        run = f"echo x >file-{number}"
        task: Task = {"id": str(number), "subject": "Work", "metadata": {"run": run}}
        return a_grant(task, claim=number, ref=f"work/1-{number}")

    harbor = Harbor(claim=dict(grant(1)), land={"next": grant(2)})
    ship = at_sea(yard, harbor).ship
    assert race(ship)
    harbor.answers["land"] = {"next": None}
    assert race(ship)
    assert len(harbor.requests("claim")) == 1
    first, second = harbor.requests("land")
    assert (first["run_id"], second["claim"]) == (ship.storage.run_id, 2)
    assert race(ship)
    assert len(harbor.requests("claim")) == 2


def test_a_claim_of_a_task_is_worked_on(yard: Yard):
    """From the claim on, whatever is asked about it is asked for this claim."""
    task: Task = {"id": "1", "subject": "Work", "metadata": {"run": "echo x >a"}}
    harbor = Harbor(claim=dict(a_grant(task, claim=7, ref="work/1-7")))
    assert race(at_sea(yard, harbor).ship)
    [landing] = harbor.requests("land")
    assert landing["claim"] == 7
    assert git(yard.path, "rev-parse", "HEAD") == landing["commit"]
    assert git(yard.path, "show", "HEAD:a") == "x"


@pytest.mark.parametrize("elsewhere", [["-b", "feature"], ["--detach"]])
def test_what_an_earlier_helm_left_is_stopped_and_saved(yard: Yard, elsewhere: list[str]):
    """helm may have been killed in the middle of a task, whatever was checked out then."""
    work = at_sea(yard, Harbor())
    work.clone.begin("work/1-1")
    git(yard.path, "checkout", "-q", *elsewhere)
    yard.write("half", "done")
    left = process.start(["sleep", "600"], work.ship.processes.env)
    clean_up(work.ship)
    assert left.wait(5) == -signal.SIGKILL
    assert "half" in wreck(yard).split()
