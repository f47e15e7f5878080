"""One request to storage: what it sees of the voyage, what it changes, and why it is refused.

An operation is a function that takes a `Call`. It looks at the call's state, puts its changes there
and returns its answer, or raises `Refused`. All changes of a call become one line of the journal,
those of a refused call too.
"""

from __future__ import annotations

from contextlib import suppress

from .. import tasklist
from ..text import clean

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping
    from typing import Any

    from ..protocol import (
        Claim,
        ClaimOutline,
        ErrorCode,
        Hail,
        Json,
        Meta,
        Refusal,
        ShipRecord,
        Task,
        TaskOutline,
        VoyageRecord,
    )
    from .journal import Changes, Journal
    from .snapshot import Entries

TEXT_LIMIT = 16_000
"""Characters that are kept of a text that somebody sent."""
SHORT_LIMIT = 100
"""The same of what is to identify something."""
HASH_LENGTHS = (40, 64)
"""Characters of a commit's name, by SHA-1 or SHA-256."""
CUT = "\n[{} characters were cut here]\n"


class Refused(Exception):
    """A request that cannot be granted: a code for the program, a sentence for people."""

    def __init__(self, code: ErrorCode, error: str, waits_on: str | None = None) -> None:
        """`waits_on` is the ship whose changes may end the refusal, as others' may, if any may."""
        super().__init__(error)
        self.code = code
        self.error = error
        self.waits_on = waits_on


def refusal(code: ErrorCode, error: str) -> Json:
    """Return the answer to what cannot be granted."""
    answer: Refusal = {"ok": False, "code": code, "error": error}
    return {**answer}


def let_go(who: str) -> Json:
    """Return the answer to a ship that is none any more."""
    return refusal("ship", f"{who} was let go: storage has no such ship")


class Call:
    """One request under the lock, with the state as the request's own changes make it."""

    def __init__(self, journal: Journal, voyage: VoyageRecord, who: str, request: Json) -> None:
        self.journal = journal
        self.voyage = voyage
        self.who = who
        self.request = request
        self.now = journal.clock()
        self.moment = journal.moment()
        self.changes: Changes = {}
        sections: Any = journal.sections
        self._tasks: Entries = sections["tasks"].copy()
        self._claims: Entries = sections["claims"].copy()
        self._hails: Entries = sections["hails"].copy()
        self.tasks: MutableMapping[str, Task] = self._tasks
        self.claims: MutableMapping[str, Claim] = self._claims
        self.ships: dict[str, ShipRecord] = sections["ships"].copy()
        self.hails: MutableMapping[str, Hail] = self._hails
        self.answers: MutableMapping[str, dict[str, Json]] = sections["answers"].copy()
        self.meta: Meta = sections["meta"].copy()

    # What it sees

    @property
    def task_outlines(self) -> dict[str, TaskOutline]:
        """All tasks, to be looked through: what tasklist.outline has of each, and no more."""
        return self._tasks.outlines

    @property
    def claim_outlines(self) -> dict[str, ClaimOutline]:
        """All claims, to be looked through: what snapshot.claim_outline has of each."""
        return self._claims.outlines

    def named_agents(self) -> list[str]:
        """Return the agents that tasks name, before this call's changes and after them."""
        changed = self.changes.get("tasks", {}).values()
        return [*self.journal.named_agents(), *tasklist.named_agents(changed)]

    def live_claims(self) -> list[Claim]:
        """Return the claims that hold."""
        in_use = sorted(self._claims.in_use, key=int)
        claims = [self.claims[number] for number in in_use]
        return [claim for claim in claims if claim["state"] == "live"]

    def claims_of(self, task_id: str) -> list[Claim]:
        """Return all claims of a task, the earliest first."""
        outlines = self.claim_outlines.items()
        return [self.claims[number] for number, claim in outlines if claim["task"] == task_id]

    def hails_in_use(self) -> dict[str, Hail]:
        """Return the captain's messages that may not have been taken in, by number."""
        return {number: self.hails[number] for number in sorted(self._hails.in_use, key=int)}

    def held_claim(self) -> Claim | None:
        """Return the claim that the asking ship holds, if any: it is one at a time."""
        for claim in self.live_claims():
            if claim["ship"] == self.who:
                return claim
        return None

    def git(self, *words: str) -> str:
        """Return what a git command on the shared repository prints."""
        return self.journal.git(*words)[1].strip()

    def commit_of(self, branch: str) -> str:
        """Return the commit that a branch is at; an empty text if there is no such branch."""
        with suppress(OSError):  # as most are kept, which needs no git
            commit = (self.journal.repo / "refs" / "heads" / branch).read_text().strip()
            if len(commit) in HASH_LENGTHS:
                return commit
        return self.git("rev-parse", "--verify", f"refs/heads/{branch}")

    # What it changes

    def put_task(self, task: Task) -> None:
        """Set a task, perhaps a new one."""
        self.tasks[task["id"]] = task
        self._set("tasks", task["id"], task)

    def put_claim(self, claim: Claim) -> None:
        """Set a claim, perhaps a new one."""
        number = str(claim["number"])
        self.claims[number] = claim
        self._set("claims", number, claim)

    def put_ship(self, ship: ShipRecord) -> None:
        """Set what a ship, perhaps a new one, says of itself."""
        self.ships[ship["id"]] = ship
        self._set("ships", ship["id"], ship)

    def remove_ship(self, name: str) -> None:
        """Let a ship go."""
        del self.ships[name]
        self._set("ships", name, None)

    def put_hail(self, number: str, hail: Hail) -> None:
        """Set a message, perhaps a new one."""
        self.hails[number] = hail
        self._set("hails", number, hail)

    def put_answers(self, answers: dict[str, Json]) -> None:
        """Set the answers that the asker gets again, by the ids of its requests."""
        self.answers[self.who] = answers
        self._set("answers", self.who, answers)

    def put_meta(self, entries: Meta) -> None:
        """Set some of what is known of the voyage as a whole."""
        self.meta.update(entries)
        for name, value in entries.items():
            self._set("meta", name, value)

    def remove_meta(self, name: str) -> None:
        """Forget an entry of what is known of the voyage as a whole."""
        meta: Any = self.meta
        meta.pop(name, None)
        self._set("meta", name, None)

    def _set(self, section: str, key: str, value: object) -> None:
        self.changes.setdefault(section, {})[key] = value


# What somebody sent, as far as it is of the right kind


def text(fields: Json, name: str, limit: int = TEXT_LIMIT) -> str:
    """Return a text, shortened, without control characters; what is no text is empty."""
    value = fields.get(name)
    return clean(shortened(value, limit), keep="\n\t") if isinstance(value, str) else ""


def shortened(whole: str, limit: int) -> str:
    """Return at most `limit` characters of a text: how it begins and ends, and what was cut."""
    if len(whole) <= limit:
        return whole
    kept = limit - len(CUT.format(len(whole)))
    half = kept // 2
    return whole[:half] + CUT.format(len(whole) - 2 * half) + whole[-half:]


def amount(fields: Json, name: str) -> float:
    """Return a number that is not negative, nor beyond measure; what is none of these is 0."""
    value = fields.get(name)
    if isinstance(value, (int, float)) and 0 <= value < 1e12:
        return float(value)
    return 0.0
