"""The real Claude Code, run as a ship runs it, against a model that says what the test scripted."""

import json
import os
import queue
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from subprocess import PIPE
from uuid import uuid4

import pytest

from ocaptain import onboard
from ocaptain.fleet.archive import MAIN
from ocaptain.onboard import process
from ocaptain.onboard.ship import taskhook
from ocaptain.onboard.ship.agents import AGENTS, Event, Job
from tests.fakes import messages_api as api
from tests.support.rules import rule
from tests.support.ship import a_grant, a_ship, a_voyage

claude = AGENTS["claude"]
SECRET = "sk-ant-oat01-integration"


class Session:
    """A running claude: what it was started with, and every event since."""

    def __init__(self, job: Job, binary: Path, home: Path, workspace: Path) -> None:
        self.path = f"{binary.parent}:{os.environ['PATH']}"
        environment = {**claude.environment(job), "HOME": str(home), "PATH": self.path}
        argv = [str(binary), *claude.command(job)[1:]]
        marked = {**environment, "MARKER": str(home)}
        self.process = process.start(argv, marked, cwd=workspace, stdin=PIPE, stdout=PIPE)
        self.events: list[Event] = []
        self._arriving: queue.Queue[Event | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            for event in claude.events(line):
                self._arriving.put(event)
        self._arriving.put(None)

    def say(self, text: str) -> None:
        process.feed(self.process, claude.message(text, str(uuid4())) or b"")

    def until(self, kind: str, timeout: float = 30) -> Event:
        """The next event of a kind, all before it having been kept."""
        ends = time.monotonic() + timeout
        try:
            while event := self._arriving.get(timeout=max(0.0, ends - time.monotonic())):
                self.events.append(event)
                if event.kind == kind:
                    return event
        except queue.Empty:
            raise AssertionError(f"no {kind} in {timeout} s: {self.events}") from None
        raise AssertionError(f"ended without {kind}: {self.events}")

    def kinds(self, kind: str) -> list[Event]:
        return [event for event in self.events if event.kind == kind]

    def close(self) -> int:
        """End the session by closing its stdin; its exit status."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        status = self.process.wait(30)
        self._reader.join()
        self.process.stdout.close()
        return status


@pytest.fixture
def job(model, tmp_path, monkeypatch) -> Job:
    """A job whose hook asks a stand-in for harbor, which keeps requests and repeats one answer."""
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    way = tmp_path / "ssh"
    way.write_text('#!/bin/sh\nhead -n 1 >>"$0.asked"\ncat "$0.answer"\n')
    way.chmod(0o755)
    captain = {"ANTHROPIC_BASE_URL": model.url, "CLAUDE_CODE_OAUTH_TOKEN": SECRET}
    lib = tmp_path / "ship" / "voyage" / "lib"
    lib.parent.mkdir(parents=True)
    a_ship(tmp_path / "ship", None)
    shutil.copytree(Path(onboard.__file__).parent, lib / "onboard")
    (lib / "__main__.py").write_text(MAIN)
    (lib.parent / "agent_env.json").write_text(json.dumps(captain))
    return Job(
        a_voyage(voyage="voyage-1f", model=None),
        "ship-0",
        a_grant({"id": "7"}),
        hook=(sys.executable, "-IS", str(lib), "task-hook", "12"),
        agent_env=captain,
        bridge=(),
    )


@pytest.fixture
def sessions(claude_binary, tmp_path) -> Iterator:
    """Starts sessions in a home and a workspace that are empty, and leaves no process behind."""
    home, workspace = tmp_path / "home", tmp_path / "workspace"
    home.mkdir()
    workspace.mkdir()
    started: list[Session] = []

    def start(job: Job) -> Session:
        started.append(Session(job, claude_binary, home, workspace))
        return started[-1]

    yield start
    process.kill_marked(f"MARKER={home}")
    for session in started:
        session.close()


def test_a_turn_with_tools_runs_to_done_in_an_empty_home(sessions, model, job, tmp_path):
    """No dialog, login or first-run question stands between start and result."""
    model.on("task 7", [api.bash("echo hi >b"), api.write("a.txt", "A"), api.say("All done.")])
    session = sessions(job)
    session.say("task 7")
    end = session.until("end")
    assert (end.outcome, end.text) == ("done", "All done.")
    assert end.cost_usd > 0
    assert [event.text for event in session.kinds("tool")] == ["Bash: echo hi >b", "Write: a.txt"]
    assert (tmp_path / "workspace" / "a.txt").read_text() == "A"
    assert (tmp_path / "workspace" / "b").read_text() == "hi\n"
    assert session.close() == 0


def test_a_second_message_continues_the_same_session(sessions, model, job):
    """What is said after a result starts another turn that knows the first; costs add up."""
    model.on("task 7", [api.say("First."), api.say("Second.")])
    session = sessions(job)
    session.say("task 7")
    first = session.until("end")
    session.say("the check is red")
    second = session.until("end")
    assert (first.text, second.text) == ("First.", "Second.")
    assert second.cost_usd == pytest.approx(2 * first.cost_usd)
    assert "First." in model.requests[-1].text
    assert "the check is red" in model.requests[-1].last


def test_a_message_in_the_middle_of_a_turn_is_heard_before_its_end(sessions, model, job):
    """The model reads it with the result of the tool call that was running."""
    model.on("task 7", [api.bash("sleep 2"), api.say("Turned.")])
    session = sessions(job)
    session.say("task 7")
    session.until("tool")
    session.say("steer left")
    assert session.until("end").text == "Turned."
    assert "steer left" in model.requests[1].text


def test_a_background_command_outlives_its_turn_until_it_is_killed(sessions, model, job, tmp_path):
    """The turn ends with one task left; killing its processes leaves none and starts a turn."""
    model.on("task 7", [api.bash("sleep 600", background=True), api.say("On."), api.say("Seen.")])
    session = sessions(job)
    session.say("task 7")
    assert session.until("background").left == 1
    assert session.until("end").text == "On."
    process.kill_all(
        lambda: process.marked(f"MARKER={tmp_path / 'home'}"), spare=[session.process.pid]
    )
    assert session.until("background").left == 0
    assert session.until("end").text == "Seen."
    assert session.close() == 0


def test_a_turn_that_claude_begins_by_itself_right_after_another_is_announced(sessions, model, job):
    """A command that ends during the last answer leaves nothing running, but one more turn."""
    slow = api.Reply([api.say("Still answering.")], delay=2)
    model.on("task 7", [api.bash("sleep 1", background=True), slow, api.say("Seen.")])
    session = sessions(job)
    session.say("task 7")
    assert session.until("end").text == "Still answering."
    assert session.kinds("background")[-1].left == 0
    session.until("begin", timeout=2)
    assert session.until("end").text == "Seen."


@rule("R86")
def test_an_overloaded_api_is_a_wait_and_then_done(sessions, model, job):
    """529 is announced with the time of the next try, and costs no turn."""
    model.on("task 7", [api.overloaded(), api.say("Done.")])
    session = sessions(job)
    session.say("task 7")
    wait = session.until("wait")
    assert "529" in wait.text
    assert wait.until > time.time() - 5
    assert session.until("end").outcome == "done"


@rule("R86")
def test_a_usage_limit_says_when_it_resets_and_the_session_goes_on_after_it(sessions, model, job):
    """The turn ends as limited; one more message and the same session works again."""
    reset = int(time.time()) + 3600
    model.on("task 7", [api.limited(reset), api.say("Back.")])
    session = sessions(job)
    session.say("task 7")
    assert session.until("wait").until == reset
    assert session.until("end").outcome == "limited"
    session.say("go on")
    assert session.until("end").text == "Back."


@pytest.mark.parametrize("credential", ["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"])
def test_a_revoked_credential_is_refused_within_seconds(sessions, model, job, credential):
    """The client gives a token up by itself; a key it would try for minutes."""
    model.on("task 7", [api.unauthorized()] * 10)
    captain = {"ANTHROPIC_BASE_URL": model.url, credential: SECRET}
    session = sessions(job._replace(agent_env=captain))
    session.say("task 7")
    assert session.until("end", timeout=15).outcome == "refused"


def test_a_session_that_has_used_its_budget_up_says_so(sessions, model, job):
    """`--max-budget-usd` ends the turn, as neither done nor failed."""
    model.on("task 7", [api.bash("true"), api.bash("true"), api.bash("true")])
    session = sessions(job._replace(grant={**job.grant, "budget_usd": 0.01}))
    session.say("task 7")
    assert session.until("end").outcome == "spent"


def test_a_native_task_create_is_done_by_harbor(sessions, model, job, tmp_path):
    """harbor gets the arguments under the tool call's own id, and the model gets its answer."""
    answer = {"ok": True, "message": "Task 8 was added to the fleet's list."}
    (tmp_path / "ssh.answer").write_text(json.dumps(answer))
    model.on("task 7", [api.task_create("More", "To do"), api.say("Added.")])
    session = sessions(job)
    session.say("task 7")
    assert session.until("end").outcome == "done"
    asked = json.loads((tmp_path / "ssh.asked").read_text())
    assert (asked["op"], asked["claim"]) == ("add", 12)
    assert asked["task"] == {"subject": "More", "description": "To do"}
    assert asked["id"] in json.dumps(model.requests[-1].messages)
    assert answer["message"] in model.requests[-1].last
    assert not list((tmp_path / "home" / ".claude").glob("tasks/*/*.json"))


def test_a_native_task_update_that_is_refused_gives_the_model_the_reason(
    sessions, model, job, tmp_path
):
    """The native tool does not run, harbor is not asked, and the reason is in the next request."""
    model.on("task 7", [api.task_update("3", status="completed"), api.say("Well.")])
    session = sessions(job)
    session.say("task 7")
    session.until("end")
    assert taskhook.REFUSED in model.requests[-1].last
    assert not (tmp_path / "ssh.asked").exists()


def test_the_shared_task_list_can_be_read(sessions, model, job, tmp_path):
    """TaskList shows what stands in Claude's own format under the voyage's list id."""
    tasks = tmp_path / "home" / ".claude" / "tasks" / f"{job.voyage['voyage']}-tasks"
    tasks.mkdir(parents=True)
    task = {"id": "1", "subject": "Build the keel", "description": "", "status": "pending"}
    (tasks / "1.json").write_text(json.dumps({**task, "blocks": [], "blockedBy": []}))
    model.on("task 7", [api.call("TaskList"), api.say("Read.")])
    session = sessions(job)
    session.say("task 7")
    session.until("end")
    assert "Build the keel" in model.requests[-1].last


def test_nothing_that_leads_astray_is_offered_to_the_model(sessions, model, job):
    """No tool ends the turn with a promise to wake up, or leaves the ship's clone."""
    model.on("task 7", [api.say("Done.")])
    session = sessions(job)
    session.say("task 7")
    session.until("end")
    offered = [tool["name"] for tool in model.requests[0].body["tools"]]
    assert "Bash" in offered
    assert "TaskCreate" in model.requests[0].text
    for tool in ("ScheduleWakeup", "CronCreate", "EnterWorktree", "RemoteTrigger", "ListAgents"):
        assert tool not in offered
        assert tool not in model.requests[0].text


@rule("R98")
def test_the_token_stands_in_no_command_line_of_the_agent(sessions, model, job, tmp_path):
    """Neither the client's nor its hook's nor its commands' arguments hold a token."""
    (tmp_path / "ssh.answer").write_text('{"ok": true}')
    with (tmp_path / "ssh").open("a") as way:
        hook = "/proc/$(ps -o ppid= -p $PPID | tr -d ' ')"  # which has a timeout for us
        way.write(f'cat {hook}/cmdline /proc/$PPID/cmdline /proc/$$/cmdline >"$0.cmdlines"\n')
    look = "cat /proc/$PPID/cmdline /proc/$$/cmdline >cmdlines"
    model.on("task 7", [api.bash(look), api.task_create("S", "D"), api.say("Done.")])
    session = sessions(job)
    session.say("task 7")
    session.until("end")
    seen = (tmp_path / "ssh.cmdlines").read_text()
    seen += (tmp_path / "workspace" / "cmdlines").read_text()
    seen += Path(f"/proc/{session.process.pid}/cmdline").read_text()
    assert "stream-json" in seen
    assert "task-hook" in seen
    assert SECRET not in seen
