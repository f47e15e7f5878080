"""What the captain sees of a voyage, in a real terminal, and how it is sunk."""

import json
import re
import signal
import sys
import time
from pathlib import Path

import pytest

from ocaptain.fleet.fetch import records_folder
from ocaptain.onboard.protocol import PROTOCOL
from tests.support.captain import Captain, Voyage, task
from tests.support.commands import await_end
from tests.support.machine import processes, until
from tests.support.rules import LONG, rule
from tests.support.terminal import Terminal

LONG_SUBJECT = "A subject that is much longer than there is room for on one line of a terminal"


def gated(captain: Captain, ships: int, **settings) -> tuple[Voyage, Path]:
    """A voyage whose tasks, one per ship, wait for a file; and that file."""
    gate = captain.root / "gate"
    wait = f"echo on watch; while [ ! -e {gate} ]; do sleep 0.1; done; echo relieved; touch"
    tasks = {str(n): task(f"{LONG_SUBJECT} {n}", f"{wait} {n}") for n in range(ships)}
    plan = captain.plan(captain.repository(), tasks, **settings)
    voyage = captain.sail(plan, ships)
    voyage.until(lambda seen: all(ship["state"] == "working" for ship in seen["ships"]))
    return voyage, gate


def rows(screen: list[str]) -> list[str]:
    """The lines of ships."""
    return [line for line in screen if line.startswith("ship-")]


def test_status_and_the_board_fit_a_terminal(captain):
    """A line per ship at 80 columns. The board stays until one leaves, and then what was seen last
    stays on the terminal."""
    voyage, gate = gated(captain, ships=3)
    with Terminal(captain) as terminal:
        terminal.type("ocaptain status")
        screen = terminal.over()
        assert [row.split()[:2] for row in rows(screen)] == [
            ["ship-0", "working"],
            ["ship-1", "working"],
            ["ship-2", "working"],
        ]
        first = screen.index(rows(screen)[0])
        assert screen[first : first + 3] == rows(screen)
        assert all("A subject that is" in row and "s ago" in row for row in rows(screen))
        assert screen[0].startswith(voyage.id)
        assert "running" in screen[0]

        steer_on_the_board(terminal, gate)
        screen = terminal.over()
        assert "complete" in screen[0]
        assert {row.split()[1] for row in rows(screen)} == {"done"}

        terminal.type("ocaptain tasks")
        screen = terminal.over()
        assert [line.split()[:2] for line in screen[1:4]] == [[n, "completed"] for n in "012"]


def steer_on_the_board(terminal: Terminal, gate: Path) -> None:
    """Look into a log on the board, pause the voyage, have its tasks end, resume it, and leave when
    it is over: the board goes on through all of that."""
    terminal.type("ocaptain status --watch")
    terminal.until("says: [")
    assert len(rows(terminal.screen())) == 4  # the last is of what the cursor is at
    terminal.press("Enter")
    terminal.until("on watch")
    terminal.press("q")
    order_by_key(terminal, "p", "Pause?", "paused by")
    gate.touch()
    terminal.until("3 of 3 tasks", 40)
    order_by_key(terminal, "p", "Resume?", "The voyage is over.")
    terminal.press("q")


def order_by_key(terminal: Terminal, key: str, question: str, outcome: str) -> None:
    """Give an order on the board, and wait for what comes of it."""
    terminal.press(key)
    terminal.until(question)
    terminal.press("y")
    terminal.until(outcome, 40)


@rule("R106")
def test_a_watch_goes_on_while_storage_is_away(captain):
    """It shows the last that it saw, as unseen, with the reason and its age, until storage answers
    again; Ctrl-C leaves it."""
    voyage, gate = gated(captain, ships=1, lease_seconds=60)
    storage = captain.vms / f"{voyage.id}-storage"
    with Terminal(captain) as terminal:
        terminal.type("ocaptain status --watch")
        terminal.until("running")
        aside = storage.rename(captain.root / "aside")
        screen = "\n".join(terminal.until("unseen"))
        assert f"{voyage.id}-storage gave no answer" in screen
        assert "This was seen " in screen
        assert "ship-0" in screen
        aside.rename(storage)
        terminal.until("running")
        gate.touch()
        terminal.until("The voyage is over.", 40)
        terminal.press("C-c")
        assert "complete" in terminal.over(status=130)[0]


