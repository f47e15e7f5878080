"""What breaks while ships are at sea: ships, helms, answers, mounts, and `sail` itself."""

import signal
import time

import pytest

from ocaptain.onboard.process import marked
from tests.fakes import messages_api as api
from tests.support.captain import Captain, Voyage, task
from tests.support.commands import await_end
from tests.support.machine import command_line, put, signal_all, until
from tests.support.rules import LONG, rule
from tests.support.terminal import Terminal

# Stands before ssh, and lets one of a ship's questions about a landing come to grief: the first
# (before the push) or the second (after it), before storage hears of it or after it did.
SSH = """\
#!/bin/bash
root={root} real={real}
[[ $OCAPTAIN_VM == *-ship* && "${{*: -1}}" == harbor && -e $root/fault ]] || exec $real "$@"
IFS= read -r line
[[ $line == *'"op": "land"'* ]] && echo >>$root/asked &&
    [[ $(wc -l <$root/asked) == {nth} ]] && fault=$(cat $root/fault) && rm $root/fault
die() {{ for pid in $(grep -lsz "^OCAPTAIN_VM=$OCAPTAIN_VM$" /proc/[0-9]*/environ); do
    pid=${{pid#/proc/}} && [[ ${{pid%/environ}} == "$$" ]] || kill -9 "${{pid%/environ}}"
done; kill -9 $$; }}
[[ $fault == before ]] && die
answer=$($real "$@" <<<"$line")
[[ $fault == lost ]] && exit 255
[[ $fault == after ]] && die
printf '%s\\n' "$answer"
"""


def with_fault(captain: Captain, fault: str, nth: int) -> None:
    script = SSH.format(root=captain.root, real=captain.real("ssh"), nth=nth)
    captain.path_first("ssh", script)
    (captain.root / "fault").write_text(fault)


@rule("R1", "R18", "R45")
@pytest.mark.parametrize(
    ("fault", "nth", "claims", "agents"),
    [
        pytest.param("before", 1, 2, 2, id="dies-with-nothing-pushed", marks=LONG),
        pytest.param("lost", 1, 1, 1, id="answer-lost-before-the-push", marks=LONG),
        pytest.param("before", 2, 2, 2, id="dies-between-push-and-landing", marks=LONG),
        pytest.param("lost", 2, 1, 1, id="answer-lost-after-the-landing"),
        pytest.param("after", 2, 1, 1, id="dies-after-the-landing"),
    ],
)
def test_a_landing_happens_once(captain, fault, nth, claims, agents):
    """Whenever a ship dies or an answer is lost, the work lands once; after a lost answer without
    another agent."""
    began = captain.root / "began"
    tasks = {
        "1": task("Work", f"echo >>{began}; echo line >>work.txt"),
        "2": task("More", "echo more >>work.txt", after=["1"]),
    }
    with_fault(captain, fault, nth)
    plan = captain.plan(captain.repository(), tasks, lease_seconds=3)
    voyage = captain.sail(plan, ships=2)
    seen = voyage.wait()

    assert not (captain.root / "fault").exists()
    assert voyage.landed() == ["Work", "More"]
    assert voyage.show("work.txt") == "line\nmore"
    assert len(began.read_text()) == agents
    assert voyage.ends("1")[-1] == "landed"
    assert len(voyage.ends("1")) == claims
    states = {ship["state"] for ship in seen["ships"]}
    assert states <= ({"done"} if fault == "lost" else {"done", "lost", "working", "landing"})


@rule("R56")
def test_a_ship_that_dies_during_the_check_is_relieved(claude_captain, model):
    """Another ship takes the task over, and its agent is told where the work is."""
    model.on("MARK", [api.bash("echo line >>work.txt"), api.say("Done.")])
    again = "git fetch -q origin work/1-1 && git checkout -q FETCH_HEAD work.txt"
    model.on("MARK", [api.bash(again), api.say("Taken over.")])
    gate = claude_captain.root / "gate"
    check = f"[ -e {gate} ] || {{ touch {gate}.waits; sleep 60; }}"
    tasks = {"1": task("Work", description="MARK")}
    plan = claude_captain.plan(
        claude_captain.repository(), tasks, agent="claude", lease_seconds=3, check=check
    )
    voyage = claude_captain.sail(plan, ships=2)
    until(lambda: (claude_captain.root / "gate.waits").exists(), 20)
    gate.touch()
    voyage.kill(voyage.task("1")["owner"].replace("-", ""))
    voyage.wait()

    assert voyage.landed() == ["Work"]
    assert voyage.show("work.txt") == "line"
    assert voyage.ends("1") == ["expired", "landed"]
    assert "work/1-1" in model.about("MARK")[-1].text


