"""What a voyage costs while there is nothing to do: nothing, and how it begins again."""

import time

from ocaptain.onboard import process
from tests.fakes import messages_api as api
from tests.support.captain import Captain, Json, Voyage, task
from tests.support.rules import rule


@rule("R71")
def test_an_idle_ship_calls_no_model(claude_captain, model):
    """A ship that waits for another's task, and all of them at the end, have no agent running."""
    gate = claude_captain.root / "gate"
    wait = f"while [ ! -e {gate} ]; do sleep 0.1; done; echo here >it"
    model.on("MARK-only", [api.bash(wait), api.say("Done.")])
    tasks = {"1": task("Wait", description="MARK-only")}
    plan = claude_captain.plan(claude_captain.repository(), tasks, agent="claude")
    voyage = claude_captain.sail(plan, ships=2)
    voyage.until(lambda seen: {s["state"] for s in seen["ships"]} == {"working", "waiting"})
    (idle,) = [s["id"] for s in voyage.status()["ships"] if s["state"] == "waiting"]
    for _ in range(20):
        assert process.marked(f"OCAPTAIN_WORK={voyage.id}/{idle}") == set()
        time.sleep(0.1)
    gate.touch()
    voyage.wait()
    calls = len(model.requests)
    time.sleep(2)
    assert len(model.requests) == calls == len(model.about("MARK-only"))
    for ship in ("ship-0", "ship-1"):
        assert process.marked(f"OCAPTAIN_WORK={voyage.id}/{ship}") == set()


def rests(status: Json) -> bool:
    """Whether all ships are at rest."""
    return all("at rest" in (ship["reason"] or "") for ship in status["ships"])


@rule("R149", "R150")
def test_ships_without_a_task_wait_for_one_and_hear_of_it_at_once(captain: Captain):
    """`sail --idle`; and once that voyage is over, the next task begins it anew, even if the
    machine was rebooted meanwhile."""
    repo = captain.repository(Makefile="check:\n\ttest -e one\n")
    words = ["--idle", "--agent", "shell", "--repo", str(repo), "-n", "1"]
    sailed = captain.run("sail", *words)
    assert "ships run `make check` (Makefile)" in sailed.err
    voyage = Voyage(captain, next(w for w in sailed.out.split() if w.startswith("voyage-")))
    voyage.until(lambda seen: seen["state"] == "idle" and rests(seen))
    assert f"{voyage.id} idle, 0 of 0 tasks" in captain.run("wait", voyage.id, status=4).out
    captain.run("tasks", "add", "Make one", "--run", "echo 1 >one")
    voyage.wait()
    voyage.until(rests)
    voyage.kill("ship0")
    captain.run("tasks", "add", "Make two", "--run", "echo 2 >two")
    assert voyage.wait()["tasks"]["completed"] == 2
    assert voyage.landed() == ["Make one", "Make two"]


@rule("R149")
def test_what_is_typed_is_sailed(captain: Captain):
    """Each --task is one; a plan of them stays where it is said to be."""
    repo = captain.repository()
    words = ["--agent", "shell", "--repo", str(repo), "--verify", "test -e one -a -e two"]
    sailed = captain.run("sail", "--wait", *words, "--task", "echo 1 >one", "--task", "echo 2 >two")
    plan = next(line for line in sailed.err.splitlines() if line.startswith("The plan is in "))
    assert captain.run("check", plan.removeprefix("The plan is in ")).err == ""
    assert "complete" in sailed.out
