"""A large voyage that is half done, on a storage that the captain reaches by SSH.

Its past is that of a voyage that was made up, with a line of the journal for each thing that a
claim was at. What goes on now is real: ships ask harbor, in this process.
"""

from collections.abc import Iterator
from operator import itemgetter
from typing import Any

from ocaptain.onboard.storage.journal import Journal
from ocaptain.onboard.storage.state import starting_ship
from tests.support.captain import Json, Voyage
from tests.support.machine import until
from tests.support.pictures import Drawn

from .growth import TEXT, Fleet

Event = tuple[float, str, Json]
"""When it was, in UNIX time; what a claim was at from then on; and the claim."""
USAGE = {
    "input_tokens": 2_100,
    "output_tokens": 940,
    "cache_read_tokens": 81_000,
    "cache_write_tokens": 12_000,
    "cost_usd": 0.25,
    "api_s": 42.0,
}


def planned(drawn: Drawn) -> list[Json]:
    """The tasks of a voyage that was made up, for a plan."""
    return [
        {
            "id": row["id"],
            "subject": row["subject"],
            "description": TEXT,
            "blockedBy": row["blockers"],
            "metadata": {"run": "sleep 86400"},
        }
        for row in drawn.tasks
    ]


def live_through(voyage: Voyage, drawn: Drawn) -> Fleet:
    """Give a voyage the ships and the past of one that was made up. Its own ship does nothing."""
    until(lambda: voyage.look()["tasks"]["in_progress"], what="the helm's claim")
    voyage.kill(voyage.ships[0])
    fleet = Fleet(voyage.home(), [f"ship-{number}" for number in range(drawn.ships)])
    Past(fleet, drawn).write()
    for ship in fleet.ships:
        fleet.claim(ship)
    return fleet


class Past:
    """What a voyage's journal is to say of what was before."""

    def __init__(self, fleet: Fleet, drawn: Drawn) -> None:
        self._at = drawn.began
        self._journal = Journal(fleet.home, fleet.voyage["voyage"], lambda: self._at)
        self._ships = fleet.ships
        self._drawn = drawn
        self._first = 0
        """How many claims there were before those that were made up."""
        self._train: Json = {"window": 8, "cars": [], "queue": [], "checks_s": [42.5]}

    def write(self) -> None:
        """Write all of it."""
        with self._journal.locked():
            sections = self._journal.sections
            self._first = len(sections["claims"])
            ships = {name: starting_ship(name, self._journal.moment()) for name in self._ships}
            tasks = {key: task | {"status": "pending"} for key, task in sections["tasks"].items()}
            self._commit({"ships": ships, "tasks": tasks})
            ended = [claim for claim in self._drawn.claims if claim["ended_at"]]
            for self._at, state, claim in events(ended):
                self._commit(self._change(state, claim))

    def _commit(self, sets: Json) -> None:
        self._journal.commit("harbor", {"op": "past"}, sets)

    def _change(self, state: str, claim: Json) -> Json:
        number = self._first + claim["number"]
        if state == "working":
            return {"claims": {str(number): self._claim(number, claim)}}
        if state == "landed":
            return self._landed(number, claim)
        self._train["queue"] = [each for each in self._train["queue"] if each != number]
        self._train["cars"] = [car for car in self._train["cars"] if car["claim"] != number]
        if state == "waiting":
            self._train["queue"] += [number]
        elif state != "landing":
            self._train["cars"] += [self._car(number, state)]
        return {"meta": {"train": self._train}, "ships": {claim["ship"]: self._said(number, claim)}}

    def _claim(self, number: int, claim: Json) -> Json:
        return {
            "number": number,
            "ship": claim["ship"],
            "run_id": "0" * 32,
            "state": "live",
            "task": claim["task"],
            "head": self._journal.sections["meta"]["head"],
            "tasks": self._drawn.total,
            "claimed_at": claim["claimed_at"],
            "expires": 1e9,
            "usage": {"claude-opus-4-8": USAGE},
            "cost_usd": USAGE["cost_usd"],
        }

    def _car(self, number: int, state: str) -> Json:
        head = self._journal.sections["meta"]["head"]
        return {
            "claim": number,
            "base": head,
            "commit": None if state == "rebasing" else head,
            "green": state == "green",
            "since": self._at,
            "until": 1e9,
        }

    def _said(self, number: int, claim: Json) -> Json:
        known: Any = self._journal.sections["ships"][claim["ship"]]
        return {
            **known,
            "state": "landing",
            "claim": number,
            "task": claim["task"],
            "last_seen_at": self._at,
        }

    def _landed(self, number: int, claim: Json) -> Json:
        sections: Any = self._journal.sections
        task = sections["tasks"][claim["task"]]
        head = sections["meta"]["head"]
        ended = {"state": "landed", "commit": head, "ended_at": self._at}
        notes = {**task["metadata"], "claim": number, "commit": head}
        return {
            "claims": {str(number): {**sections["claims"][str(number)], **ended}},
            "tasks": {claim["task"]: {**task, "status": "completed", "metadata": notes}},
        }


def events(claims: list[Json]) -> Iterator[Event]:
    """Yield what claims were at, in the order in which it came about."""
    found: list[Event] = []
    for claim in claims:
        found += [(phase["from"], phase["state"], claim) for phase in claim["phases"]]
        found.append((claim["ended_at"], "landed", claim))
    yield from sorted(found, key=itemgetter(0))
