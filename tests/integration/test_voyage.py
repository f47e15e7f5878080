"""Whole voyages, from `sail` to `fetch`: the real Claude Code with a scripted model, and git."""

import json

from tests.fakes import messages_api as api
from tests.support.captain import task
from tests.support.machine import put
from tests.support.rules import LONG, rule

VERIFY = """\
cd ~/voyage/workspace
for part in keel port star deck; do grep -q "$part" "$part" || exit 1; done
"""


def build(part: str) -> list[api.Step]:
    return [api.write(part, f"{part}\n"), api.say(f"Built {part}.")]


def script_diamond(model) -> None:
    for part in ("keel", "port", "star", "deck"):
        model.on(f"MARK-{part}", build(part))


def assert_it_came_home(captain, voyage, repo) -> None:
    """The branch is in the captain's repository, whole and without a merge."""
    captain.run("fetch", voyage.id, "--into", str(repo))
    assert captain.git(repo, "rev-parse", voyage.id) == voyage.git("rev-parse", voyage.id)
    assert captain.git(repo, "rev-list", "--min-parents=2", voyage.id) == ""
    assert captain.git(repo, "merge-base", "main", voyage.id) == captain.git(
        repo, "rev-parse", "main"
    )
    for part in ("keel", "port", "star", "deck"):
        assert captain.git(repo, "show", f"{voyage.id}:{part}") == part


@rule("R65")
def test_a_diamond_lands_in_order_and_comes_home(claude_captain, model):
    """Three ships of real Claude Code do a diamond: it lands in order, is verified and fetched."""
    script_diamond(model)
    repo = claude_captain.repository()
    tasks = {
        "1": task("Lay the keel", description="MARK-keel"),
        "2": task("Build port", after=["1"], description="MARK-port"),
        "3": task("Build starboard", after=["1"], description="MARK-star"),
        "4": task("Lay the deck", after=["2", "3"], description="MARK-deck"),
    }
    plan = claude_captain.plan(repo, tasks, verify=VERIFY, agent="claude")
    voyage = claude_captain.sail(plan, ships=3)
    seen = voyage.wait()

    assert (seen["state"], seen["verify"], seen["reason"]) == ("complete", "passed", None)
    assert seen["tasks"] == {
        "total": 4,
        "pending": 0,
        "in_progress": 0,
        "completed": 4,
        "failed": 0,
    }
    assert seen["cost_usd"] > 0
    landed = voyage.landed()
    assert (landed[0], landed[-1]) == ("Lay the keel", "Lay the deck")
    assert sorted(landed[1:-1]) == ["Build port", "Build starboard"]
    assert_it_came_home(claude_captain, voyage, repo)
    commit = claude_captain.git(
        repo, "log", "-1", "--format=%an <%ae>%n%cn%n%(trailers)", voyage.id
    )
    assert commit.startswith("Ada Captain <ada@example.com>\nAda Captain\n")
    assert f"Voyage: {voyage.id}\nShip: ship-" in commit
    assert commit.endswith("Task: 4")
    deck = model.about("MARK-deck")[0].opening
    assert "2. Build port: commit " in deck
    assert "A small objective" in deck
    assert (voyage.storage / "artifacts" / "voyage-complete.marker").exists()
    voyage.until_log("Built keel.")


