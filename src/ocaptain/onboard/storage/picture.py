"""The picture of the whole voyage, for the dashboard and the report: all rows, and what changes.

Whoever looks on holds no lock, and holds nobody up. Storage looks at the journal a few times a
second, so that nobody has to ask; what is printed is what is new (onboard/picture.py).
"""

from __future__ import annotations

import json
from typing import cast

from .. import tasklist
from . import books, details
from .call import Call
from .journal import open_voyage
from .kept import KeptTelemetry
from .logs import stdin_ends_within
from .parts import Onlooker
from .phases import History
from .snapshot import Spoilt
from .status import status, task_rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from .. import picture, protocol
    from ..picture import News, Query
    from ..protocol import Json, Status, Task, TaskRow, VoyageRecord
    from .journal import Journal

POLL_S = 0.25
"""Seconds between two looks at the journal."""
SIGN_S = 5.0
"""Something is said at least so often, in seconds, for who reads it knows nothing by silence."""
BEATS_S = 1.0
"""How often it is told, in seconds, that ships were heard, if nothing else happens."""
ROWS = 50
"""How many rows are told at once: a line must not become too long for who reads it."""
RECORD = (
    "name",
    "objective",
    "spec",
    "repo",
    "branch",
    "agent",
    "model",
    "check",
    "recommended_ships",
    "max_attempts",
    "max_repairs",
    "stall_minutes",
    "lease_seconds",
    "budget_usd",
    "budget_tokens",
    "created",
    "interactive",
)
"""What is told of voyage.json. The address that news are sent to is nobody's to know."""


def main(home: Path, query_text: str) -> None:
    """Print the picture. `query_text` is a Query in JSON."""
    query: Query = json.loads(query_text)
    journal, voyage = open_voyage(home)
    print(json.dumps({"ok": True}), flush=True)
    kept = None
    if query["telemetry"] is not None:
        kept = KeptTelemetry(journal.folder / "telemetry", query["telemetry"])
    for news in look_on(Picture(journal, voyage), query, kept):
        print(json.dumps(news, separators=(",", ":")), flush=True)


def look_on(shown: Picture, query: Query, kept: KeptTelemetry | None) -> Iterator[News]:
    """Yield the picture, and then what changes, until stdin ends."""
    yield from shown.rows()
    yield from shown.history()
    if query["details"]:
        yield from shown.details()
    yield from shown.telemetry(kept)
    yield shown.news({"is_whole": True})
    silence_s = 0.0
    while query["follow"] and not stdin_ends_within(POLL_S):
        silence_s += POLL_S
        found = [*shown.changes(is_due=silence_s >= BEATS_S, is_overdue=silence_s >= SIGN_S)]
        yield from found
        if found:
            silence_s = 0.0
        yield from shown.telemetry(kept)


