"""One claim's time on a ship: the watch over it, and the agent's session.

Beside the work go beats, and commits that are brought to storage."""

import threading
import time
from collections import deque
from contextlib import suppress
from subprocess import DEVNULL, PIPE, STDOUT, TimeoutExpired
from typing import Any
from uuid import uuid4

from .. import process
from . import prompt
from .agents import AGENTS, Event, Job
from .ship import CLIP, Answer, Ship, Unreachable

LINE_LIMIT = 4_000_000
BACKGROUND_S, QUIET_S, LIMITED_S, CLOSE_S = 120.0, 2.0, 60.0, 10.0
SETTLE_S, TICK_S = 0.5, 0.02
LONGEST = 10  # of a turn, in time limits
OUTPUT = 10
WORKING = {"state": "working", "reason": "", "until": 0.0}


class GiveUp(Exception):
    """The claim goes back: why, and whose fault it is (agent, infrastructure, refused …)."""


class Watch:
    """Keeps a claim alive while its `with` block runs, and tells storage how the work is going.

    Everything started for the claim is killed when the claim is lost, and at the end. `hails` is
    what storage has for the agent from the captain, by number; `save_at` is when to save next, in
    seconds of time.monotonic()."""

    def __init__(self, ship: Ship, claim: Answer) -> None:
        self.ship, self.claim, self.agent = ship, claim, AGENTS[ship.voyage["agent"]]
        self.task = claim["task"]["id"] if claim["task"] else ""
        self.hails: dict[str, str] = claim.get("hails", {})
        self._over = ship.clone.give_up = threading.Event()
        doing = "working" if self.task else "verifying"  # as storage takes it to be
        self._said: dict[str, Any] = {**WORKING, "state": doing, "delivered": []}
        self._told, self._period = dict(self._said), ship.voyage["lease_seconds"] / 6
        self.save_at = time.monotonic() + 2 * self._period

    def __enter__(self) -> None:
        threading.Thread(target=self._beat_on, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        process.kill_marked(self.ship.marker)

    def say(self, text: str) -> None:
        """Log lines about the task."""
        self.ship.say(text, self.task)

    def report(self, **news: Any) -> None:
        """Have storage know soon: `state`, `reason` and `until` (UNIX time) of a wait, `cost_usd`,
        and the numbers of the hails that were `delivered` to the agent."""
        self._said.update(news)

    def ask(self, op: str, **fields: Any) -> Answer:
        """Ask harbor something about the claim."""
        self._told = dict(self._said)
        return self.ship.ask(op, claim=self.claim["claim"], **self._told, **fields)

    def beat(self) -> None:
        """Renew the claim, or learn that it is lost."""
        try:
            answer = self.ask("beat", patience=0)
        except Unreachable as silence:
            self.say(f"storage is out of reach: {silence}")
            return
        self.hails = {**self.hails, **answer.get("hails", {})}
        lost = answer.get("lost") or answer.get("error")  # refused: storage has no such ship
        if lost and not self._over.is_set():
            self.say(f"the claim is lost: {lost}")
            self.__exit__()

    def pause(self, seconds: float = 0) -> None:
        """Wait, and raise GiveUp where the claim is lost."""
        if self._over.wait(max(0.0, seconds)):
            raise GiveUp("the claim is lost", "lost")

    def save(self) -> None:
        """Bring to storage what the agent did so far."""
        try:
            self.ship.clone.save(self.claim["ref"], self.ship.secrets)
        except OSError as failure:
            self.say(f"what is done so far could not be saved: {failure}")
        self.save_at = time.monotonic() + 2 * self._period

    def _beat_on(self) -> None:
        """Beat when it is time, when somebody knocks, and soon after there is news."""
        due = time.monotonic() + self._period
        while not self._over.wait(SETTLE_S):
            self.ship.reload_credentials()
            with suppress(OSError):
                (self.ship.folder / "knock").unlink()
                due = 0.0
            if time.monotonic() > due or self._said != self._told:
                due = time.monotonic() + self._period
                self.beat()


class Session:
    """A running agent process: sends it messages, and returns how each turn ended.

    `said` is the last that the agent said in its turn, `output` the last lines of all that it let
    be known."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.said, self.agent, ship = watch, "", watch.agent, watch.ship
        self._end: Event | None = None
        self._wait_ends = self._heard_at = self._quiet_s = 0.0
        self._background = self._busy = self._told = 0
        self._unheard, self._took = dict[str, list[int]](), list[int]()
        self.output = deque[str](maxlen=OUTPUT)
        ship.reload_credentials()
        hook = process.program(ship.folder.parent, "task-hook", str(watch.claim["claim"]))
        job = Job(ship.voyage, ship.name, watch.claim, tuple(hook), ship.agent_env)
        env = {**self.agent.environment(job), **ship.env}
        self._child = process.start(
            self.agent.command(job),
            env,
            cwd=ship.clone.path,
            stdin=PIPE if self.agent.interactive else DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def turn(self, text: str) -> Event:
        """Say `text`, and return the event with which the turn ends; if that is a limit, once it is
        over. Raises GiveUp."""
        self.watch.report(**WORKING)
        self._began = self._heard_at = time.monotonic()
        self.said, self._wait_ends, self._end = "", 0.0, None
        self._tell(text)
        while not (end := self._settled()):
            self.watch.pause(TICK_S)
            if time.monotonic() > self.watch.save_at:
                self.watch.save()
            self._tell("")
        self.watch.pause()
        if end.outcome == "limited":
            until = max(self._wait_ends or time.time() + LIMITED_S, time.time() + 1)
            self.watch.report(state="limited", reason=end.text, until=until)
            self.watch.save()
            self.watch.pause(until - time.time())
        return end

    def close(self) -> None:
        """End the session: politely, then not."""
        with suppress(OSError, TimeoutExpired):
            if self._child.stdin:
                self._child.stdin.close()
                self._child.wait(CLOSE_S)
        process.kill_marked(self.watch.ship.marker)

    def _tell(self, text: str) -> None:
        """Write a message to the agent, and what is new from the captain, if there is any of it."""
        hails = list(self.watch.hails.items())[self._told :]
        mark, text = str(uuid4()), text + "".join(prompt.HAIL + hail for _, hail in hails)
        if text and (message := self.agent.message(text, mark)):
            self._told += len(hails)
            self._unheard[mark] = [int(number) for number, _ in hails]
            with suppress(OSError):  # it is dead, then, and that ends the turn
                process.feed(self._child, message)

    def _read(self) -> None:
        """Take in all that the agent lets be known, while it runs."""
        while self._child.stdout and (line := self._child.stdout.readline(LINE_LIMIT)):
            self._heard_at = time.monotonic()
            for event in self.agent.events(line):
                self._take(event)
        self._take(self._exit())

    def _take(self, event: Event) -> None:
        match event.kind:
            case "text" | "tool":
                self.watch.say(event.text)
                self.watch.report(**({} if self._end else WORKING))
                self.output.append(event.text[:CLIP])
                self.said = event.text if event.kind == "text" else self.said
            case "wait":
                self.watch.say(event.text)
                self.watch.report(state="limited", reason=event.text, until=event.until)
                self._wait_ends = event.until or self._wait_ends
            case "heard":
                self._took += self._unheard.pop(event.text, [])
                self.watch.report(delivered=[*self._took])
            case "background":
                self._background, self._quiet_s = event.left, QUIET_S
            case "begin":
                self._end = None
            case "end":
                self._end = self._end or event
                if event.cost_usd:
                    self.watch.report(cost_usd=event.cost_usd)

    def _settled(self) -> Event | None:
        """The end of the turn, once the agent will not go on by itself: it has heard all that it
        was told, and nothing of it runs, unless that takes too long."""
        silent_s = time.monotonic() - self._heard_at
        if not self._end:  # what the agent left running may hold its output open
            dead = silent_s > 1 and self._child.poll() is not None
            return self._exit() if dead else self._stalled(silent_s)
        awaited = self._background + len(self._unheard)
        if self._end.outcome != "done" or (not awaited and silent_s >= self._quiet_s):
            return self._end
        if awaited and silent_s > BACKGROUND_S:
            self.watch.say("stopping what the agent left running")
            process.kill_marked(self.watch.ship.marker, spare=[self._child.pid])
            self._unheard.clear()
            self._background, self._heard_at = 0, time.monotonic()  # it begins a turn of its own
        return None

    def _exit(self) -> Event:
        status = self._child.wait()
        outcome = "done" if status == 0 and not self.agent.interactive else "error"
        return Event("end", f"the agent exited with status {status}", outcome=outcome)

    def _stalled(self, silent_s: float) -> Event | None:
        """The end of a turn of silence, with no child at work and no wait announced, or of one that
        takes far too long."""
        minutes = LONGEST * self.watch.ship.voyage["time_limit_minutes"]
        if time.monotonic() - self._began > minutes * 60 and time.time() > self._wait_ends:
            return Event("end", f"its turn took {minutes:g} minutes", outcome="stalled")
        minutes = self.watch.ship.voyage["stall_minutes"]
        if silent_s < minutes * 60 or time.time() < self._wait_ends:
            return None
        children = process.marked(self.watch.ship.marker) - {self._child.pid}
        before, self._busy, self._heard_at = (
            self._busy,
            process.cpu_ticks(children),
            time.monotonic(),
        )
        why = f"it said and did nothing for {minutes:g} minutes"
        return Event("end", why, outcome="stalled") if self._busy == before else None