@rule("R63")
def test_a_plan_of_the_original_tool_is_sailed_as_it_is(claude_captain, model):
    """Tasks with `title`, without files, and a verify.sh that goes to ~/voyage/workspace."""
    script_diamond(model)
    repo = claude_captain.repository()
    plan = claude_captain.home / "original"
    record = {"name": "original", "repo": str(repo), "recommended_ships": 3}
    put(plan / "voyage.json", json.dumps(record))
    put(plan / "spec.md", "# Objective\n\nBuild the ship.\n")
    put(plan / "verify.sh", "#!/bin/bash\nset -e\ncd ~/voyage/workspace\nls keel deck\n")
    waits = {"keel": [], "deck": ["keel"]}
    for part, blockers in waits.items():
        given = {"title": f"Build {part}", "description": f"MARK-{part}", "blockedBy": blockers}
        record = {"id": part, "status": "pending", "assignee": None, **given}
        put(plan / "tasks" / f"{part}.json", json.dumps(record))

    done = claude_captain.run("sail", str(plan), "--wait", timeout=100)

    voyage = claude_captain.json("status")["voyage"]
    assert f"{voyage} complete, 2 of 2 tasks" in done.out
    assert len(claude_captain.json("status")["ships"]) == 3


def sessions(model, marker: str) -> int:
    """How many sessions of an agent were about something."""
    return len({request.session for request in model.about(marker)})


@rule("R52")
def test_a_conflict_goes_back_into_the_same_session(claude_captain, model):
    """Two ships edit one line; the second to land resolves it, and both changes are there, each
    checked."""
    gate = claude_captain.root / "gate"
    model.on("MARK-first", [api.bash("echo first >line.txt"), api.say("Done.")])
    wait = f"while [ ! -e {gate} ]; do sleep 0.1; done; echo second >line.txt"
    resolve = api.bash("printf 'first\\nsecond\\n' >line.txt")
    steps = [api.bash(wait), api.say("Done."), resolve, api.say("Resolved.")]
    model.on("MARK-second", steps)
    repo = claude_captain.repository(**{"line.txt": "nobody\n"})
    tasks = {
        "1": task("Write first", description="MARK-first"),
        "2": task("Write second", description="MARK-second"),
    }
    plan = claude_captain.plan(repo, tasks, agent="claude", check="! grep '<<<<' line.txt")
    voyage = claude_captain.sail(plan, ships=2)
    voyage.until(lambda seen: seen["tasks"]["completed"] == 1)
    gate.touch()
    voyage.wait()

    assert voyage.landed() == ["Write first", "Write second"]
    assert voyage.show("line.txt") == "first\nsecond"
    assert sessions(model, "MARK-second") == 1
    told = next(r for r in model.about("MARK-second") if "with conflicts in" in r.last)
    assert "line.txt" in told.last
    assert voyage.ends("2") == ["landed"]


@rule("R51", "R52")
def test_a_red_check_goes_back_and_lands_green(claude_captain, model):
    """What the check said is the session's next message; nothing lands before it is green."""
    steps = [api.bash("echo red >light"), api.say("Done."), api.bash("echo green >light")]
    model.on("MARK-light", [*steps, api.say("Mended.")])
    repo = claude_captain.repository()
    tasks = {"1": task("Switch the light on", description="MARK-light")}
    check = 'echo "it is $(cat light)" && grep -q green light'
    plan = claude_captain.plan(repo, tasks, agent="claude", check=check, verify="grep green light")
    voyage = claude_captain.sail(plan)
    voyage.wait()

    assert sessions(model, "MARK-light") == 1
    assert any("fails with status 1:\n\nit is red" in r.last for r in model.about("MARK-light"))
    assert voyage.show("light") == "green"
    assert voyage.task("1")["attempts"] == 0


@rule("R64")
def test_a_red_verification_is_repaired(claude_captain, model):
    """verify.sh's output becomes a task, and the voyage is complete once it is green."""
    model.on("MARK-part", [api.bash("echo broken >state"), api.say("Done.")])
    model.on("verify.sh fails", [api.bash("echo whole >state"), api.say("Repaired.")])
    repo = claude_captain.repository()
    verify = 'echo "the state is $(cat state)" && grep -q whole state\n'
    tasks = {"1": task("Make it", description="MARK-part")}
    plan = claude_captain.plan(repo, tasks, agent="claude", verify=verify)
    voyage = claude_captain.sail(plan)
    seen = voyage.wait()

    assert seen["tasks"]["completed"] == 2
    assert voyage.landed() == ["Make it", "Make verify.sh pass (repair 1 of 3)"]
    assert "the state is broken" in model.about("verify.sh fails")[0].opening


