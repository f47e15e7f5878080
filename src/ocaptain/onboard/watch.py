"""What goes on beside the work while a claim is held: beats, and commits brought to storage."""

import threading
import time
from typing import Any

from . import process
from .client import Answer, Unreachable
from .landing import GitFailed
from .ship import Ship

SNAPSHOT_S = 180.0
SETTLE_S = 0.5


class Lost(Exception):
    """The claim is no longer this ship's: whatever it was doing is to be dropped."""


class Watch:
    """Keeps a claim alive while its `with` block runs, and tells storage how the work is going.

    Everything started for the claim has `env` in its environment, and is killed when the
    claim is lost, and at the end."""

    def __init__(self, ship: Ship, claim: Answer) -> None:
        self.ship, self.claim = ship, claim
        self.task = claim["task"]["id"] if claim["task"] else ""
        self.env, self.marker = {"OCAPTAIN_WORK": ship.work}, f"OCAPTAIN_WORK={ship.work}"
        self.lost = ship.clone.give_up = threading.Event()
        self._over, self._wake = threading.Event(), threading.Event()
        doing = "working" if self.task else "verifying"
        self._said: Answer = {"state": doing, "reason": "", "until": 0}
        self.cost_usd = 0.0
        self._period = ship.voyage["lease_seconds"] / 6
        self._snapshot_due = time.monotonic() + SNAPSHOT_S

    def __enter__(self) -> "Watch":
        for beside in (self._beat_on, self._save_on):
            threading.Thread(target=beside, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._wake.set()
        process.kill_marked(self.marker)

    def say(self, text: str) -> None:
        """Log lines about the task."""
        self.ship.log.say(text, self.task)

    def report(self, state: str, reason: str = "", until: float = 0, **more: Any) -> None:
        """Say what the ship is doing; `until` is when a wait ends, in UNIX time."""
        said = {**self._said, "state": state, "reason": reason, "until": until, **more}
        if said != self._said and state != "landing":  # what is landing asks harbor anyway
            self._wake.set()
        self._said = said

    def ask(self, op: str, *, patience: float = float("inf"), **fields: Any) -> Answer:
        """Ask harbor something about the claim."""
        about = {"claim": self.claim["claim"], "cost_usd": self.cost_usd, **self._said}
        return self.ship.harbor.ask(op, patience=patience, **about, **fields)

    def beat(self, patience: float = 0) -> None:
        """Renew the claim, or learn that it is lost."""
        try:
            answer = self.ask("beat", patience=patience)
        except Unreachable as silence:
            answer = {}
            self.say(f"storage is out of reach: {silence}")
        if answer.get("lost"):
            self.say(f"the claim is lost: {answer['lost']}")
            self.lost.set()
            process.kill_marked(self.marker)

    def check(self) -> None:
        """Raise Lost where the claim is lost."""
        if self.lost.is_set():
            raise Lost

    def pause(self, seconds: float) -> None:
        """Wait, or raise Lost."""
        self.lost.wait(max(0.0, seconds))
        self.check()

    def _beat_on(self) -> None:
        while not self._over.is_set():
            if self._wake.wait(self._period):
                self._over.wait(SETTLE_S)
                self._wake.clear()
            if not self._over.is_set():
                self.beat()

    def _save_on(self) -> None:
        while self.task and not self._over.wait(self._period):
            dirty = time.monotonic() > self._snapshot_due
            self._snapshot_due += SNAPSHOT_S if dirty else 0
            try:
                self.ship.clone.save(self.claim["ref"], self.ship.secrets, dirty=dirty)
            except GitFailed as failure:
                self.say(f"what is done so far could not be saved: {failure}")
