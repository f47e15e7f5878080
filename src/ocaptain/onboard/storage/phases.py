"""What became of each claim in the course of time: its phases, read from the journal's changes.

A ship says with each request what it is at, and the train says where in it each claim is. What it
is at from one change to another is a phase.
"""

from __future__ import annotations

from . import books

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from ..picture import Phase, PhaseState
    from ..protocol import Car, Claim, Train
    from .journal import Changes

SHIP_STATES: Mapping[str, PhaseState] = {
    "working": "working",
    "limited": "limited",
    "reviewing": "reviewing",
    "landing": "landing",
    "verifying": "verifying",
}
"""Phases by what a ship says that it is at."""
SILENT_ENDS = ("expired", "abandoned")
"""How claims end whose ships were not heard any more."""
COSTS_LIMIT = 500
"""How many points in time are kept of what the voyage has cost; every other one goes then."""


class History:
    """The phases of all claims, and what the voyage has cost, up to the changes taken in."""

    def __init__(self) -> None:
        self.phases: dict[str, list[Phase]] = {}
        """By the claims' numbers, the earliest first. Those of one claim do not overlap."""
        self.costs: list[tuple[float, float]] = []
        """UNIX time, and USD that all claims had cost by then."""
        self._live: dict[str, Claim] = {}
        self._said: dict[str, PhaseState] = {}
        self._heard: dict[str, float] = {}
        self._spent: dict[str, float] = {}
        self._places: dict[str, PhaseState] = {}
        self._total = 0.0

    def take(self, at: float, sets: Changes) -> set[str]:
        """Take in a change, which was made `at` that UNIX time.

        Returns the numbers of the claims that have other phases now."""
        touched: set[str] = set()
        claims: Mapping[str, Claim] = sets.get("claims", {})
        for number, claim in claims.items():
            if number not in self.phases:
                self._begin(number, claim)
                touched.add(number)
            self._book(number, claim)
        self._listen(at, sets.get("ships", {}))
        if "train" in sets.get("meta", {}):
            self._places = dict(places(sets["meta"]["train"]))
        ended = {number: claim for number, claim in claims.items() if claim["state"] != "live"}
        for number in self._live:
            goes_on = number not in ended or not self.phases[number]
            if goes_on and self._go_on(number, at):
                touched.add(number)
        for number in ended.keys() & self._live.keys():
            self._end(number, ended[number], at)
            touched.add(number)
        self._note_cost(at)
        return touched

    def _begin(self, number: str, claim: Claim) -> None:
        state: PhaseState = "working" if claim["task"] else "verifying"
        self.phases[number] = []
        self._live[number] = claim
        self._heard[number] = claim["claimed_at"]
        self._said[number] = state

    def _listen(self, at: float, ships: Mapping[str, Any]) -> None:
        """Take in what ships say of the claims that they hold."""
        for ship in ships.values():
            number = str(ship["claim"]) if ship else ""
            if number in self._live and ship["state"] in SHIP_STATES:
                self._said[number] = SHIP_STATES[ship["state"]]
                self._heard[number] = ship.get("last_seen_at") or at

    def _go_on(self, number: str, at: float) -> bool:
        """Have a claim be in the phase that it is in now. Returns whether that is another."""
        state = self._places.get(number) or self._said[number]
        known = self.phases[number]
        if known and known[-1]["state"] == state:
            return False
        begins = max(at, known[-1]["from"]) if known else self._live[number]["claimed_at"]
        if known:
            known[-1]["until"] = begins
        known.append({"state": state, "from": begins, "until": None})
        return True

    def _end(self, number: str, claim: Claim, at: float) -> None:
        """End a claim. If its ship was silent before, that is a phase of its own."""
        ended = claim.get("ended_at", at)
        last = self.phases[number][-1]
        heard = max(self._heard[number], last["from"])
        last["until"] = max(ended, last["from"])
        if claim["state"] in SILENT_ENDS and heard < ended:
            last["until"] = heard
            self.phases[number].append({"state": "lost", "from": heard, "until": ended})
        del self._live[number], self._said[number], self._heard[number]

    def _book(self, number: str, claim: Claim) -> None:
        spent = books.claim_cost(claim)
        self._total += spent - self._spent.get(number, 0.0)
        self._spent[number] = spent

    def _note_cost(self, at: float) -> None:
        total = round(self._total, books.DIGITS)
        if not self.costs or self.costs[-1][1] != total:
            self.costs.append((at, total))
        if len(self.costs) > COSTS_LIMIT:
            self.costs = [*self.costs[:-1:2], self.costs[-1]]


def places(train: Train) -> Iterator[tuple[str, PhaseState]]:
    """Yield the phase of each claim that is in the train, or waits for a place."""
    for car in train["cars"]:
        yield str(car["claim"]), place(car)
    for number in train["queue"]:
        yield str(number), "waiting"


def place(car: Car) -> PhaseState:
    """Return the phase of a claim that has a place in the train."""
    if car["green"]:
        return "green"
    return "checking" if car["commit"] else "rebasing"
