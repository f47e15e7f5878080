"""A voyage under way, and a captain who steers it: real ships, real orders, what comes of it."""

import json
import signal
import time
from getpass import getuser
from pathlib import Path
from socket import gethostname
from typing import Any

from tests.fakes import messages_api as api
from tests.support.captain import Captain, Json, Voyage, task
from tests.support.commands import await_end
from tests.support.exe_captain import at, exe_captain
from tests.support.machine import put, until
from tests.support.rules import LONG, rule
from tests.support.terminal import Terminal


def gate(captain: Captain, name: str = "gate") -> tuple[str, Path]:
    """A shell command that waits for a file, and that file."""
    path = captain.root / name
    return f"until [ -e {path} ]; do sleep 0.1; done", path


def at_work(captain: Captain, ships: int = 1, **settings: Any) -> tuple[Voyage, Path]:
    """A voyage with a gated task for each ship, which have begun, and one more; and the gate."""
    wait, path = gate(captain)
    tasks = {str(n): task(f"Task {n}", f"{wait}; touch {n}") for n in range(ships)}
    tasks["last"] = task("Last", "touch last", list(tasks))
    voyage = captain.sail(captain.plan(captain.repository(), tasks, **settings), ships)
    voyage.until(lambda seen: all(ship["state"] == "working" for ship in seen["ships"]))
    return voyage, path


def orders(voyage: Voyage) -> dict[str, Json]:
    """The journal's lines of the captain's orders, the last of each."""
    return {line["op"]: line for line in voyage.journal() if line.get("by")}


def ship_states(seen: Json) -> dict[str, str]:
    return {ship["id"]: ship["state"] for ship in seen["ships"]}


GATE = "until [ -e ~/gate ]; do sleep 0.1; done"


# Pausing, halting, going on


@rule("R72")
def test_a_pause_lets_ships_finish_and_resume_goes_on(captain):
    """What is being worked lands, nothing more is claimed, and the journal knows who and why."""
    voyage, path = at_work(captain)
    assert "Nothing more is handed out" in captain.run("pause", "--why", "lunch").out
    path.touch()
    seen = voyage.wait(status=4)
    assert (seen["state"], ship_states(seen)) == ("paused", {"ship-0": "paused"})
    assert "lunch" in seen["reason"]
    assert seen["tasks"]["completed"] == 1
    assert captain.run("pause").status == 0
    assert "ocaptain resume" in captain.run("status").out
    captain.run("resume", voyage.id)
    assert voyage.wait()["tasks"]["completed"] == 2
    said = orders(voyage)
    assert said["pause"]["why"] == "lunch"
    assert said["pause"]["by"] == f"{getuser()}@{gethostname()}"


@rule("R73", "R117")
def test_a_halt_stops_agents_now_and_their_work_is_kept(captain):
    """The task is pending again without an attempt used up; its ship saved what there was."""
    wait, path = gate(captain)
    run = f"echo half >work && git add -A && git commit -qm Half && touch begun && {wait}"
    plan = captain.plan(captain.repository(), {"1": task("Work", run)}, lease_seconds=3)
    voyage = captain.sail(plan)
    until(lambda: voyage.git("for-each-ref", "refs/heads/work"), 20)
    captain.run("halt")
    seen = voyage.until(lambda seen: seen["ships"][0]["state"] == "paused")
    assert (seen["state"], seen["tasks"]["pending"]) == ("halted", 1)
    assert voyage.task("1")["attempts"] == 0
    path.touch()
    captain.run("resume")
    voyage.wait()
    assert voyage.ends("1") == ["released", "landed"]


def test_what_a_captain_steers_shows_in_a_terminal(captain):
    """A line for what to type, in 80 columns."""
    voyage, path = at_work(captain)
    with Terminal(captain) as terminal:
        terminal.type("ocaptain halt --why 'the plan is wrong'")
        assert "Nothing more is handed out" in "\n".join(terminal.over())
        voyage.until(lambda seen: seen["state"] == "halted")
        terminal.type("ocaptain status")
        screen = "\n".join(terminal.over())
        assert "the plan is wrong" in screen
        assert "→ ocaptain resume" in screen
    path.touch()
    captain.run("resume")
    voyage.wait()


# Tasks


