"""Nothing is lost: faults in each phase of a ship's work, with real processes.

Each voyage here meets several faults, ends by itself, and is audited from its raw files."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.process import marked
from tests.fakes import messages_api as api
from tests.fakes.exedev import Machine
from tests.support.audit import assert_nothing_lost, assert_status_true, present
from tests.support.captain import Captain, Json, Voyage, task
from tests.support.commands import Done, await_end
from tests.support.disk import Disk, small_disk
from tests.support.exe_captain import ExeCaptain, exe_captain
from tests.support.machine import (
    PROC,
    command_line,
    open_files,
    processes,
    put,
    signal_all,
    until,
)
from tests.support.rules import LONG, rule
from tests.support.tripwires import Trips, before_ssh, before_ssh_on

PHASES = ("after-claim", "at-work", "before-push", "after-push", "before-land", "after-land")
"""Points at which each voyage is struck, in this order, one a task; `verifying` comes after them.

before-land is where a ship asks to land for the first time, with its commits not yet pushed."""


BEGIN = "until arm after-claim; do sleep 0.1; done; echo 0 >done-0"


def phased() -> dict[str, Json]:
    """A chain of tasks: each arms the point at which the next one, or itself, is struck."""
    tasks: dict[str, Json] = {
        "0": task("Begin", "until arm after-claim; do sleep 0.1; done; echo 0 >done-0")
    }
    for number, phase in enumerate(PHASES[1:], 1):
        run = f"arm {phase}; trip at-work && echo {number} >>done-{number}"
        tasks[str(number)] = task(phase, run, after=[str(number - 1)])
    return tasks


# Who is struck: how, and how it comes back


def kill_helm(voyage: Voyage) -> None:
    """Kill helm alone."""
    voyage.kill_helm("ship0")


def kill_ship(voyage: Voyage) -> None:
    """Pull a ship's plug."""
    voyage.kill("ship0")


def start_helm(voyage: Voyage) -> None:
    """Start helm, as somebody has to where there is no systemd."""
    voyage.start_helm("ship0")


def kill_storage(voyage: Voyage) -> None:
    """Kill all that serves storage, and let nobody in for now."""
    machine = voyage.home().parent
    (machine / "host_key").rename(machine / "no_host_key")
    serving = [path for path in PROC.glob("[0-9]*") if machine / "sshd.log" in open_files(path)]
    signal_all(signal.SIGKILL, [int(path.name) for path in serving])
    voyage.kill("storage")


def start_storage(voyage: Voyage) -> None:
    """Let ships and captain in again."""
    machine = voyage.home().parent
    (machine / "no_host_key").rename(machine / "host_key")


def machine(voyage: Voyage, name: str) -> Machine:
    """A VM of a voyage on exe.dev."""
    assert isinstance(voyage.captain, ExeCaptain)
    return voyage.captain.exe.machines[f"{voyage.id}-{name}"]


def crash(name: str) -> Callable[[Voyage], None]:
    """Pull the plug of a VM on exe.dev."""
    return lambda voyage: machine(voyage, name).crash()


def boot(name: str) -> Callable[[Voyage], None]:
    """Switch a VM on exe.dev on; whatever else it takes, it does by itself."""
    return lambda voyage: machine(voyage, name).boot()


# What may be the matter with storage's files when it comes back


def task_path(voyage: Voyage, task_id: str) -> Path:
    """A task's file."""
    return voyage.home() / ".claude" / "tasks" / f"{voyage.id}-tasks" / f"{task_id}.json"


