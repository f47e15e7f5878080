"""What a captain sees who looks at the voyage every second, to be held against the journal."""

import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from bench.world import Trouble

from .fleet import Done, Fleet, Json

LOOK_S = 1.0


class Look(NamedTuple):
    """One `status --json`, and the journal's size in bytes before and after it."""

    before: int
    after: int
    done: Done

    @property
    def seen(self) -> Json | None:
        """What it said; None where storage could not be seen."""
        with suppress(ValueError):
            return dict(json.loads(self.done.out))
        return None


@dataclass
class Watch:
    """Looks on from a thread, while the `with` block runs; `refs` are the commits that each work
    ref was ever seen at."""

    fleet: Fleet
    looks: list[Look] = field(default_factory=list)
    refs: set[tuple[str, str]] = field(default_factory=set)

    def __enter__(self) -> "Watch":
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    @property
    def last(self) -> Json:
        """What was last seen."""
        return next((look.seen for look in reversed(self.looks) if look.seen), {})

    def look(self) -> None:
        """Look once."""
        journal = self.fleet.storage / "journal.jsonl"
        before = journal.stat().st_size
        done = self.fleet.type("status", self.fleet.id, "--json")
        self.looks.append(Look(before, journal.stat().st_size, done))
        with suppress(Trouble):
            self.refs |= set(self.fleet.work_refs().items())

    def _run(self) -> None:
        while not self._over.wait(LOOK_S):
            self.look()
