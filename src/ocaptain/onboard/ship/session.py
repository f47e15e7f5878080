"""An agent's session: the process that works on a task, turn after turn."""

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from subprocess import DEVNULL, PIPE, STDOUT, Popen, TimeoutExpired
from typing import NamedTuple
from uuid import uuid4

from .. import process
from ..protocol import TaskGrant
from . import prompt
from .agents import Agent, Event, Job, Outcome
from .heartbeat import WORKING, Heartbeat
from .ship import LOG_LINE_LIMIT, Ship
from .workgroup import OutOfMemory

TICK_S = 0.02
"""Seconds between looks whether a turn has ended."""
LINE_LIMIT = 4_000_000
"""Bytes of an agent's line that are read at once."""
KEPT_LINES = 10
LIMITS_OF_A_TURN = 10
"""How many time limits of the plan's commands a turn may take."""


class Timing(NamedTuple):
    """How long a session waits for what, in seconds."""

    background_s: float = 120.0
    """For what the agent left running, or has not taken in, before it is stopped."""
    quiet_s: float = 2.0
    """For a turn that the agent begins by itself, once its background is done."""
    limited_s: float = 60.0
    """For a limit of which nobody says when it ends."""
    close_s: float = 10.0
    """For the agent to end by itself."""


class Session:
    """A running agent process: sends it messages, and returns how each turn ended.

    A thread of its own takes in what the agent lets be known."""

    def __init__(
        self,
        ship: Ship,
        grant: TaskGrant,
        agent: Agent,
        heartbeat: Heartbeat,
        save: Callable[[], None],
        timing: Timing | None = None,
    ) -> None:
        """Start the agent. `save` brings its work to storage, and is called now and then.

        Raises OSError if there is no such program."""
        self.ship = ship
        self.agent = agent
        self.heartbeat = heartbeat
        self.last_words = ""
        """What the agent said last in its turn."""
        self.last_lines = deque[str](maxlen=KEPT_LINES)
        """The last of all that it said, did and printed."""
        self._save = save
        self._save_period_s = 2 * heartbeat.period_s
        self._save_due = time.monotonic() + self._save_period_s
        self._timing = timing or Timing()
        # This turn:
        self._began_at = 0.0
        self._heard_at = 0.0
        self._wait_ends = 0.0
        self._end: Event | None = None
        # What the agent has to do even if its turn has ended:
        self._background_tasks = 0
        self._quiet_s = 0.0
        self._ticks_used = 0
        # The captain's hails, whose numbers wait here under the mark of the message that has them:
        self._hails_sent = 0
        self._hails_on_the_way: dict[str, list[int]] = {}
        self._hails_delivered: list[int] = []
        self._child = self._start(grant)
        threading.Thread(target=self._read, name="agent's output", daemon=True).start()

    def _start(self, grant: TaskGrant) -> Popen[bytes]:
        self.ship.reload_credentials()
        hook = process.program(self.ship.home, "task-hook", str(grant["claim"]))
        job = Job(self.ship.voyage, self.ship.name, grant, tuple(hook), self.ship.agent_env)
        return self.ship.work.start(
            self.agent.command(job),
            self.agent.environment(job),
            cwd=self.ship.workspace,
            stdin=PIPE if self.agent.interactive else DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
        )

    # A turn

    def turn(self, text: str) -> Event:
        """Say `text`, wait until the turn is over, and return the event with which it ended.

        If that is a limit, return once the limit is over. Raises GiveUp if the claim is lost, and
        OutOfMemory if the agent was killed for that."""
        self.heartbeat.report(WORKING)
        self._began_at = time.monotonic()
        self._heard_at = self._began_at
        self._wait_ends = 0.0
        self._end = None
        self.last_words = ""
        self._send(text)
        end = self._wait_for_end()
        self.heartbeat.check_claim()
        if self.ship.work.was_killed_for_memory(self._child.returncode):
            raise OutOfMemory("the agent was killed, probably for memory")
        if end.outcome == "limited":
            self._wait_out(end)
        return end

    def _send(self, text: str) -> None:
        """Write a message to the agent: `text`, and what is new from the captain."""
        hails = list(self.heartbeat.hails.items())[self._hails_sent :]
        text += "".join(prompt.HAIL + hail for _, hail in hails)
        if not text:
            return
        mark = str(uuid4())
        message = self.agent.message(text, mark)
        if message is None:
            return
        self._hails_sent += len(hails)
        self._hails_on_the_way[mark] = [int(number) for number, _ in hails]
        with suppress(OSError):  # it is dead, then, and that ends the turn
            process.feed(self._child, message)

    def _wait_for_end(self) -> Event:
        while True:
            end = self._turn_end()
            if end is not None:
                return end
            self.heartbeat.pause(TICK_S)
            if time.monotonic() > self._save_due:
                self._save_now()
            self._send("")

    def _save_now(self) -> None:
        self._save()
        self._save_due = time.monotonic() + self._save_period_s

    def _wait_out(self, limit: Event) -> None:
        """Wait until a limit is over. Raises GiveUp if the claim is lost meanwhile."""
        until = self._wait_ends or time.time() + self._timing.limited_s
        until = max(until, time.time() + 1)
        self.heartbeat.report({"state": "limited", "reason": limit.text, "until": until})
        self._save_now()
        self.heartbeat.pause(until - time.time())

    # Whether a turn is over

    def _turn_end(self) -> Event | None:
        """Return the end of the turn, once the agent will not go on by itself.

        By then it has heard all that it was told, and nothing of it runs; or that took too long."""
        end = self._end
        silent_s = time.monotonic() - self._heard_at
        if end is None:
            return self._exited(silent_s) or self._overdue() or self._stalled(silent_s)
        if end.outcome != "done":
            return end
        goes_on = self._background_tasks > 0 or bool(self._hails_on_the_way)
        if not goes_on and silent_s >= self._quiet_s:
            return end
        if goes_on and silent_s > self._timing.background_s:
            self._stop_background()
        return None

    def _exited(self, silent_s: float) -> Event | None:
        """End a turn whose agent is gone, though what it left may hold its output open."""
        if silent_s > 1 and self._child.poll() is not None:
            return self._exit()
        return None

    def _overdue(self) -> Event | None:
        """End a turn that takes far too long."""
        minutes = LIMITS_OF_A_TURN * self.ship.voyage["time_limit_minutes"]
        took_s = time.monotonic() - self._began_at
        if took_s > minutes * 60 and time.time() > self._wait_ends:
            return Event("end", f"its turn took {minutes:g} minutes", outcome="stalled")
        return None

    def _stalled(self, silent_s: float) -> Event | None:
        """End a turn of silence, in which no child works, and that no announced wait explains."""
        minutes = self.ship.voyage["stall_minutes"]
        since_wait_s = time.time() - self._wait_ends
        if min(silent_s, since_wait_s) < minutes * 60:
            return None
        children = self.ship.work.pids() - {self._child.pid}
        ticks_used = process.cpu_ticks(children)
        if ticks_used == self._ticks_used:
            text = f"it said and did nothing for {minutes:g} minutes"
            return Event("end", text, outcome="stalled")
        self._ticks_used = ticks_used
        self._heard_at = time.monotonic()
        return None

    def _stop_background(self) -> None:
        """Kill what the agent left running: it begins a turn of its own then."""
        self.ship.say("stopping what the agent left running", self.heartbeat.task_id)
        self.ship.work.kill(spare=[self._child.pid])
        self._hails_on_the_way.clear()
        self._background_tasks = 0
        self._heard_at = time.monotonic()

    # What the agent lets be known

    def _read(self) -> None:
        """Take in all of it while the agent runs."""
        while self._child.stdout and (line := self._child.stdout.readline(LINE_LIMIT)):
            self._heard_at = time.monotonic()
            for event in self.agent.events(line):
                self._take(event)
        self._take(self._exit())

    def _exit(self) -> Event:
        """Wait for the end of the process, which ends the turn."""
        status = self._child.wait()
        outcome: Outcome = "error"
        if status == 0 and not self.agent.interactive:
            outcome = "done"
        return Event("end", f"the agent exited with status {status}", outcome=outcome)

    def _take(self, event: Event) -> None:
        match event.kind:
            case "text" | "tool":
                self._note(event)
            case "wait":
                self.ship.say(event.text, self.heartbeat.task_id)
                self.heartbeat.report(
                    {"state": "limited", "reason": event.text, "until": event.until}
                )
                self._wait_ends = event.until or self._wait_ends
            case "heard":
                self._hails_delivered += self._hails_on_the_way.pop(event.text, [])
                self.heartbeat.report({"delivered": self._hails_delivered.copy()})
            case "background":
                self._background_tasks = event.left
                self._quiet_s = self._timing.quiet_s
            case "begin":
                self._end = None
            case "end":
                self._end = self._end or event
                if event.cost_usd:
                    self.heartbeat.report({"cost_usd": event.cost_usd})

    def _note(self, event: Event) -> None:
        """Log what the agent said or did; if it is in its turn, it is at work."""
        self.ship.say(event.text, self.heartbeat.task_id)
        if self._end is None:
            self.heartbeat.report(WORKING)
        self.last_lines.append(event.text[:LOG_LINE_LIMIT])
        if event.kind == "text":
            self.last_words = event.text

    def close(self) -> None:
        """End the session: politely, then not."""
        with suppress(OSError, TimeoutExpired):
            if self._child.stdin:
                self._child.stdin.close()
                self._child.wait(self._timing.close_s)
        self.ship.work.kill()
