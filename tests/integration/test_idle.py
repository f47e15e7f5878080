"""What a voyage costs while there is nothing to do: nothing."""

import time

from ocaptain.onboard import process
from tests.fakes import messages_api as api
from tests.support.captain import task
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