def test_in_a_pipe_changes_are_lines(captain):
    """Whole ones, with their times, of `status --watch`, `wait` and as JSON alike, to the end."""
    voyage, gate = gated(captain, ships=1)
    watching = captain.start("status", "--watch", voyage.id)
    as_json = captain.start("status", "--watch", "--json", voyage.id)
    for following in (watching, as_json):
        assert following.stdout
        assert f"{voyage.id} running, 0 of 1 tasks" in following.stdout.readline()
    waited = captain.run("wait", voyage.id, "-t", "0.3", status=5).out
    assert waited.endswith(f"{voyage.id} running, 0 of 1 tasks\n")
    gate.touch()
    told = captain.run("wait", voyage.id).out
    assert f"{voyage.id} complete, 1 of 1 tasks" in told.splitlines()[-1]
    lines = await_end(watching, 30).out.splitlines()
    objects = [json.loads(line) for line in await_end(as_json, 30).out.splitlines()]
    for texts in (lines, [change["text"] for change in objects]):
        assert any("task 0 completed by ship-0, landed " in text for text in texts)
        assert f"{voyage.id} complete, 1 of 1 tasks" in texts[-1]
    assert all(re.match(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S", line) for line in lines)


def test_a_watch_ends_with_its_terminal(captain):
    """That the screen cannot be tidied any more is no bug, and nothing runs on."""
    voyage, _ = gated(captain, ships=1)
    with Terminal(captain) as terminal:
        terminal.type(f"ocaptain status --watch {voyage.id}")
        terminal.until("working")
    until(lambda: not [line for line in processes(voyage.id) if "--watch" in line])
    assert not (captain.home / ".local" / "state").exists()


@LONG
def test_status_and_tasks_as_json(captain):
    """What other programs read of a voyage under way."""
    voyage, gate = gated(captain, ships=2)
    seen = captain.json("status")
    keys = "voyage objective state repo branch agent ships tasks verify cost_usd"
    assert set(keys.split()) <= seen.keys()
    assert (seen["state"], seen["verify"], seen["agent"]) == ("running", "pending", "shell")
    keys = "id state task since completed cost_usd seen_s reason until"
    assert all(set(keys.split()) <= ship.keys() for ship in seen["ships"])
    assert all(ship["seen_s"] < 5 for ship in seen["ships"])
    keys = "id subject status owner blocked_by claim attempts commit reason "
    keys += "since since_at took_s landing behind cost_usd usage agent model"
    assert all(set(row) == set(keys.split()) for row in captain.json("tasks"))
    done = captain.run("tasks", "--status", "pending", "--json")
    assert json.loads(done.out) == []
    gate.touch()
    voyage.wait()


def test_logs_are_followed_until_ctrl_c(captain):
    """Lines come as they are written; afterwards nothing runs on for them, here or on storage."""
    voyage, gate = gated(captain, ships=2)
    following = captain.start("logs", voyage.id, "-f", "-g", "relieved")
    gate.touch()
    voyage.wait()
    until(lambda: "verify.sh exited" in voyage.log())
    assert following.stdout
    assert "relieved" in following.stdout.readline()
    assert "relieved" in following.stdout.readline()
    following.send_signal(signal.SIGINT)
    said = await_end(following, 10).out
    assert (following.returncode, said.strip()) == (130, "")
    until(lambda: not [line for line in processes(voyage.id) if "logs" in line])


def test_logs_of_all_ships_and_of_one(captain):
    """All lines by time; by ship, by pattern, and the last ones."""
    voyage, gate = gated(captain, ships=2)
    gate.touch()
    voyage.wait()
    until(lambda: "verify.sh exited" in voyage.log())
    lines = [json.loads(line) for line in captain.run("logs", "--json").out.splitlines()]
    assert [line["time"] for line in lines] == sorted(line["time"] for line in lines)
    assert {line["ship"] for line in lines} == {"ship-0", "ship-1", "captain", "harbor"}
    only = captain.run("logs", "-s", "ship-1").out.splitlines()
    assert only
    assert all(line.split()[1] == "ship-1" for line in only)
    found = captain.run("logs", "-g", "on wat.h$").out.splitlines()
    assert len(found) == 2
    assert len(captain.run("logs", "-n", "3").out.splitlines()) == 3
    assert (
        captain.run("logs", "-n", "3").out.splitlines()
        == (captain.run("logs").out.splitlines()[-3:])
    )
    assert captain.run("logs", "-g", "(", status=2).err
    refused = captain.run("logs", "-s", "ship-7", status=1)
    assert refused.out == ""
    assert "there is no ship 'ship-7'; did you mean ship-" in refused.err
    assert "no moment in the past" in captain.run("logs", "--since", "soon", status=2).err
    assert "not in the range" in captain.run("logs", "-n", "-3", status=2).err


def test_shell_shows_the_fleet_at_work(captain):
    """An overview and a pane per ship, with titles; one ship's pane alone. The status line says how
    the voyage stands; Ctrl-C asks before it leaves."""
    voyage, gate = gated(captain, ships=3)
    with Terminal(captain, 120, 40) as terminal:
        terminal.type(f"ocaptain shell {voyage.id}")
        assert all(terminal.until(f"ship-{number} · working · ") for number in range(3))
        until(lambda: "\n".join(terminal.screen()).count("claims it: A subject") == 3)
        terminal.until("── overview ──")
        terminal.until(f"{voyage.id}  running  0 of 3 tasks")
        leave_by_ctrl_c(terminal)

        terminal.type(f"ocaptain shell {voyage.id} ship-1")
        terminal.until("ship-1 · working")
        time.sleep(1)
        screen = "\n".join(terminal.screen())
        assert "ship-0 ·" not in screen
        assert "ship-2 ·" not in screen
        gate.touch()
        terminal.until("relieved")
        voyage.wait()
        terminal.until("ship-1 · done")
        terminal.until(f"{voyage.id}  complete  3 of 3 tasks")
        terminal.press("q")
        terminal.over()

    captain.run("sink", "-s", "-f")
    assert captain.remains() == []
    assert not list(Path("/tmp").glob(f"{voyage.id}-*"))


def leave_by_ctrl_c(terminal: Terminal) -> None:
    """Leave `shell`, which asks first whether that is meant."""
    terminal.press("C-c")
    terminal.until("Leave? The ships sail on. (y/n)")
    terminal.press("n")
    terminal.until("q leaves; the ships sail on")
    terminal.press("C-c")
    terminal.until("(y/n)")
    terminal.press("y")
    terminal.over()


def order(voyage: Voyage, op: str, **fields: object) -> None:
    """Ask harbor for something, as a captain may."""
    request = json.dumps({"protocol": PROTOCOL, "op": op, **fields})
    serve = [sys.executable, "-IS", str(voyage.storage / "lib"), "harbor", "captain"]
    assert json.loads(voyage.captain.sh(serve, stdin=request + "\n").out)["ok"]


def panes(terminal: Terminal) -> list[str]:
    """The ships whose panes are on the screen, from left to right and down."""
    return re.findall(r"─ (ship-\d+) · ", "\n".join(terminal.screen()))


@LONG
def test_shell_follows_ships_that_join_and_leave(captain):
    """A pane ends with its ship; who looks next sees the ships by their numbers. Each who looks has
    a session of their own, and none is left when they leave."""
    voyage, gate = gated(captain, ships=3)
    voyage.kill("ship1")
    with Terminal(captain, 160, 40) as terminal:
        terminal.type("ocaptain shell")
        until(lambda: sorted(panes(terminal)) == ["ship-0", "ship-1", "ship-2"], 20)
        order(voyage, "update_ships", lost=["ship-1"], add=8, force=True)
        order(voyage, "update_ships", lost=[f"ship-{n}" for n in range(4, 10)], add=0, force=True)
        until(lambda: sorted(panes(terminal)) == ["ship-0", "ship-2"], 20)
        terminal.press("C-b", "d")
        terminal.over()
        until(lambda: not [line for line in processes(voyage.id) if "pane" in line])
        terminal.type("ocaptain shell")
        until(lambda: panes(terminal) == ["ship-0", "ship-2", "ship-3", "ship-10"], 20)
        terminal.until("ship-10 · starting")
        terminal.press("C-b", "d")
        terminal.over()
    gate.touch()
    voyage.wait()


def test_raw_is_a_shell_on_the_vm(captain):
    """--raw gives a shell in a ship's workspace, whose prompt says so; a ship that does not exist
    is named."""
    voyage = captain.sail(captain.plan(captain.repository(), {"1": task("One", "touch one")}))
    voyage.wait()
    with Terminal(captain) as terminal:
        terminal.type(f"ocaptain shell {voyage.id} ship-0 --raw")
        terminal.until(f"ship-0 of {voyage.id} ~/voyage/workspace")
        terminal.press("-l", "echo on $OCAPTAIN_VM in ~\n")
        terminal.until(f"on {voyage.id}-ship0 in")
        terminal.press("-l", "exit\n")
        terminal.over()
        terminal.type(f"ocaptain shell {voyage.id} ship-9")
        assert "has no ship-9" in "\n".join(terminal.over(status=1))


def sockets_of(voyage: Voyage) -> set[Path]:
    """Directories with the sockets of a voyage's ships, as their ssh commands name them."""
    found = set()
    for line in processes(f"OCAPTAIN_VM={voyage.id}-ship"):
        for word in line.split("\0"):
            if word.startswith("ControlPath="):
                found.add(Path(word.partition("=")[2]).parent)
    return found


def ended(captain: Captain, repo: Path) -> Voyage:
    """A voyage that has failed, with one commit on its branch and a wreck."""
    work = "echo work >work && git add -A && git commit -qm Wreck && sleep 2 && exit 1"
    tasks = {"1": task("Land", "touch landed"), "2": task("Fail", work)}
    voyage = captain.sail(captain.plan(repo, tasks, max_attempts=1, lease_seconds=3))
    voyage.wait(status=4)
    return voyage


@LONG
@rule("R58")
def test_sink_asks_and_names_what_was_never_fetched(captain):
    """On no nothing happens; ships alone leave storage and what is on it, and fetch brings it."""
    repo = captain.repository()
    voyage = ended(captain, repo)
    said = captain.run("sink", voyage.id[:-3], "-s", stdin="n\n", status=1).out
    assert "never fetched or pushed: 1 commit on its branch" in said
    assert "work/2-" in said
    for vm in ("storage", "ship0"):
        assert f"{voyage.id}-{vm}" in said
        assert voyage.home(vm).exists()

    captain.run("sink", voyage.id[7:-3], stdin="y\n")
    assert [path.name for path in captain.vms.iterdir()] == [f"{voyage.id}-storage"]
    assert voyage.status()["tasks"]["completed"] == 1
    captain.run("fetch", voyage.id, "--all", "--into", str(repo))
    assert captain.git(repo, "show", f"{voyage.id}:landed") == ""
    wrecks = captain.git(repo, "for-each-ref", f"refs/ocaptain/{voyage.id}", "--format=%(subject)")
    assert "Wreck" in wrecks
    records = repo / records_folder(voyage.id)
    assert {"logs", "journal.jsonl", "artifacts"} <= {path.name for path in records.iterdir()}
    assert captain.git(repo, "log", "-1", "--format=%s", voyage.id) == "Land"
    assert captain.git(repo, "status", "--porcelain") == ""
    assert "never fetched" not in captain.run("sink", voyage.id, "-s", stdin="y\n").out
    assert captain.remains() == []


@LONG
@rule("R105")
def test_sink_takes_its_own_voyage_alone(captain):
    """No process, mount or socket of the sunk voyage is left, and another one goes on."""
    other, gate = gated_elsewhere(captain)
    voyage = captain.sail(captain.plan(captain.repository(), {"1": task("Never", "sleep 600")}), 2)
    until(lambda: len(sockets_of(voyage)) == 2)
    sockets = sockets_of(voyage)
    assert "More than one voyage" in captain.run("sink", "voyage-", "-f", status=1).err
    captain.run("sink", voyage.id, "-s", "-f")
    assert not any(voyage.id in line for line in captain.remains())
    assert processes(voyage.id) == []
    assert not [path for path in sockets if path.exists()]

    gate.touch()
    other.wait()
    captain.run("sink", "--all", "-f")
    assert captain.remains() == []
    assert "No voyage is under way" in captain.run("status", status=1).err


def gated_elsewhere(captain: Captain) -> tuple[Voyage, Path]:
    gate = captain.root / "gate"
    tasks = {"1": task("Wait", f"while [ ! -e {gate} ]; do sleep 0.1; done; touch one")}
    plan = captain.plan(captain.repository("other"), tasks, name="other-plan")
    return captain.sail(plan), gate


@pytest.mark.parametrize("verb", ["status", "tasks", "logs", "wait", "fetch", "shell", "sink"])
def test_a_voyage_that_is_not_there_is_named(captain, verb):
    """Whatever is asked of it: one line that says so and one that says what to type, exit 1."""
    done = captain.run(verb, "voyage-0123456789ab", status=1)
    assert done.out == ""
    assert len(done.err.splitlines()) == 2
    assert "sail" in done.err
