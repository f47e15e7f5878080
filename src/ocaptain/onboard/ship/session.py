"""An agent's session: the process that works on a task, turn after turn."""

import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection
from contextlib import suppress
from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired
from typing import NamedTuple
from uuid import uuid4

from .. import process, tasklist
from ..protocol import TaskGrant
from ..telemetry import traceparent
from . import prompt
from .agents import Agent, Event, Job, Outcome, own_variables
from .credentials import digest
from .hails import Hails
from .heartbeat import WORKING, GiveUp, Heartbeat
from .limits import Limits
from .ship import LOG_LINE_LIMIT, Ship
from .turn import Run, Turn
from .workgroup import NoProgram, OutOfMemory

TICK_S = 0.1
"""Seconds between looks whether a turn has ended, of which the agent lets nothing be known."""
LINE_LIMIT = 4_000_000
"""Bytes of an agent's line that are read at once."""
KEPT_LINES = 10
LIMITS_OF_A_TURN = 10
"""How many time limits of the plan's commands a turn may take."""
NOT_INSTALLED = "{program} is not installed on {ship}: install it there, then: ocaptain resume"
LOOK_S = 0.5
"""Seconds between looks for new credentials while a limit lasts."""


class Timing(NamedTuple):
    """How long a session waits for what, in seconds."""

    background_s: float = 120.0
    """For what the agent left running, or has not taken in, before it is stopped."""
    quiet_s: float = 2.0
    """For a turn that the agent begins by itself, once its background is done."""
    limited_s: float = 60.0
    """For a limit of which nobody says when it ends. It doubles with each in a row."""
    longest_limited_s: float = 600.0
    close_s: float = 10.0
    """For the agent to end by itself."""


