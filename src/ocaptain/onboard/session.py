"""One claim's time on a ship: the watch over it, and the agent's session.

Beside the work go beats, and commits that are brought to storage."""

import queue
import threading
import time
from contextlib import suppress
from dataclasses import replace
from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired
from typing import Any

from . import process
from .agents import Agent, Event, Job
from .client import Answer, Unreachable
from .landing import GitFailed
from .ship import Ship

LINE_LIMIT = 4_000_000
BACKGROUND_S = 120.0
QUIET_S = 2.0
CLOSE_S = 10.0
LIMITED_S = 60.0
SNAPSHOT_S = 180.0
SETTLE_S = 0.5
SAVED = ("working", "limited")
"""States in which the agent's work is brought to storage; a landing does that itself."""


class Lost(Exception):
    """The claim is no longer this ship's: whatever it was doing is to be dropped."""


class Watch:
    """Keeps a claim alive while its `with` block runs, and tells storage how the work is going.

    Everything started for the claim is killed when the claim is lost, and at the end."""

    def __init__(self, ship: Ship, claim: Answer) -> None:
        self.ship, self.claim, self.cost_usd = ship, claim, 0.0
        self.task = claim["task"]["id"] if claim["task"] else ""
        self._over = ship.clone.give_up = threading.Event()
        doing = "working" if self.task else "verifying"  # as storage takes it to be
        self._said = self._told = {"state": doing, "reason": "", "until": 0.0}
        self._period = ship.voyage["lease_seconds"] / 6

    def __enter__(self) -> "Watch":
        for beside in (self._beat_on, self._save_on):
            threading.Thread(target=beside, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        process.kill_marked(self.ship.marker)

    def say(self, text: str) -> None:
        """Log lines about the task."""
        self.ship.log.say(text, self.task)

    def report(self, state: str, reason: str = "", until: float = 0) -> None:
        """Say what the ship is doing; `until` is when a wait ends, in UNIX time."""
        self._said = {"state": state, "reason": reason, "until": until}

    def ask(self, op: str, *, patience: float = float("inf"), **fields: Any) -> Answer:
        """Ask harbor something about the claim."""
        self._told = self._said
        about = {"claim": self.claim["claim"], "cost_usd": self.cost_usd, **self._told}
        return self.ship.harbor.ask(op, patience=patience, **about, **fields)

    def beat(self, patience: float = 0, **fields: Any) -> None:
        """Renew the claim, or learn that it is lost."""
        try:
            answer = self.ask("beat", patience=patience, **fields)
        except Unreachable as silence:
            answer = {}
            self.say(f"storage is out of reach: {silence}")
        if answer.get("lost"):
            self.say(f"the claim is lost: {answer['lost']}")
            self._over.set()
            process.kill_marked(self.ship.marker)

    def pause(self, seconds: float = 0) -> None:
        """Wait, and raise Lost where the claim is lost."""
        if self._over.wait(max(0.0, seconds)):
            raise Lost

    def _beat_on(self) -> None:
        """Beat when it is time, and soon after there is something new to tell."""
        due = time.monotonic() + self._period
        while not self._over.wait(SETTLE_S):
            if time.monotonic() > due or self._said != self._told:
                due = time.monotonic() + self._period
                self.beat()

    def _save_on(self) -> None:
        snapshot_due = time.monotonic() + SNAPSHOT_S
        while not self._over.wait(self._period):
            dirty = time.monotonic() > snapshot_due
            snapshot_due += SNAPSHOT_S if dirty else 0
            try:
                if self._said["state"] in SAVED:
                    self.ship.clone.save(self.claim["ref"], self.ship.secrets, dirty=dirty)
            except GitFailed as failure:
                self.say(f"what is done so far could not be saved: {failure}")


class Session:
    """A running agent process: sends it messages, and returns how each turn ended.

    `said` is the last that the agent said in its turn."""

    def __init__(self, agent: Agent, job: Job, watch: Watch) -> None:
        self.agent, self.watch, self.said = agent, watch, ""
        self._events: queue.Queue[Event] = queue.Queue(maxsize=1000)
        self._wait_ends = self._heard_at = self._ended_at = 0.0
        self._background: int | None = None
        self._busy = 0
        env = {**agent.environment(job), **watch.ship.env}
        how = {"stdin": PIPE if agent.steady else DEVNULL, "stdout": PIPE, "stderr": STDOUT}
        self._child = process.start(agent.command(job), env, cwd=watch.ship.clone.path, **how)
        threading.Thread(target=self._read, daemon=True).start()

    def turn(self, text: str) -> Event:
        """Say `text`, and return the event with which the turn ends. Raises Lost.

        An agent that left something running may go on by itself when that is over: then its turn
        ends when all is quiet."""
        self.watch.report("working")
        with suppress(OSError):  # it is dead, then, and that ends the turn
            process.feed(self._child, self.agent.message(text) or b"")
        self.said, self._heard_at, self._wait_ends, end = "", time.monotonic(), 0.0, None
        while end is None or (end.outcome == "done" and self._unsettled()):
            event = self._next()
            self.watch.pause()
            if event and event.kind == "end":
                end, self._ended_at = event, time.monotonic()
            elif event:
                end = None if event.kind == "begin" else end
                self._take(event)
            elif not end and self._stalled():
                minutes = f"{self.watch.ship.voyage['stall_minutes']:g} minutes"
                end = Event("end", f"it said and did nothing for {minutes}", outcome="stalled")
        return self._ended(end)

    def close(self) -> None:
        """End the session: politely, then not."""
        with suppress(OSError, TimeoutExpired):
            if self._child.stdin:
                self._child.stdin.close()
                self._child.wait(CLOSE_S)
        process.kill_marked(self.watch.ship.marker)

    def _read(self) -> None:
        while self._child.stdout and (line := self._child.stdout.readline(LINE_LIMIT)):
            self._heard_at = time.monotonic()
            for event in self.agent.events(line):
                self._events.put(event)
        self._events.put(self._exit())

    def _next(self) -> Event | None:
        """The next event; None where a second passes without."""
        try:
            return self._events.get(timeout=1)
        except queue.Empty:  # what the agent left running may hold its output open
            return None if self._child.poll() is None else self._exit()

    def _exit(self) -> Event:
        status = self._child.wait()
        outcome = "done" if status == 0 and not self.agent.steady else "error"
        return Event("end", f"the agent exited with status {status}", outcome=outcome)

    def _take(self, event: Event) -> None:
        if event.text:
            self.watch.say(event.text)
        if event.kind == "wait":
            self.watch.report("limited", event.text, event.until)
            self._wait_ends = event.until or self._wait_ends
        elif event.kind in ("text", "tool"):
            self.watch.report("working")
        if event.kind == "text":
            self.said = event.text
        if event.kind == "background":
            self._background = event.count

    def _unsettled(self) -> bool:
        """Whether the agent may yet go on by itself; ends what it has left running for too long."""
        now = time.monotonic()
        if self._background and now - self._ended_at > BACKGROUND_S:
            self.watch.say("stopping what the agent left running")
            process.kill_marked(self.watch.ship.marker, spare=[self._child.pid])
            self._background, self._heard_at = 0, now  # that makes it begin a turn of its own
        if self._background is None:
            return False
        return self._background > 0 or now - self._heard_at < QUIET_S

    def _stalled(self) -> bool:
        """Whether the agent is silent for too long, with no child at work and no wait announced."""
        stall_s = self.watch.ship.voyage["stall_minutes"] * 60
        if time.monotonic() - self._heard_at < stall_s or time.time() < self._wait_ends:
            return False
        busy = process.cpu_ticks(process.marked(self.watch.ship.marker) - {self._child.pid})
        if busy != self._busy:
            self._busy, self._heard_at = busy, time.monotonic()
            return False
        return True

    def _ended(self, end: Event) -> Event:
        """The event, with what the session has cost made known, and of a limit when it ends."""
        self.watch.cost_usd = max(self.watch.cost_usd, end.cost_usd)
        if end.outcome != "limited":
            return end
        until = max(self._wait_ends or time.time() + LIMITED_S, time.time() + 1)
        self.watch.report("limited", end.text, until)
        return replace(end, until=until)