@rule("R75")
def test_a_task_that_was_set_aside_comes_back(captain):
    """`tasks` says what to type; afterwards the voyage that had failed goes on to its end."""
    cure = captain.root / "cure"
    tasks = {"1": task("Fragile", f"test -e {cure} && touch one")}
    voyage = captain.sail(captain.plan(captain.repository(), tasks, max_attempts=1))
    voyage.wait(status=4)
    assert "ocaptain tasks --status failed" in captain.run("status").out
    assert "ocaptain retry 1" in captain.run("tasks").out
    cure.touch()
    assert "pending again" in captain.run("retry", "1").out
    voyage.wait()
    assert "was not set aside" in captain.run("retry", voyage.id, "1", status=1).err


@rule("R75")
def test_a_red_verification_is_tried_again(captain):
    """With `retry verify`, after something outside of the repository was mended."""
    cure = captain.root / "cure"
    plan = captain.plan(captain.repository(), {"1": task("One", "touch 1")}, verify=f"ls {cure}\n")
    voyage = captain.sail(plan)
    assert voyage.wait(status=4)["verify"] == "failed"
    assert "→ ocaptain retry verify" in captain.run("status").out
    cure.touch()
    captain.run("retry", "verify")
    voyage.wait()


@rule("R76")
def test_a_released_task_goes_to_another_claim(captain):
    """Its ship drops what it was doing; no attempt is used up."""
    voyage, path = at_work(captain)
    assert "ship-0 drops it" in captain.run("release", "0").out
    until(lambda: voyage.ends("0") == ["released", "live"], 20)
    path.touch()
    voyage.wait()
    assert voyage.task("0")["attempts"] == 0


@rule("R77")
def test_tasks_are_added_and_changed_under_way(captain):
    """By id as the answer has it; `--after` without one waits for nothing any more."""
    voyage, path = at_work(captain)
    told = captain.json("tasks", "add", "More", "-d", "Do more.", "--run", "touch more")
    added = told["id"]
    assert voyage.task_file(added)["description"] == "Do more."
    captain.run("tasks", "edit", added, "--subject", "Much more", "--after", "last", "--files", "a")
    file = voyage.task_file(added)
    assert (file["subject"], file["blockedBy"], file["metadata"]["files"]) == (
        "Much more",
        ["last"],
        ["a"],
    )
    assert file["metadata"]["run"] == "touch more"
    assert "circle" in captain.run("tasks", "edit", "last", "--after", added, status=1).err
    captain.run("tasks", "edit", voyage.id, added, "--after", "")
    assert voyage.task_file(added)["blockedBy"] == []
    path.touch()
    voyage.wait()
    assert "Much more" in voyage.landed()
    assert "is completed" in captain.run("tasks", "edit", added, "-d", "x", status=1).err


@LONG
def test_what_is_not_there_is_named(captain):
    """One line that says so, and nothing changes."""
    voyage, path = at_work(captain)
    for verb, name in [("retry", "9"), ("release", "9"), ("relieve", "ship-9")]:
        done = captain.run(verb, name, status=1)
        assert "there is no " in done.err
        assert name in done.err
    path.touch()
    voyage.wait()


# Ships


@rule("R113")
def test_a_relieved_ship_goes_home_after_its_task(captain):
    """`relieve` stays until then; the VM and its key are gone, and the others sail on."""
    voyage, path = at_work(captain, ships=2)
    relieving = captain.start("relieve", voyage.id, "ship-1", "--why", "too many")
    voyage.until(lambda seen: "relieve" in orders(voyage))
    assert relieving.poll() is None
    path.touch()
    said = await_end(relieving, 40).out
    assert relieving.returncode == 0, said
    assert "ship-1 has gone home" in said
    seen = voyage.wait()
    assert ship_states(seen) == {"ship-0": "done"}
    assert not voyage.home("ship1").parent.exists()
    assert not (voyage.storage / "ships" / "ship-1.json").exists()


@rule("R113")
def test_an_interrupted_relieve_leaves_the_order_standing(captain):
    """It says so; given again, it finishes."""
    voyage, path = at_work(captain, ships=2)
    relieving = captain.start("relieve", "ship-1")
    voyage.until(lambda seen: "relieve" in orders(voyage))
    time.sleep(0.5)
    relieving.send_signal(signal.SIGINT)
    said = await_end(relieving, 20).out
    assert relieving.returncode == 130, said
    assert f"ocaptain relieve {voyage.id} ship-1" in said
    path.touch()
    seen = voyage.wait()
    assert ship_states(seen) == {"ship-0": "done", "ship-1": "relieved"}
    captain.run("relieve", "ship-1")
    assert ship_states(voyage.status()) == {"ship-0": "done"}