class Session:
    """A conversation with an agent: sends it messages, and returns how each turn ended.

    A thread of its own takes in what the agent lets be known."""

    reads_only = False
    """Whether the agent is to change nothing, and what is said with it is not kept."""
    limits_of_a_turn = LIMITS_OF_A_TURN

    def __init__(
        self,
        ship: Ship,
        grant: TaskGrant,
        agent: Agent,
        heartbeat: Heartbeat,
        save: Callable[[], None],
        timing: Timing | None = None,
        telemetry: str = "",
    ) -> None:
        """Start the agent. `save` brings its work to storage, and is called now and then.

        `telemetry` is the URL that it may send that to. Raises GiveUp if its program is not
        installed here."""
        self.ship = ship
        self.grant = grant
        self.agent = agent
        self.heartbeat = heartbeat
        self.last_words = ""
        """What the agent said last in its turn."""
        self.last_lines = deque[str](maxlen=KEPT_LINES)
        """The last of all that it said, did and printed."""
        self._agent_name = tasklist.agent(grant["task"], ship.voyage["agent"])
        self._save = save
        self._save_period_s = 2 * heartbeat.period_s
        self._save_due = time.monotonic() + self._save_period_s
        self._timing = timing or Timing()
        self._telemetry = telemetry
        self._spending = heartbeat.spending
        self._spending.end_process()  # of a session before this one, if there was one
        self._limits = Limits(self._timing.limited_s, self._timing.longest_limited_s)
        self._has_worked = False
        """Whether it has since it was told what to do in this turn."""
        self._hails = Hails()
        self._turn = Turn()
        self._run = self._start("")
        self._listen()

    def _start(self, conversation: str) -> Run:
        """Start a process of the agent, which may go on with the conversation of another."""
        self.ship.reload_credentials()
        hook = process.program(self.ship.home, "task-hook", str(self.grant["claim"]))
        voyage = self.ship.voyage
        job = Job(
            voyage,
            self.ship.name,
            self._grant_left(),
            tuple(hook),
            self._own_env(),
            tuple(process.program(self.ship.home, "acp")),
            conversation,
            self._telemetry,
            tasklist.model(self.grant["task"], voyage["agent"], voyage["model"]),
            self.reads_only,
        )
        self._environment = self.agent.environment(job)
        try:
            child = self.ship.processes.start(
                self.agent.command(job),
                {**self._environment, "TRACEPARENT": self._traceparent()},
                cwd=self.ship.workspace,
                stdin=PIPE if self.agent.interactive else DEVNULL,
                stdout=PIPE,
                stderr=STDOUT,
            )
        except NoProgram as lack:  # which no other task would mend
            why = NOT_INSTALLED.format(program=lack.filename, ship=self.ship.name)
            raise GiveUp(why, "refused", self._agent_name) from None
        credential = digest(self.ship.voyage["voyage"], self._agent_name, job.agent_env)
        return Run(child, job.agent_env, conversation, credential)

    def _traceparent(self) -> str:
        """Return what puts the agent's spans below the one of the claim."""
        task_id = self.grant["task"]["id"]
        return traceparent(self.ship.voyage["voyage"], task_id, self.grant["claim"])

    def _listen(self) -> None:
        """Take in what the process lets be known, while we do something else."""
        reader = threading.Thread(target=self._read, args=[self._run], daemon=True)
        reader.name = "agent's output"
        reader.start()

    def _grant_left(self) -> TaskGrant:
        """Return the claim with what is left of its budget."""
        return {**self.grant, "budget_usd": self._spending.left_of(self.grant["budget_usd"])}

    def _start_again(self) -> None:
        """Have another process, with the credentials that there are now, go on."""
        self.ship.say("goes on with the credentials that came", self.heartbeat.task_id)
        self.ship.processes.kill(self.heartbeat.spared)
        self._spending.end_process()
        self._limits.clear()
        self._hails.send_again()
        self._run = self._start(self._run.conversation)
        self._listen()

    # A turn

    def turn(self, text: str) -> Event:
        """Say `text`, wait until the turn is over, and return the event with which it ended.

        The agent goes on after a limit. Raises GiveUp if the claim is lost or if one limit follows
        the other, and OutOfMemory if the agent was killed for that."""
        self._has_worked = False
        end = self._overspent() or self._take_turn(text)
        while end.outcome == "limited":
            self._wait_out(end)
            words = prompt.GO_ON
            if self._has_old_credentials():
                self._start_again()
                if not (self._has_worked and self._run.conversation):  # it may not know of it
                    words = text
            end = self._take_turn(words)
        self._limits.clear()
        return end

    def _take_turn(self, text: str) -> Event:
        """Do one turn. Returns how it ended, perhaps by a limit."""
        if self._limits.in_a_row:
            self.heartbeat.report({"until": 0.0})
        else:
            self.heartbeat.report(WORKING)
        self._turn = Turn()
        self.last_words = ""
        self._send(text)
        end = self._wait_for_end()
        self.heartbeat.check_claim()
        if self.ship.processes.was_killed_for_memory(self._run.child.returncode):
            raise OutOfMemory("the agent was killed, probably for memory")
        return end

    def _send(self, text: str) -> None:
        """Write a message to the agent: `text`, and what is new from the captain."""
        hails = self.heartbeat.hails
        text += "".join(prompt.HAIL + hail for hail in self._hails.new(hails))
        if not text:
            return
        mark = str(uuid4())
        message = self.agent.message(text, mark)
        if message is None:
            return
        self._hails.send(mark, hails)
        with suppress(OSError):  # it is dead, then, and that ends the turn
            process.feed(self._run.child, message)

    def _wait_for_end(self) -> Event:
        while True:
            end = self._turn_end()
            if end is not None:
                return end
            self._turn.news.wait(TICK_S)
            self._turn.news.clear()
            self.heartbeat.check_claim()
            if time.monotonic() > self._save_due:
                self._save_now()
            is_limited = self._limits.in_a_row > 0 or self._turn.wait_ends > time.time()
            if is_limited and self._has_old_credentials():
                return Event("end", "other credentials came", outcome="limited")
            self._send("")

    def _save_now(self) -> None:
        self._save()
        self._save_due = time.monotonic() + self._save_period_s

    def _wait_out(self, limit: Event) -> None:
        """Wait until a limit is over, or there are other credentials.

        Raises GiveUp if the claim is lost meanwhile, or if there was one limit too many."""
        if self._has_old_credentials():
            return
        self._limits.note(limit.text)
        until = self._limits.ends_at(self._turn.wait_ends)
        is_announced = self._turn.wait_ends > time.time()
        is_shared = self._turn.wait_is_shared if is_announced else limit.is_shared
        self._report_wait(limit.text, until, is_shared=is_shared)
        self._save_now()
        while time.time() < until and not self._has_old_credentials():
            self.heartbeat.pause(min(LOOK_S, until - time.time()))

    def _report_wait(self, reason: str, until: float, *, is_shared: bool) -> None:
        """Have storage know of a wait, and if it is the credential's, of which one."""
        self.heartbeat.report(
            {
                "state": "limited",
                "reason": reason,
                "until": until,
                "credential": self._run.credential if is_shared else "",
            }
        )

    def _has_old_credentials(self) -> bool:
        """Whether the captain has sent others than those that the agent was started with."""
        return self._own_env() != self._run.agent_env

    def _own_env(self) -> dict[str, str]:
        """Return those of the captain's variables that are for this agent."""
        return own_variables(self.ship.agent_env, [self._agent_name])

    # Whether a turn is over

    def _turn_end(self) -> Event | None:
        """Return the end of the turn, once the agent will not go on by itself.

        By then it has heard all that it was told, and nothing of it runs; or that took too long."""
        end = self._turn.end
        silent_s = time.monotonic() - self._turn.heard_at
        if end is None:
            return self._cut_short(silent_s)
        if end.outcome != "done":
            return end
        goes_on = self._run.background_tasks > 0 or self._hails.are_on_the_way()
        if not goes_on and silent_s >= self._run.quiet_s:
            return end
        if goes_on and silent_s > self._timing.background_s:
            self._stop_background()
        return None

    def _cut_short(self, silent_s: float) -> Event | None:
        """End a turn that has no end of its own, or should have had one by now."""
        return (
            self._exited(silent_s)
            or self._overspent()
            or self._overdue()
            or self._stalled(silent_s)
        )

    def _overspent(self) -> Event | None:
        """End a turn that would use more than the claim has, as far as the agent tells."""
        why = self._spending.excess(self.grant["budget_usd"], self.grant["budget_tokens"])
        return Event("end", why, outcome="spent") if why else None

    def _exited(self, silent_s: float) -> Event | None:
        """End a turn whose agent is gone, though what it left may hold its output open."""
        if self._run.exit:
            return self._run.exit
        if silent_s > 1 and self._run.child.poll() is not None:
            return self._exit(self._run)
        return None

    def _overdue(self) -> Event | None:
        """End a turn that takes far too long."""
        minutes = self.limits_of_a_turn * self.ship.voyage["time_limit_minutes"]
        took_s = time.monotonic() - self._turn.began_at
        if took_s > minutes * 60 and time.time() > self._turn.wait_ends:
            return Event("end", f"its turn took {minutes:g} minutes", outcome="stalled")
        return None

    def _stalled(self, silent_s: float) -> Event | None:
        """End a turn of silence, in which no child works, and that no announced wait explains."""
        minutes = self.ship.voyage["stall_minutes"]
        since_wait_s = time.time() - self._turn.wait_ends
        if min(silent_s, since_wait_s) < minutes * 60:
            return None
        children = self.ship.processes.pids() - {self._run.child.pid, *self.heartbeat.spared}
        ticks_used = process.cpu_ticks(children)
        if ticks_used == self._run.ticks_used:
            text = f"it said and did nothing for {minutes:g} minutes"
            return Event("end", text, outcome="stalled")
        self._run.ticks_used = ticks_used
        self._turn.heard_at = time.monotonic()
        return None

    def _stop_background(self) -> None:
        """Kill what the agent left running: it begins a turn of its own then."""
        self.ship.say("stopping what the agent left running", self.heartbeat.task_id)
        self.ship.processes.kill(spare=[self._run.child.pid, *self.heartbeat.spared])
        self._hails.give_up()
        self._run.background_tasks = 0
        self._turn.heard_at = time.monotonic()

    def stop_strays(self, spare: Collection[int] = ()) -> None:
        """Kill what the agent has started, but the spared, unless it runs below the agent.

        That is all that could still write if a turn has ended, and the agent waits."""
        if self.ship.processes.kill_strays(self._run.child.pid, spare):
            self.ship.say("stopping what the agent left running", self.heartbeat.task_id)

    # What the agent lets be known

    def _read(self, run: Run) -> None:
        """Take in all of it while the process runs, and no other has followed it."""
        while run.child.stdout and (line := run.child.stdout.readline(LINE_LIMIT)):
            self._turn.heard_at = time.monotonic()
            for event in self.agent.events(line):
                self._take(run, event)
            self._turn.news.set()
        run.exit = self._exit(run)
        self._take(run, run.exit)
        self._turn.news.set()

    def _exit(self, run: Run) -> Event:
        """Wait for the end of the process, which ends the turn."""
        status = run.child.wait()
        outcome: Outcome = "error"
        if status == 0 and not self.agent.interactive:
            outcome = "done"
        return Event("end", f"the agent exited with status {status}", outcome=outcome)

    def _take(self, run: Run, event: Event) -> None:
        if run is not self._run:
            return
        match event.kind:
            case "text" | "tool":
                self._note_work(run, event)
            case "notice":
                self._note(event)
            case "wait":
                self._note(event)
                self._turn.wait_ends = event.until or self._turn.wait_ends
                self._turn.wait_is_shared = event.is_shared
                reason = event.words or event.text
                self._report_wait(reason, event.until, is_shared=event.is_shared)
            case "heard":
                self._hails.hear(event.text)
                self.heartbeat.report({"delivered": self._hails.heard.copy()})
            case _:
                self._follow(run, event)

    def _follow(self, run: Run, event: Event) -> None:
        """Take in how far a turn has gone, and what it costs."""
        match event.kind:
            case "background":
                run.background_tasks = event.left
                run.quiet_s = self._timing.quiet_s
            case "begin":
                self._begin(run, event.text)
            case "end":
                self._turn.end = self._turn.end or event
                self._spending.end_turn(event.cost_usd, event.usage)
                self._report_cost()
            case "cost":
                self._spending.add_message(event.text, event.cost_usd, event.usage)
                self._report_cost()

    def _begin(self, run: Run, conversation: str) -> None:
        """Take in that a turn has begun, and note where the agent writes down what is said."""
        run.begun = conversation
        self._turn.end = None
        pattern = self.agent.transcript({**os.environ, **self._environment}, conversation)
        if pattern and not self.reads_only:
            self.ship.transcripts.note(self.grant["claim"], pattern)

    def _report_cost(self) -> None:
        spent = self._spending.total()
        used = self._spending.by_model()
        if spent or used:
            self.heartbeat.report({"cost_usd": spent, "usage": used})

    def _note_work(self, run: Run, event: Event) -> None:
        """Log what the agent said or did; if it is in its turn, it is at work."""
        self._note(event)
        self._has_worked = True
        self._limits.clear()
        run.conversation = run.begun  # only now is there anything that could go on
        if self._turn.end is None:
            self.heartbeat.report(WORKING)
        if event.kind == "text":
            self.last_words = event.words
            self.heartbeat.last_words = event.words or event.text

    def _note(self, event: Event) -> None:
        self.ship.say(event.text, self.heartbeat.task_id)
        self.last_lines.append(event.text[:LOG_LINE_LIMIT])

    def close(self) -> None:
        """End the session: politely, then not."""
        with suppress(OSError, TimeoutExpired):
            if self._run.child.stdin:
                self._run.child.stdin.close()
                self._run.child.wait(self._timing.close_s)
        self.ship.processes.kill(self.heartbeat.spared)