def torn_line(voyage: Voyage) -> None:
    """The last line of the journal is there in part."""
    journal = voyage.storage / "journal.jsonl"
    last = journal.read_bytes().splitlines()[-1]
    with journal.open("ab") as file:
        file.write(last[: len(last) // 2])


def torn_task(voyage: Voyage) -> None:
    """A task file ends in the middle."""
    path = task_path(voyage, "5")
    path.write_bytes(path.read_bytes()[:30])


def emptied_task(voyage: Voyage) -> None:
    """A task file is empty."""
    task_path(voyage, "4").write_bytes(b"")


def deleted_task(voyage: Voyage) -> None:
    """A task file is gone."""
    task_path(voyage, "0").unlink()


def nonsense(voyage: Voyage) -> None:
    """Somebody wrote into a task file by hand."""
    task_path(voyage, "5").write_text('{"status": "completed", "blockedBy": 7')


def garbage(voyage: Voyage) -> None:
    """What is only a cache is spoilt."""
    (voyage.storage / "state.json").write_bytes(b'{"torn')
    (voyage.storage / "lock").write_bytes(b"\0" * 40)


def unsynced(voyage: Voyage) -> None:
    """Nothing but the journal had reached the disk before the power went."""
    start = present(voyage)["meta"]["start"]
    voyage.git("update-ref", f"refs/heads/{voyage.id}", start)
    (voyage.storage / "lock").write_bytes(b"%020d another-boot" % len(voyage.journal()))
    for path in (*(voyage.storage / "ships").iterdir(), *voyage.storage.glob("allowed/**/*-*")):
        path.unlink() if path.is_file() else None


SPOILS = (torn_line, torn_task, emptied_task, deleted_task, nonsense, garbage, unsynced)
NOTED = ("cut off a torn line", "restored 5.json", "restored 4.json", "restored 0.json")


# Strikes in each phase


def strike(voyage: Voyage, phase: str, who: str, *spoils: Callable[[Voyage], None]) -> None:
    """Strike when the ship has come to that point, and bring back who was struck."""
    trips, (kill, revive) = Trips(voyage, "ship0"), VICTIMS[who]
    with trips.held(phase, dies="storage" not in who):
        assert_status_true(voyage)
        kill(voyage)
        for spoil in spoils:
            spoil(voyage)
    if who == "storage":
        said = voyage.captain.run("status", voyage.id, status=1)
        assert "cannot be reached" in said.err
    revive(voyage)


VICTIMS = {
    "helm": (kill_helm, start_helm),
    "ship": (kill_ship, start_helm),
    "storage": (kill_storage, start_storage),
    "rebooting ship": (crash("ship0"), boot("ship0")),
    "rebooting storage": (crash("storage"), boot("storage")),
}


def phased_voyage(captain: Captain) -> Voyage:
    """A voyage of one ship, which comes to each phase once."""
    verify = "arm verifying; trip verifying; ls done-5\n"
    plan = captain.plan(captain.repository(), phased(), verify=verify, lease_seconds=20)
    return captain.sail(plan)


@rule("R1", "R45", "R55")
@pytest.mark.parametrize(
    "who",
    [pytest.param("helm", marks=LONG), pytest.param("ship", marks=LONG), "storage"],
)
def test_nothing_is_lost_in_whatever_phase_somebody_is_killed(captain, who):
    """kill -9 of helm, of all of a ship, and of storage, whose files are spoilt besides: after a
    claim, at work, before and after the push, before `land` is heard and answered, verifying."""
    before_ssh(captain)
    voyage = phased_voyage(captain)
    Trips(voyage, "ship0").ready()
    for phase, spoil in zip((*PHASES, "verifying"), SPOILS, strict=True):
        strike(voyage, phase, who, *[spoil] * (who == "storage"))
    voyage.wait()
    assert_all_landed_once(voyage, unharmed=who == "storage")
    if who == "storage":
        noted = (voyage.storage / "logs" / "harbor.log").read_text()
        assert [words for words in NOTED if words not in noted] == []


def assert_all_landed_once(voyage: Voyage, *, unharmed: bool) -> None:
    """All tasks are on the branch once; by their one claim, where the ship was `unharmed`."""
    assert_nothing_lost(voyage)
    assert_status_true(voyage)
    assert voyage.landed() == ["Begin", *PHASES[1:]]
    ends = {key: voyage.ends(str(key)) for key in range(6)}
    again = [] if unharmed else ["abandoned"]
    twice = [] if unharmed else ["abandoned", "abandoned"]
    once = {0: [], 1: twice, 2: again, 3: again, 4: again, 5: []}
    assert ends == {key: [*ended, "landed"] for key, ended in once.items()}


@pytest.fixture
def exe(tools: None) -> Iterator[ExeCaptain]:
    """A captain with an account at exe.dev, whose plans are for the shell agent."""
    with exe_captain() as somebody:
        yield somebody


@rule("R8", "R82")
@pytest.mark.parametrize("who", [pytest.param("rebooting ship", marks=LONG), "rebooting storage"])
def test_vms_that_reboot_in_whatever_phase_go_on_by_themselves(exe, who):
    """Nobody starts anything again: what boots is enough, for a ship as for storage."""
    voyage = phased_voyage(exe)
    before_ssh_on(machine(voyage, "ship0"))
    Trips(voyage, "ship0").ready()
    for phase in (*PHASES, "verifying"):
        strike(voyage, phase, who)
    voyage.wait()
    assert_all_landed_once(voyage, unharmed=who == "rebooting storage")


# Cut off


@rule("R36", "R55")
def test_a_ship_that_was_cut_off_lands_nothing_and_takes_a_new_task(captain):
    """Its claim has expired and another did the task: its own `land` is refused, and what it did
    meanwhile is a wreck."""
    before_ssh(captain)
    once = f"[ -e {captain.root}/struck ] || {{ touch {captain.root}/struck; arm at-work; }}"
    wait = f"until [ -e {captain.root}/gate ]; do sleep 0.1; done; touch two"
    tasks = {
        "1": task("Work", f"{once}; trip at-work; echo $OCAPTAIN_VM >who"),
        "2": task("Keep the other busy", wait, after=["1"]),
        "3": task("A new one", "echo $OCAPTAIN_VM >new", after=["1"]),
    }
    voyage = captain.sail(captain.plan(captain.repository(), tasks, lease_seconds=3), ships=2)
    crew = [Trips(voyage, vm) for vm in ("ship0", "ship1")]
    for each in crew:
        each.ready()
    until(lambda: any(each.sprung("at-work") for each in crew), 20)
    away = next(each for each in crew if each.sprung("at-work"))
    with away.cut_off():
        with away.held("at-work", dies=False):
            voyage.until(lambda seen: seen["tasks"]["completed"] == 1)
        until(lambda: away.waits("land"))
    voyage.until(lambda seen: seen["tasks"]["completed"] == 2)
    (captain.root / "gate").touch()
    voyage.wait()
    assert_nothing_lost(voyage)
    assert voyage.ends("1") == ["expired", "landed"]
    assert voyage.show("who") != f"{voyage.id}-{away.vm}"
    assert voyage.git("show", "work/1-1:who") == f"{voyage.id}-{away.vm}"
    assert voyage.show("new") == f"{voyage.id}-{away.vm}"
    refused = [line["set"].get("answers", {}) for line in voyage.journal() if line["op"] == "land"]
    assert '"code": "lost"' in json.dumps(refused)


# Nobody looks on


def sailed(captain: Captain, plan: Path, ships: int) -> Voyage:
    """Sail, and be gone as soon as that has said so: sail and all its connections are killed."""
    with captain.start("sail", str(plan), "-n", str(ships)) as sailing:
        assert sailing.stdout
        said = next(line for line in sailing.stdout if "is under way" in line)
        sailing.kill()
    sockets = captain.root / "run" / "ocaptain"
    for process in processes(str(sockets)):
        pid, _, words = process.partition(" ")
        if str(sockets) in words:
            os.kill(int(pid), 9)
    for path in sockets.iterdir():
        path.unlink() if path.is_socket() else None
    return Voyage(captain, said.split()[0])


def sshfs_of(voyage: Voyage, vm: str) -> list[int]:
    """The processes that mount storage on a ship."""
    pids = marked(f"OCAPTAIN_VM={voyage.id}-{vm}")
    return [pid for pid in pids if command_line(pid).startswith("sshfs")]


@rule("R89", "R114")
def test_ships_go_on_without_the_captain_and_without_storages_view(captain):
    """`sail` is killed once it has spoken. One ship's sshfs hangs, helm starting anew meanwhile;
    another's mount is gone. The voyage ends by itself, and whoever comes back sees it."""
    gate = f"until [ -e {captain.root}/gate ]; do sleep 0.1; done"
    look = "timeout -s KILL 1 ls ~/voyage/artifacts/"
    tasks = {key: task(f"Work {key}", f"{gate}; {look}; echo {key} >{key}") for key in "1234"}
    plan = captain.plan(captain.repository(), tasks)
    voyage = sailed(captain, plan, 2)
    views = [voyage.home(vm) / "voyage/artifacts/spec.md" for vm in ("ship0", "ship1")]
    until(lambda: all(view.exists() for view in views), 60)
    hung = sshfs_of(voyage, "ship0")
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    captain.sh(["fusermount3", "-u", "-z", str(voyage.home("ship1") / "voyage/storage")])
    voyage.kill_helm("ship0")
    voyage.start_helm("ship0")
    (captain.root / "gate").touch()
    until(lambda: "verified" in present(voyage)["meta"], 60)
    until((voyage.storage / "artifacts/voyage-complete.marker").exists)  # it follows the journal
    assert_nothing_lost(voyage)
    assert sorted(voyage.landed()) == [f"Work {key}" for key in "1234"]
    assert assert_status_true(voyage)["state"] == "complete"


@rule("R115")
def test_two_captains_at_once_lose_no_order(captain):
    """Each is answered, and what it changed is in the journal; the fleet does what both want."""
    wait = f"until [ -e {captain.root}/gate ]; do sleep 0.1; done; touch one"
    voyage = captain.sail(captain.plan(captain.repository(), {"1": task("Wait", wait)}))
    voyage.until(lambda seen: seen["tasks"]["in_progress"])
    given = list[tuple[str, ...]]()
    for who in ("Ann", "Bob"):
        given.append(("pause", "--why", who))
        given.append(("tasks", "add", f"From {who}", "--run", f"touch {who}", "--why", who))
        given.append(("fetch", "--into", str(captain.repository(who)), "--all", "-f"))
    at_once(captain, *given)
    (captain.root / "gate").touch()
    assert voyage.wait(status=4)["state"] == "paused"
    at_once(captain, ("resume",), ("resume",))
    voyage.wait()
    told = {(line["op"], line["why"]) for line in voyage.journal() if line.get("why")}
    assert {("edit_task", "Ann"), ("edit_task", "Bob")} < told
    assert {("pause", "Ann"), ("pause", "Bob")} & told
    assert sorted(voyage.landed()) == ["From Ann", "From Bob", "Wait"]
    assert_nothing_lost(voyage)
    assert_status_true(voyage)


def at_once(captain: Captain, *commands: Sequence[str]) -> None:
    """Type several commands at the same time; all of them succeed."""
    for typed in [captain.start(*words) for words in commands]:
        with typed:
            said = await_end(typed, 60).out
        assert typed.returncode == 0, said


KEYGEN = """\
#!/bin/bash
# A VM that gets its host key has a home by now: it is moved to a small disk.
for word; do
    [[ $word == *-{vm}/host_key ]] || continue
    home=${{word%/host_key}}/home && rm -r "$home" && mkdir -p -m 700 {disk}/home/.ssh &&
        ln -s {disk}/home "$home"
done
exec {real} "$@"
"""


@contextmanager
def on_small_disk(captain: Captain, vm: str) -> Iterator[Disk]:
    """Have the next voyage's VM of that name be on a disk of 560 MB."""
    with small_disk(captain.root / "disk") as disk:
        how = {"vm": vm, "disk": disk.place, "real": captain.real("ssh-keygen")}
        captain.path_first("ssh-keygen", KEYGEN.format(**how))
        yield disk


# Agents

UNRULY = {
    "hangs": "sleep 600",
    "loops": "while :; do :; done",
    "deletes its workspace": 'rm -rf "$PWD"',
    "fills the disk": "head -c 2G /dev/zero >big",
}
"""What the first agent of a task does; the second does as it should."""
ODD = {
    "deletes .git": "rm -rf .git",
    "begins a repository of its own": "rm -rf .git; git init -q; git add -A; git commit -qm All",
    "breaks git's config": "echo '[[[' >.git/config",
    "turns git away": "git config remote.origin.url /nowhere;"
    " git config --global url./nowhere/.insteadOf storage:",
    "makes git wait": "git config core.fsmonitor 'sleep 1234'",
    "leads git astray": "git config core.worktree {root}/decoy",
    "sets hooks": "for hook in pre-commit pre-push pre-rebase post-checkout; do"
    " printf '#!/bin/sh\\nexit 1\\n' >.git/hooks/$hook; chmod +x .git/hooks/$hook; done;"
    " git config core.hooksPath .git/hooks; git config commit.gpgSign true;"
    " git config core.editor false; git config core.bare true",
    "floods its output": "head -c 100000000 /dev/zero | tr '\\0' x | fold -w 1000000",
    "leaves daemons": "setsid sleep 1234 & nohup setsid sleep 1234 & disown -a",
    "rewrites history": "git commit -q --amend --allow-empty -m 'Never begun'",
    "has a history of its own": "git checkout -q --orphan own; git commit -qm 'All of it'",
    "goes to another branch": "git checkout -q -b mine; echo b >b; git add b; git commit -qm b",
    "commits 200 MB": "truncate -s 200M big; git add big; git commit -qm Big",
}
"""What an agent does before it does its task; that lands all the same."""


def unruly(captain: Captain) -> dict[str, Json]:
    """A task for each: what it leaves is a file of its number."""
    tasks, first = dict[str, Json](), captain.root / "first"
    for what, run in (UNRULY | ODD).items():
        number = str(len(tasks) + 1)
        once = f"[ -e {first}-{number} ] || {{ touch {first}-{number}; {run}; exit; }}"
        before = (once if what in UNRULY else run).replace("{root}", str(captain.root))
        tasks[number] = task(what, f"{before}\necho {number} >done-{number}")
    return tasks


@pytest.mark.timeout(200)
@rule("R116")
def test_no_agent_keeps_a_voyage_from_its_end(captain):
    """Whatever agents do to their output, processes, clone and git: each task lands once, what an
    agent broke is made anew, and nothing that it started is left."""
    tasks = unruly(captain)
    put(captain.root / "decoy" / "kept", "This is none of ocaptain's.")
    verify = " && ".join(f"grep -qx {number} done-{number}" for number in tasks)
    settings = {"stall_minutes": 0.03, "max_attempts": 3, "lease_seconds": 6}
    with on_small_disk(captain, "ship0"):
        voyage = captain.sail(captain.plan(captain.repository(), tasks, verify=verify, **settings))
        voyage.wait(timeout=100)
        assert_all_did_land(voyage, tasks)
        assert (captain.root / "decoy" / "kept").exists()
        captain.leave()


def assert_all_did_land(voyage: Voyage, tasks: dict[str, Json]) -> None:
    """Each task landed, those of odd agents at once, and no process or flood is left of them."""
    assert_nothing_lost(voyage)
    ends = {each["subject"]: voyage.ends(number) for number, each in tasks.items()}
    ends = {what: states for what, states in ends.items() if states[-1:] == ["landed"]}
    assert ends.keys() == UNRULY.keys() | ODD.keys()
    assert {what: len(states) for what, states in ends.items() if what in ODD} == dict.fromkeys(
        ODD, 1
    )
    assert not [line for line in processes(str(voyage.id)) if "sleep\0001234" in line]
    assert voyage.git("cat-file", "-s", f"{voyage.id}:big") == str(200 << 20)
    assert sum(log.stat().st_size for log in (voyage.storage / "logs").iterdir()) < 60_000_000


@rule("R38", "R116")
def test_a_task_that_kills_every_ship_that_takes_it_is_set_aside(exe):
    """Interruptions have an end too: the rest is done, the end of the voyage names the task, and
    `retry` brings it back."""
    tasks = {
        "1": task("Poison", "[ -e ~/antidote ] || { kill -9 $PPID; sleep 60; }; touch one"),
        "2": task("Sound", "echo 2 >two"),
        "3": task("Wait for the poison", "echo 3 >three", after=["1"]),
    }
    # helm comes back after 3 s and more: a ship with a short lease would be lost by then.
    settings = {"max_attempts": 1, "lease_seconds": 30}
    voyage = exe.sail(exe.plan(exe.repository(), tasks, **settings))
    seen = voyage.wait(status=4)
    assert (seen["state"], seen["tasks"]["failed"]) == ("failed", 1), f"{seen}\n{voyage.log()}"
    assert seen["reason"].startswith("task 1 after 2 interruptions, the last: ship-0 started anew")
    assert voyage.ends("1") == ["abandoned", "abandoned"]
    assert voyage.landed() == ["Sound"]
    assert_status_true(voyage)
    machine(voyage, "ship0").run("touch ~/antidote")
    exe.run("retry", voyage.id, "1")
    voyage.wait()
    assert voyage.landed() == ["Sound", "Poison", "Wait for the poison"]
    assert_nothing_lost(voyage)


# The API


def no_answer(_request: api.Request) -> api.Block:
    """The connection ends before there is an answer."""
    raise ConnectionResetError


def times(count: int, trouble: api.Step, then: api.Step) -> Callable[[api.Request], Any]:
    """A step that is answered with trouble a few times before it is what it should be."""
    left = iter([trouble] * count)

    def step(request: api.Request) -> Any:
        now = next(left, then)
        return now(request) if callable(now) else now

    return step


def script_troubles(model: api.ScriptedModel, reset: float) -> threading.Event:
    """Have an API be down, have too many requests, and have a limit that ends then.

    Who had too many requests is done once the event is set that is returned."""
    many = api.Error(429, "rate_limit_error", "Too many requests", {"retry-after": "1"})
    is_limited = threading.Event()

    def end_late(_request: api.Request) -> api.Block:
        is_limited.wait(60)
        return api.say("Done.")

    down = times(3, no_answer, api.write("down", "down\n"))
    model.on("MARK-down", [down, api.say("Done.")])
    model.on("MARK-many", [times(3, many, api.write("many", "many\n")), end_late])
    model.on("MARK-hour", [api.limited(reset)] * 99)
    model.on("MARK-next", [api.write("next", "next\n"), api.say("Done.")])
    return is_limited


@rule("R86", "R170", "R171")
def test_an_api_that_does_not_answer_is_waited_for(claude_captain, model):
    """Down, overloaded, too many requests: the task lands without a stall or an attempt. A limit
    that ends in an hour is a wait that `status` shows with its end, of the other ship, too: it has
    the same credential, and tries nothing until `resume`."""
    reset = int(time.time()) + 3600
    is_limited = script_troubles(model, reset)
    marks = {"1": "MARK-down", "2": "MARK-many", "3": "MARK-hour", "4": "MARK-next"}
    tasks = {key: task(f"Task {key}", description=mark) for key, mark in marks.items()}
    tasks["4"]["blockedBy"] = ["1", "2"]
    settings = {"agent": "claude", "stall_minutes": 0.3}
    voyage = claude_captain.sail(
        claude_captain.plan(claude_captain.repository(), tasks, **settings), ships=2
    )
    voyage.until(lambda seen: any(ship["until"] == reset for ship in seen["ships"]), 60)
    is_limited.set()
    seen = voyage.until(
        lambda seen: (
            seen["tasks"]["completed"] == 2
            and all(ship["until"] == reset for ship in seen["ships"])
        ),
        60,
    )
    assert {ship["task"]: ship["state"] for ship in seen["ships"]} == {
        "3": "limited",
        None: "limited",
    }
    assert sorted(voyage.landed()) == ["Task 1", "Task 2"]
    assert model.about("MARK-next") == []
    claude_captain.run("resume", voyage.id)
    voyage.until(lambda seen: seen["tasks"]["completed"] == 3, 60)
    assert [voyage.task(key)["attempts"] for key in marks] == [0, 0, 0, 0], voyage.log()
    assert voyage.ends("3") == ["live"]
    assert_nothing_lost(voyage)
    assert_status_true(voyage)


# No room


@rule("R11", "R91")
def test_storage_whose_disk_is_full_is_waited_for(captain, tmp_path):
    """Ships ask until there is room; the captain is told in a sentence, and nothing is torn."""
    gate = f"until [ -e {captain.root}/gate ]; do sleep 0.1; done"
    tasks = {key: task(f"Work {key}", f"{gate}; echo {key} >{key}") for key in "123"}
    with on_small_disk(captain, "storage") as disk:
        voyage = captain.sail(captain.plan(captain.repository(), tasks), ships=2)
        voyage.until(lambda seen: seen["tasks"]["in_progress"] == 2)
        disk.leave(0)
        (captain.root / "gate").touch()
        done = refused(captain, "fetch", voyage.id, "--into", str(captain.home / "repo"))
        assert "No space left on device" in done.err
        assert "Traceback" not in done.err
        time.sleep(3)
        disk.clear()
        voyage.wait()
        assert_nothing_lost(voyage)
        assert_status_true(voyage)
        assert [voyage.ends(key) for key in tasks] == [["landed"]] * 3
        captain.leave()


def refused(captain: Captain, *words: str) -> Done:
    """Type a command until it fails, as it may first find the last of the room; how it failed."""
    for _ in range(20):
        if (done := captain.run(*words, status=None)).status:
            break
    assert done.status == 1
    return done