@rule("R112")
def test_reinforce_replaces_what_is_lost_and_adds_more(captain):
    """A helm that died is started again; a VM that does not answer gives way to a new ship.

    A VM that a killed `reinforce` left, whose ship storage does not know, is removed."""
    voyage, path = at_work(captain, ships=3)
    voyage.kill_helm("ship0")
    voyage.kill("ship1")
    (captain.vms / f"{voyage.id}-ship1" / "host_key").unlink()
    told = captain.json("reinforce", "-n", "1", "--force")
    assert (told["lost"], told["new"]) == (["ship-1"], ["ship-3", "ship-4"])
    path.touch()
    seen = voyage.wait()
    assert set(ship_states(seen)) == {"ship-0", "ship-2", "ship-3", "ship-4"}
    assert not (captain.vms / f"{voyage.id}-ship1").exists()
    assert not (voyage.storage / "ships" / "ship-1.json").exists()
    voyage.until_log("ship-3 is under way")
    left = captain.vms / f"{voyage.id}-ship7"
    (left / "home").mkdir(parents=True)
    again = captain.json("reinforce")
    assert (again["lost"], again["kept"], again["new"]) == ([], [], [])
    assert not left.exists()


@LONG
@rule("R112")
def test_a_stalled_voyage_is_reinforced_to_its_end(captain):
    """All ships are gone: `status` says what to type, and that is enough."""
    voyage, path = at_work(captain, lease_seconds=3)
    path.touch()
    captain.run("sink", "--force")
    voyage.until(lambda seen: seen["state"] == "stalled")
    assert "→ ocaptain reinforce" in captain.run("status").out
    captain.run("reinforce")
    assert ship_states(voyage.wait()) == {"ship-1": "done"}


@rule("R79", "R112")
def test_a_reinforcement_that_fails_leaves_nothing(captain):
    """New ships are gone again, storage shows none of them, and their numbers do not come back."""
    voyage, path = at_work(captain)
    captain.path_first("ssh-keygen", "#!/bin/sh\nexit 1\n")
    done = captain.run("reinforce", "-n", "2", status=None)
    assert done.status != 0
    (captain.root / "bin" / "ssh-keygen").unlink()
    assert list(ship_states(voyage.status())) == ["ship-0"]
    assert [file.name for file in (voyage.storage / "ships").iterdir()] == ["ship-0.json"]
    assert len(list(captain.vms.iterdir())) == 2
    assert captain.json("reinforce", "-n", "1")["new"] == ["ship-3"]
    path.touch()
    voyage.wait()


@LONG
@rule("R79", "R103", "R112")
def test_a_ship_that_does_not_come_up_is_let_go(captain):
    """The others join; storage does not show it as one that is to come."""
    voyage, path = at_work(captain)
    broken = "case $OCAPTAIN_VM in *-ship1) exit 1 ;; esac"
    captain.path_first("tar", f'#!/bin/sh\n{broken}\nexec {captain.real("tar")} "$@"\n')
    done = captain.run("reinforce", "-n", "2", "--json")
    told = json.loads(done.out)
    assert told["new"] == ["ship-2"]
    assert told["message"].startswith("0 ships lost of 1; 1 new ship. 1 ship answered;")
    assert "ship-1 is given up; the others sail on without it" in done.err
    assert set(ship_states(voyage.status())) == {"ship-0", "ship-2"}
    path.touch()
    voyage.wait()


# Messages and credentials


@rule("R110")
def test_a_hail_reaches_the_agent_at_work(claude_captain, model):
    """The answer says that it was taken in, and the model was told."""
    wait, path = gate(claude_captain)
    model.on("MARK-work", [api.bash(wait), api.write("a", "x\n"), api.say("Done.")])
    tasks = {"1": task("Work", description="MARK-work")}
    plan = claude_captain.plan(claude_captain.repository(), tasks, agent="claude")
    voyage = claude_captain.sail(plan)
    until(lambda: model.about("MARK-work"), 30)
    hailing = claude_captain.start("hail", "ship-0", "Write it in blue.")
    time.sleep(2)
    path.touch()
    said = await_end(hailing, 40).out
    assert hailing.returncode == 0, said
    assert "taken in by ship-0's agent" in said
    voyage.wait()
    assert any("Write it in blue." in json.dumps(r.body) for r in model.about("MARK-work"))