class Picture:
    """The voyage as it was told last."""

    def __init__(self, journal: Journal, voyage: VoyageRecord) -> None:
        self._journal = journal
        self._voyage = voyage
        self._onlooker = Onlooker(journal)
        self._past = History()
        self._has_past = False
        self._tasks: dict[str, picture.Task] = {}
        self._claims: dict[str, picture.Claim] = {}
        self._status: Status | None = None
        self._chain: list[str] = []
        self._costs: list[tuple[float, float]] = []
        self._has_news = False
        self._changed_claims: set[str] = set()

    # What is told

    def rows(self) -> Iterator[News]:
        """Yield all there is to see now, apart from what the journal alone tells."""
        record = {name: self._voyage.get(name) for name in RECORD}
        yield self.news({"record": record})
        call = self._call()
        yield from self._told(call, call.claims)
        yield self.news({"is_there": True})

    def history(self) -> Iterator[News]:
        """Read the whole journal. Yield the phases of all claims, and what was spent when."""
        self._take(self._onlooker.all_so_far())
        self._has_past = True
        yield from self._told(self._call(), self._past.phases)

    def details(self) -> Iterator[News]:
        """Yield all that is known of each task, and what it has changed."""
        call = self._call()
        bases = details.bases(call)
        for task_id in sorted(call.tasks, key=tasklist.order):
            found = call.tasks[task_id]
            commit = tasklist.metadata(found).get("commit") or ""
            base = bases.get(commit)
            described = {**details.describe(call, found, base)}
            yield self.news({"details": details.with_landed(self._journal, described)})
            if base:
                yield self.news({"diff": details.diff(self._journal, task_id, base, commit)})

    def telemetry(self, kept: KeptTelemetry | None) -> Iterator[News]:
        """Yield what has come of telemetry, if that is wanted."""
        if kept:
            for piece in kept.news():
                yield self.news({"telemetry": piece})

    def changes(self, *, is_due: bool, is_overdue: bool) -> Iterator[News]:
        """Yield what is new. If that is only that ships were heard, it waits until it `is_due`.

        If something `is_overdue`, what follows from silence is looked for as well."""
        if self._take(self._onlooker.new()) or is_overdue or (is_due and self._has_news):
            self._has_news = False
            changed, self._changed_claims = self._changed_claims, set()
            found = [*self._told(self._call(), changed)]
            yield from found
            if is_overdue and not found:
                yield self.news({})

    def news(self, what: Json) -> News:
        """Return something that is new, with the time."""
        return cast("News", {"now": round(self._journal.clock(), 3), **what})

    # Finding out

    def _take(self, lines: Iterable[Json]) -> bool:
        """Take in lines of the journal. Returns whether they tell more than signs of life."""
        is_urgent = False
        for line in lines:
            sets = line["set"]
            touched = self._past.take(line["ns"] / 1e9, sets)
            self._changed_claims |= {*touched, *sets.get("claims", ())}
            self._has_news = True
            is_urgent = is_urgent or bool(touched) or line["op"] != "beat" or "tasks" in sets
        return is_urgent

    def _call(self) -> Call:
        """Return a look at the voyage as it is now."""
        try:
            return self._look()
        except Spoilt:
            self._journal.forget()
            return self._look()

    def _look(self) -> Call:
        self._journal.keep_up()
        sections: Any = self._journal.sections
        for section in ("tasks", "claims"):
            for key in sections[section]:
                sections[section][key]  # reads what is not in memory yet
        return Call(self._journal, self._voyage, "captain", {})

    def _told(self, call: Call, numbers: Iterable[str]) -> Iterator[News]:
        """Yield what is new about the voyage, its tasks, and the claims of these numbers."""
        now = status(call)
        if is_other(self._status, now):
            self._status = now
            yield self.news({"status": now})
        tasks = self._new_tasks(call)
        claims = self._new_claims(call, numbers)
        yield from self._in_pieces("tasks", tasks)
        yield from self._in_pieces("claims", claims)
        chain = tasklist.longest_chain(call.task_outlines) if tasks else self._chain
        if chain != self._chain:
            self._chain = chain
            yield self.news({"chain": chain})
        if self._has_past and self._past.costs != self._costs:
            self._costs = [*self._past.costs]
            yield self.news({"costs": self._costs})

    def _in_pieces(self, name: str, rows: list[Any]) -> Iterator[News]:
        for first in range(0, len(rows), ROWS):
            yield self.news({name: rows[first : first + ROWS]})

    def _new_tasks(self, call: Call) -> list[picture.Task]:
        """Return the tasks that are not as they were told last."""
        found = []
        for listed in task_rows(call):
            task_id = listed["id"]
            row = task_in_picture(call.tasks[task_id], listed)
            if self._tasks.get(task_id) != row:
                self._tasks[task_id] = row
                found.append(row)
        return found

    def _new_claims(self, call: Call, numbers: Iterable[str]) -> list[picture.Claim]:
        """Return those of some claims that are not as they were told last."""
        found = []
        for number in sorted(numbers, key=int):
            if number not in call.claims:
                continue  # it came after the call has looked
            row = claim_in_picture(call.claims[number], self._phases(number))
            if self._claims.get(number) != row:
                self._claims[number] = row
                found.append(row)
        return found

    def _phases(self, number: str) -> list[picture.Phase]:
        """Return copies of a claim's phases, for these go on."""
        phases = self._past.phases.get(number, []) if self._has_past else []
        return [phase.copy() for phase in phases]


def is_other(before: Status | None, now: Status) -> bool:
    """Whether a status says something new: more than that time has passed."""
    if before is None:
        return True
    return timeless(before) != timeless(now)


def timeless(shown: Status) -> Json:
    """Return a status without what changes with the time alone."""
    return {**shown, "ships": [{**ship, "seen_s": None} for ship in shown["ships"]]}


def task_in_picture(task: Task, listed: TaskRow) -> picture.Task:
    """Return a task as `tasks` lists it, with what it is linked with."""
    return {
        **listed,
        "blockers": [*tasklist.blockers(task)],
        "files": tasklist.files(task),
    }


def claim_in_picture(claim: protocol.Claim, phases: list[picture.Phase]) -> picture.Claim:
    """Return a claim with its phases."""
    known: Mapping[str, Any] = claim
    return {
        "number": claim["number"],
        "ship": claim["ship"],
        "task": claim["task"],
        "agent": claim.get("agent"),
        "state": claim["state"],
        "claimed_at": claim["claimed_at"],
        "ended_at": claim.get("ended_at"),
        "why": claim.get("why"),
        "commit": claim.get("commit"),
        "cost_usd": books.claim_cost(claim),
        "usage": known.get("usage") or {},
        "phases": phases,
    }