@rule("R31", "R55", "R87")
def test_a_restarted_helm_gives_its_old_claim_up_at_once(claude_captain, model):
    """The agent of the dead helm is killed, and the next one is told what is left of its work."""
    commit = "echo half >half.txt && git add -A && git commit -qm 'Half of it'; echo x >more.txt"
    model.on("MARK", [api.bash(commit), api.Reply([api.say("Late.")], delay=60)])
    again = [api.bash("echo whole >whole.txt"), api.say("Done.")]
    model.on("MARK", again)
    tasks = {"1": task("Work", description="MARK")}
    plan = claude_captain.plan(claude_captain.repository(), tasks, agent="claude", lease_seconds=60)
    voyage = claude_captain.sail(plan)
    more = voyage.home("ship0") / "voyage" / "workspace" / "more.txt"
    until(more.exists, 40)
    assert marked(f"OCAPTAIN_WORK={voyage.id}/ship-0")
    voyage.kill_helm("ship0")
    began = time.monotonic()
    voyage.start_helm("ship0")
    voyage.wait()

    assert time.monotonic() - began < 30
    assert voyage.ends("1") == ["abandoned", "landed"]
    assert not marked(f"OCAPTAIN_WORK={voyage.id}/ship-0")
    told = model.about("MARK")[-1].opening
    assert "Earlier attempts at it that did not land" in told
    assert "git fetch origin work/1-1" in told
    assert voyage.git("show", "work/1-1:more.txt") == "x"
    assert voyage.landed() == ["Work"]
    assert voyage.task("1")["attempts"] == 0


def looking(captain: Captain) -> Voyage:
    """A voyage whose first task looks about until there is a file `gate`."""
    gate = captain.root / "gate"
    command = f"cp ~/voyage/artifacts/spec.md seen.md; while [ ! -e {gate} ]; do sleep 0.1; done"
    tasks = {"1": task("Look", command), "2": task("Go on", "touch on", after=["1"])}
    voyage = captain.sail(captain.plan(captain.repository(), tasks))
    voyage.until_log("claims it: Look")
    until(lambda: (voyage.home("ship0") / "voyage/artifacts/spec.md").exists())
    return voyage


@rule("R95")
def test_a_ship_sees_storage_and_can_change_nothing_there(captain):
    """Tasks, artifacts and logs can be read; neither the mount nor SSH lets a ship write."""
    voyage = looking(captain)
    ship, listed = voyage.home("ship0"), f".claude/tasks/{voyage.id}-tasks/1.json"
    assert (ship / listed).read_text() == (voyage.home() / listed).read_text()
    assert '"in_progress"' in (ship / listed).read_text()
    assert (ship / "voyage/artifacts/verify.sh").read_text() == "true\n"
    assert "claims it: Look" in (ship / "voyage/logs/ship-0.log").read_text()
    for path in (listed, "voyage/artifacts/spec.md", "voyage/logs/ship-0.log"):
        with pytest.raises(OSError, match=r"Read-only|Permission"):
            (ship / path).write_text("mine")
        with pytest.raises(OSError, match=r"Read-only|Permission"):
            (ship / path).unlink()
    sftp = (
        "echo 'put /etc/hostname voyage/voyage.json' | sftp -q -b - -F ~/voyage/ssh_config storage"
    )
    assert "Permission denied" in voyage.ssh("ship0", sftp).err
    shell = voyage.ssh("ship0", "ssh -F ~/voyage/ssh_config storage touch voyage/mine")
    assert "ship-0 may run harbor, git and sftp on storage, nothing else" in shell.err
    for ref in (voyage.id, "mine", "work/2-9"):
        push = f"cd ~/voyage/workspace && git push -qf origin HEAD~0:refs/heads/{ref}"
        refused = voyage.ssh("ship0", push.replace("HEAD~0", "$(git commit-tree -m x HEAD^{tree})"))
        assert "may not write" in refused.err


@LONG
@rule("R89")
def test_a_voyage_goes_on_without_storages_view(captain):
    """With its sshfs killed, a ship works and lands as before."""
    voyage = looking(captain)
    pids = marked(f"OCAPTAIN_VM={voyage.id}-ship0")
    mounts = [str(pid) for pid in pids if command_line(pid).startswith("sshfs")]
    assert mounts
    voyage.ssh("ship0", f"kill -9 {' '.join(mounts)}")
    (captain.root / "gate").touch()
    voyage.wait()
    assert voyage.landed() == ["Look", "Go on"]
    assert voyage.show("seen.md").startswith("# A small objective")
    voyage.until_log("sshfs ended")