@rule("R110")
def test_a_hail_waits_for_a_ship_without_a_task(claude_captain, model):
    """It is the next task's then, and the answer says so."""
    wait, path = gate(claude_captain)
    model.on("MARK-work", [api.bash(wait), api.write("a", "x\n"), api.say("Done.")])
    tasks = {"1": task("Work", description="MARK-work")}
    plan = claude_captain.plan(claude_captain.repository(), tasks, agent="claude")
    voyage = claude_captain.sail(plan, 2)
    seen = voyage.until(lambda seen: seen["tasks"]["in_progress"])
    [idle] = [ship["id"] for ship in seen["ships"] if ship["task"] is None]
    assert f"waits for {idle}'s next task" in claude_captain.run("hail", voyage.id, idle, "Hi").out
    path.touch()
    voyage.wait()


@rule("R78")
def test_an_agent_that_cannot_be_told_is_named(captain):
    """A command has no ears."""
    voyage, path = at_work(captain)
    assert "cannot be told" in captain.run("hail", "Hello", status=1).err
    path.touch()
    voyage.wait()


@rule("R111")
def test_resume_brings_ships_the_credentials_that_are_set_here(claude_captain, model):
    """A token that is not accepted pauses the voyage; a new one, and `resume`, move it on."""
    tasks = {"1": task("Work", description="MARK-work")}
    model.on("MARK-work", [api.write("a", "x\n"), api.say("Done.")])
    plan = claude_captain.plan(claude_captain.repository(), tasks, agent="claude")
    voyage = claude_captain.sail(plan)
    captain_json = voyage.home("ship0") / "voyage" / "agent_env.json"
    claude_captain.env["CLAUDE_CODE_OAUTH_TOKEN"] = "sk-ant-oat01-another-one"
    claude_captain.run("resume")
    told = json.loads(captain_json.read_text())
    assert told["CLAUDE_CODE_OAUTH_TOKEN"] == "sk-ant-oat01-another-one"
    assert captain_json.stat().st_mode & 0o777 == 0o600
    del claude_captain.env["CLAUDE_CODE_OAUTH_TOKEN"]
    assert "keep the credentials that they have" in claude_captain.run("resume").err
    assert json.loads(captain_json.read_text()) == told
    voyage.wait()


# The audit


@rule("R81")
def test_fsck_mends_what_it_can_and_names_the_rest(captain):
    """Status 1 where something is wrong, 0 once nothing is."""
    voyage, path = at_work(captain)
    assert "All is sound" in captain.run("fsck").out
    put(voyage.home() / ".claude" / "tasks" / f"{voyage.id}-tasks" / "0.json", "{torn")
    told = captain.json("fsck")
    assert told["faults"] == []
    assert voyage.task_file("0")["subject"] == "Task 0"
    path.touch()
    voyage.wait()
    voyage.git("update-ref", "-d", f"refs/heads/{voyage.id}")
    assert "mended: " in captain.run("fsck").out
    journal = voyage.storage / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:3] + lines[4:]))
    assert "journal.jsonl: damaged after change 3" in captain.run("fsck", status=1).err


# A fleet of machines


@LONG
@rule("R112", "R114")
def test_a_fleet_is_reinforced_and_relieved_from_another_machine(tools):
    """With the account alone: a crashed ship goes with its key, and new ones sail in its stead."""
    with exe_captain() as somebody:
        tasks = {str(n): task(f"Task {n}", f"{GATE}; touch {n}") for n in range(2)}
        voyage = somebody.sail(somebody.plan(somebody.repository(), tasks, lease_seconds=9), 2)
        voyage.until(lambda seen: all(ship["state"] == "working" for ship in seen["ships"]))
        somebody.exe.machines[f"{voyage.id}-ship1"].crash()
        somebody.hang_up()
        with at(somebody.exe) as visitor:
            told = visitor.json("reinforce", "-n", "1")
            assert (told["lost"], told["new"]) == (["ship-1"], ["ship-2", "ship-3"])
            names = [f"{voyage.id}-{vm}" for vm in ("ship0", "ship2", "ship3", "storage")]
            assert sorted(somebody.exe.machines) == names
            assert sorted(somebody.account()) == sorted(
                [f"VM {name}" for name in names] + [f"key {name}" for name in names[:3]]
            )
            for ship in ("ship0", "ship2", "ship3"):
                (voyage.home(ship) / "gate").touch()
            voyage.wait()
            visitor.run("relieve", "ship-3")
        assert list(ship_states(voyage.status())) == ["ship-0", "ship-2"]
