"""What a captain sees who looks at the voyage every second, to be held against the journal."""

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from tests.support.captain import Json
from tests.support.commands import Done
from tests.support.machine import Trouble

from .victim import Victim

PAUSE_S = 1.0


class Look(NamedTuple):
    """One `status --json`, and the journal's size in bytes before and after it."""

    size_before: int
    size_after: int
    done: Done

    @property
    def status(self) -> Json | None:
        """What it said; None if storage could not be seen."""
        with suppress(ValueError):
            return dict(json.loads(self.done.out))
        return None


@dataclass
class Lookout:
    """Looks on from a thread, while the `with` block runs; `refs` are the commits that each work
    ref was ever seen at."""

    victim: Victim
    looks: list[Look] = field(default_factory=list)
    refs: set[tuple[str, str]] = field(default_factory=set)
    over: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def __enter__(self) -> "Lookout":
        self.thread = threading.Thread(target=self._look_until_over)
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.over.set()
        if self.thread:
            self.thread.join()

    @property
    def last_status(self) -> Json:
        """What was last seen; nothing if nothing was."""
        for look in reversed(self.looks):
            if look.status:
                return look.status
        return {}

    def look(self) -> None:
        """Look once."""
        journal = self.victim.storage / "journal.jsonl"
        size_before = journal.stat().st_size
        done = self.victim.type("status", self.victim.id, "--json")
        self.looks.append(Look(size_before, journal.stat().st_size, done))
        with suppress(Trouble):
            self.refs |= set(self.victim.work_refs().items())

    def _look_until_over(self) -> None:
        while not self.over.wait(PAUSE_S):
            self.look()
