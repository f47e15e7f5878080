"""The picture of a whole voyage: read once, or followed as it changes, over one connection."""

import json
from collections.abc import Callable, Mapping
from typing import Any, TypedDict, cast

import msgspec

from ocaptain.onboard.picture import Begun, Claim, Diff, News, Phase, Query, Record, Task
from ocaptain.onboard.protocol import TaskDetails
from ocaptain.ssh import Unreachable, clean

from .answers import checked_type, read_answer
from .voyage import Voyage, VoyageStatus

SILENCE_S = 20.0
"""How long storage may say nothing: it does so every five seconds."""
DETAILS_SILENCE_S = 120.0
"""The same while git is asked what each task has changed."""
LONGEST_LINE = 32_000_000
"""Bytes of one piece of news."""


class Landing(TypedDict):
    """What a claim has brought to the branch."""

    task: str
    claim: int
    ship: str
    commit: str
    subject: str
    """Of the task."""
    at: float | None
    """UNIX time."""


class Picture(TypedDict):
    """All that is to be seen of a voyage."""

    voyage: str
    now: float
    """Storage's clock when it was heard last, in UNIX time."""
    record: Record
    status: VoyageStatus
    tasks: list[Task]
    claims: list[Claim]
    landings: list[Landing]
    """The earliest first."""
    costs: list[tuple[float, float]]
    """UNIX time, and USD that all claims had cost by then."""
    chain: list[str]
    """Tasks of the longest chain that is left, the first to be done first."""
    is_whole: bool
    """Whether the phases of claims, and costs, are there."""


class Gathered:
    """What storage has told of a voyage so far."""

    def __init__(self, voyage: Voyage) -> None:
        self._voyage = voyage
        self.is_there = False
        """Whether there is something of everything."""
        self.is_whole = False
        self.now = 0.0
        self.record: Record | None = None
        self.status: VoyageStatus | None = None
        self.tasks: dict[str, Task] = {}
        self.claims: dict[int, Claim] = {}
        self.costs: list[tuple[float, float]] = []
        self.chain: list[str] = []
        self.details: dict[str, TaskDetails] = {}
        self.diffs: dict[str, Diff] = {}

    def take(self, news: News) -> None:
        """Take in what is new."""
        self.now = news["now"]
        self.record = news.get("record", self.record)
        if "status" in news:
            self.status = self._voyage.to_show(news["status"])
        self.tasks.update({row["id"]: row for row in news.get("tasks", ())})
        self.claims.update({row["number"]: row for row in news.get("claims", ())})
        self.costs = news.get("costs", self.costs)
        self.chain = news.get("chain", self.chain)
        self.is_there = self.is_there or "is_there" in news
        self.is_whole = self.is_whole or "is_whole" in news
        if "details" in news:
            self.details[news["details"]["id"]] = news["details"]
        if "diff" in news:
            self.diffs[news["diff"]["task"]] = news["diff"]

    def picture(self) -> Picture:
        """Return all that is to be seen now. Raises Unreachable if something has not come yet."""
        if not (self.is_there and self.record and self.status):
            raise Unreachable(f"{self._voyage.storage} has not told all of {self._voyage.id}.")
        return {
            "voyage": self._voyage.id,
            "now": self.now,
            "record": self.record,
            "status": self.status,
            "tasks": [*self.tasks.values()],
            "claims": [*self.claims.values()],
            "landings": self.landings(self.claims.values()),
            "costs": self.costs,
            "chain": self.chain,
            "is_whole": self.is_whole,
        }

    def landings(self, claims: Any) -> list[Landing]:
        """Return what these claims have brought to the branch, the earliest first."""
        found: list[Landing] = []
        for claim in claims:
            if claim["state"] == "landed" and claim["task"] and claim["commit"]:
                found.append(self._landing(claim))
        return sorted(found, key=lambda landing: landing["at"] or 0.0)

    def _landing(self, claim: Claim) -> Landing:
        task = self.tasks.get(claim["task"] or "")
        return {
            "task": claim["task"] or "",
            "claim": claim["number"],
            "ship": claim["ship"],
            "commit": claim["commit"] or "",
            "subject": task["subject"] if task else "",
            "at": claim["ended_at"],
        }


class Lines:
    """Makes lines of what comes in pieces of any size, and reads each as the News that it is."""

    def __init__(self, storage: str, use: Callable[[News], None]) -> None:
        self._storage = storage
        self._use = use
        self._kind = checked_type(News)
        self._rest = bytearray()
        self._has_begun = False

    def take(self, data: bytes) -> None:
        """Take the next piece. Raises Unreachable at what is no news, Failure if it is refused."""
        self._rest += data
        *whole, rest = self._rest.split(b"\n")
        self._rest = rest
        if len(rest) > LONGEST_LINE:
            raise self._no_news("a line that has no end")
        for line in whole:
            self._read(bytes(line))

    def _read(self, line: bytes) -> None:
        try:
            if not self._has_begun:
                read_answer(line, Begun)
                self._has_begun = True
                return
            news = msgspec.json.decode(line)
            msgspec.convert(news, self._kind)
        except (ValueError, RecursionError) as fault:
            raise self._no_news(str(fault)) from None
        self._use(cast(News, news))

    def _no_news(self, why: str) -> Unreachable:
        return Unreachable(f"{self._storage} gave no picture: {clean(why).strip()}")


async def follow_picture(
    voyage: Voyage,
    use: Callable[[News], None],
    *,
    follow: bool = True,
    details: bool = False,
    telemetry: Mapping[str, int] | None = None,
) -> None:
    """Call `use` with what storage tells of a voyage, as it comes.

    With `follow` that has no end. With `details` all that is known of each task is told as well.
    With `telemetry` so is what ships have kept of that, beyond so many bytes of each ship's.
    Raises Unreachable if storage is silent for too long, or what it tells makes no sense."""
    known = None if telemetry is None else dict(telemetry)
    query: Query = {"follow": follow, "details": details, "telemetry": known}
    command = voyage.program("picture", json.dumps(query))
    lines = Lines(voyage.storage, use)
    silence = DETAILS_SILENCE_S if details else SILENCE_S
    result = await voyage.ssh.stream(
        voyage.storage, command, lines.take, silence=silence, stdin=None if follow else b""
    )
    if result.status:
        said = clean(result.err).strip().rpartition("\n")[2]
        raise Unreachable(f"{voyage.storage} gave no picture: {said or result.status}")


async def read_picture(voyage: Voyage, *, details: bool = False) -> Gathered:
    """Return all that is to be seen of a voyage, with the phases of all claims."""
    gathered = Gathered(voyage)
    await follow_picture(voyage, gathered.take, follow=False, details=details)
    return gathered


__all__ = ["Gathered", "Landing", "Phase", "Picture", "follow_picture", "read_picture"]
