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
        self._said: Answer = {}
        self._told: Answer = {}
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

    def check(self) -> None:
        """Raise Lost where the claim is lost."""
        self.pause(0)

    def pause(self, seconds: float) -> None:
        """Wait, or raise Lost where the claim is lost."""
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
                if self._said.get("state") in SAVED:
                    self.ship.clone.save(self.claim["ref"], self.ship.secrets, dirty=dirty)
            except GitFailed as failure:
                self.say(f"what is done so far could not be saved: {failure}")