@rule("R68")
def test_a_voyage_whose_ships_are_gone_is_stalled(captain):
    """A ship that is not heard from is lost, and with all of them the voyage stalls."""
    tasks = {"1": task("Never", "sleep 600")}
    voyage = captain.sail(captain.plan(captain.repository(), tasks, lease_seconds=3))
    voyage.until_log("claims it")
    voyage.kill("ship0")
    seen = voyage.wait(status=4)
    assert (seen["state"], seen["ships"][0]["state"]) == ("stalled", "lost")
    assert "not heard from for" in seen["ships"][0]["reason"]
    assert seen["tasks"]["in_progress"] == 1
    voyage.start_helm("ship0")
    seen = voyage.until(lambda seen: seen["state"] == "running")
    assert voyage.ends("1")[0] == "abandoned"


@LONG
@rule("R36", "R87")
def test_a_lost_lease_stops_the_agent(captain):
    """A ship that was cut off finds its claim gone, stops what ran for it, and lands nothing."""
    gate = captain.root / "gate"
    slow = f"echo $OCAPTAIN_VM >>who; [ -e {gate} ] || sleep 600"
    tasks = {"1": task("Work", slow)}
    voyage = captain.sail(captain.plan(captain.repository(), tasks, lease_seconds=3), ships=2)
    voyage.until(lambda seen: seen["tasks"]["in_progress"] == 1)
    vm = voyage.task("1")["owner"].replace("-", "")
    cut_off = marked(f"OCAPTAIN_VM={voyage.id}-{vm}")
    signal_all(signal.SIGSTOP, cut_off)
    gate.touch()
    voyage.wait()
    signal_all(signal.SIGCONT, cut_off)  # some had just ended
    until(lambda: not marked(f"OCAPTAIN_WORK={voyage.id}/ship-0"), 20)
    assert voyage.landed() == ["Work"]
    assert voyage.show("who") != f"{voyage.id}-{vm}"


GIT_ON_STORAGE = """\
#!/bin/sh
[ -n "$OCAPTAIN_VM" ] && {{ {trouble}; }}
exec {real} "$@"
"""


@rule("R102")
def test_a_sail_that_fails_leaves_nothing(captain):
    """Where storage cannot be set up, sail says why, exits 1, and no VM is left."""
    trouble = "echo the disk is full >&2; exit 1"
    captain.path_first("git", GIT_ON_STORAGE.format(trouble=trouble, real=captain.real("git")))
    plan = captain.plan(captain.repository(), {"1": task("One", "true")})
    done = captain.run("sail", str(plan), "-n", "2", status=1)
    assert "the disk is full" in done.err
    assert "storage could not be set up" in done.err
    assert captain.remains() == []


@rule("R102")
@pytest.mark.parametrize(
    "sign",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=LONG)],
)
def test_a_sail_that_is_interrupted_leaves_nothing(captain, sign):
    """Ctrl-C in the middle removes what was made."""
    trouble = f"touch {captain.root}/waits; sleep 60"
    captain.path_first("git", GIT_ON_STORAGE.format(trouble=trouble, real=captain.real("git")))
    plan = captain.plan(captain.repository(), {"1": task("One", "true")})
    sailing = captain.start("sail", str(plan), "-n", "2")
    until(lambda: (captain.root / "waits").exists(), 20)
    assert len(list(captain.vms.iterdir())) == 3
    sailing.send_signal(sign)
    said = await_end(sailing, 30).out
    assert sailing.returncode in (130, -sign, 128 + sign), said
    assert "Traceback" not in said
    until(lambda: captain.remains() == [], 5)


@rule("R102")
def test_a_sail_whose_terminal_is_closed_leaves_nothing(captain):
    """The shell in it passes its SIGHUP on, so a second one comes; and nothing can be said."""
    trouble = f"touch {captain.root}/waits; sleep 60"
    captain.path_first("git", GIT_ON_STORAGE.format(trouble=trouble, real=captain.real("git")))
    plan = captain.plan(captain.repository(), {"1": task("One", "true")})
    with Terminal(captain) as terminal:
        terminal.type(f"ocaptain sail {plan} -n 2")
        until(lambda: (captain.root / "waits").exists(), 20)
        assert len(list(captain.vms.iterdir())) == 3
    until(lambda: captain.remains() == [], 20)
    assert not (captain.home / ".local" / "state").exists(), "it is no bug either"


@rule("R107")
def test_a_broken_plan_creates_nothing(captain):
    """All faults are told at once, and there is no VM."""
    plan = captain.plan(captain.repository(), {"1": task("One", "true", after=["9"])})
    put(plan / "verify.sh", "if then\n")
    done = captain.run("sail", str(plan), status=1)
    assert "verify.sh" in done.err
    assert "1.json" in done.err
    assert not captain.vms.exists() or not list(captain.vms.iterdir())
    assert captain.remains() == []