@LONG
@rule("R64")
def test_a_verification_that_stays_red_fails_the_voyage(claude_captain, model):
    """After three repair tasks the voyage has failed, with the reason, and `wait` exits 4."""
    model.on("MARK-part", [api.bash("echo broken >state"), api.say("Done.")])
    model.on("verify.sh fails", [api.say("NO CHANGE: I cannot find it.")])
    tasks = {"1": task("Make it", description="MARK-part")}
    verify = "echo it leaks; exit 3\n"
    plan = claude_captain.plan(claude_captain.repository(), tasks, agent="claude", verify=verify)
    voyage = claude_captain.sail(plan)
    seen = voyage.wait(status=4)

    assert (seen["state"], seen["verify"]) == ("failed", "failed")
    assert "verify.sh is red after 3 repair tasks" in seen["reason"]
    assert "it leaks" in seen["reason"]
    assert seen["tasks"] == {
        "total": 4,
        "pending": 0,
        "in_progress": 0,
        "completed": 4,
        "failed": 0,
    }
    assert {ship["state"] for ship in seen["ships"]} == {"done"}


@rule("R63")
def test_setup_runs_in_each_fresh_clone(captain):
    """Once before a ship's first task, not before its second, and once for the verification."""
    setup = f"mkdir -p .venv && touch .venv/ready && pwd >>{captain.root / 'clones'}\n"
    tasks = {
        "1": task("One", "test -e .venv/ready && touch one"),
        "2": task("Two", "test -e .venv/ready && touch two", after=["1"]),
    }
    verify = "cd ~/voyage/workspace && ls one two .venv/ready\n"
    plan = captain.plan(captain.repository(), tasks, setup=setup, verify=verify)
    voyage = captain.sail(plan)
    voyage.wait()
    workspace = str(voyage.home("ship0") / "voyage" / "workspace")
    assert (captain.root / "clones").read_text().splitlines() == [workspace, workspace]
    assert voyage.landed() == ["One", "Two"]


@rule("R127")
def test_a_failing_setup_stalls_the_voyage_and_says_so(captain):
    """It is the ships' trouble, and no task's: the reason has what setup.sh said."""
    tasks = {"1": task("One", "touch one")}
    setup = "echo there is no compiler; exit 9\n"
    settings = {"setup": setup, "max_attempts": 1, "lease_seconds": 6}
    voyage = captain.sail(captain.plan(captain.repository(), tasks, **settings))
    seen = voyage.wait(status=4)
    assert seen["state"] == "stalled"
    assert "there is no compiler setup.sh failed" in seen["reason"]
    voyage.until(lambda now: now["tasks"]["pending"] == 1)  # the ship tries again now and then
    assert voyage.task("1")["attempts"] == 0


@rule("R67")
def test_a_voyage_pauses_when_its_budget_is_spent(claude_captain, model):
    """What is being worked lands, nothing more is claimed, and the reason is the budget."""
    for mark in ("MARK-one", "MARK-two"):
        model.on(mark, [api.write(mark, "x\n"), api.say("Done.")])
    tasks = {
        "1": task("One", description="MARK-one"),
        "2": task("Two", description="MARK-two", after=["1"]),
    }
    plan = claude_captain.plan(claude_captain.repository(), tasks, agent="claude", budget_usd=0.006)
    voyage = claude_captain.sail(plan)
    seen = voyage.wait(status=4)
    assert seen["state"] == "paused"
    assert "of the budget of $0.006 are spent" in seen["reason"]
    assert seen["cost_usd"] >= 0.006
    voyage.until(lambda status: {ship["state"] for ship in status["ships"]} == {"paused"})
    assert not model.about("MARK-two")
