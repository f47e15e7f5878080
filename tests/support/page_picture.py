"""docs/page.png: the page of a voyage that was made up, so that there is some of everything in it.

`script/page-picture` takes it, always the same."""

import hashlib
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from tests.support.browser import opened
from tests.support.pictures import Drawn, Json, phases, report

DOCUMENT = Path(__file__).parents[2] / "docs" / "page.png"
SIZE = (1180, 1250)
TIME = datetime(2026, 11, 24, 10, 2, 40, tzinfo=UTC)
NOW = TIME.timestamp()
BEGAN = NOW - 3_600
WHY = "make test failed: expected 5400, got 90"
SUBJECTS = (
    "Read durations such as 1h30m",
    "Read sizes such as 4GiB",
    "Retry with growing pauses",
    "Understand durations without a unit",
    "Put them on the command line",
    "Give up when a deadline has passed",
    "Measure what a retry costs",
    "Say in errors what would be understood",
    "Read them from the configuration too",
    "Describe the options for newcomers",
    "Complete them in the shell",
    "Keep old spellings alive",
    "Say what a timeout cost",
    "Try it all from a fresh clone",
)
BLOCKERS = {
    "5": ["1", "2"],
    "6": ["3"],
    "8": ["1", "2"],
    "9": ["5"],
    "10": ["5", "8"],
    "11": ["5"],
    "12": ["7"],
    "13": ["4"],
    "14": ["9", "10", "11", "12", "13"],
}


class Attempt(NamedTuple):
    """A claim: which ship was at which task from when until when, in minutes, and what for."""

    task: str
    ship: int
    begins: float
    ends: float
    cost_usd: float
    state: str = "landed"
    now: str = "working"
    """What it is at in the end, if it goes on or ended in vain."""


ATTEMPTS = (
    Attempt("1", 0, 0.4, 11.2, 1.42),
    Attempt("2", 1, 0.4, 9.1, 0.98),
    Attempt("3", 2, 0.5, 14.3, 2.10),
    Attempt("7", 3, 0.6, 12.0, 0.61, "expired", "lost"),
    Attempt("4", 1, 9.4, 18.8, 0.87, "released", "checking"),
    Attempt("5", 0, 11.5, 26.7, 2.65),
    Attempt("6", 2, 14.6, 24.0, 1.20),
    Attempt("7", 3, 15.5, 30.9, 1.93),
    Attempt("4", 1, 19.1, 32.4, 1.31, "released", "checking"),
    Attempt("9", 2, 27.0, 45.9, 3.02),
    Attempt("8", 0, 27.1, 43.6, 2.31, "landed", "limited"),
    Attempt("4", 1, 32.7, 43.9, 1.05, "released", "checking"),
    Attempt("12", 3, 31.2, 60.0, 2.55, "live", "checking"),
    Attempt("10", 0, 44.0, 60.0, 1.74, "live"),
    Attempt("11", 2, 46.3, 60.0, 1.12, "live", "waiting"),
)


def main() -> None:
    """Draw the voyage, and take the picture of its report."""
    with opened() as browser, tempfile.TemporaryDirectory() as folder:
        data = report(picture())
        with browser.report(Path(folder), data, SIZE) as tab:
            tab.page.clock.set_fixed_time(TIME)
            tab.page.reload()
            tab.page.locator("svg.costs path.cost-line").wait_for()
            tab.page.screenshot(path=DOCUMENT)


def picture() -> Json:
    """A voyage after an hour: a task has failed, one waits for it, and three are under way."""
    drawn = Drawn(len(SUBJECTS), 4, 0, budget_usd=40.0)
    drawn.now, drawn.began, drawn.claims = NOW, BEGAN, []
    for row, subject in zip(drawn.tasks, SUBJECTS, strict=True):
        blockers = BLOCKERS.get(row["id"], [])
        row.update(subject=subject, blockers=blockers, status="pending", owner=None, since=None)
    for number, attempt in enumerate(ATTEMPTS, 1):
        drawn.claims.append(claim(number, attempt))
        note(drawn.tasks[int(attempt.task) - 1], attempt)
    drawn.fail("4", WHY)
    done = {row["id"] for row in drawn.tasks if row["status"] == "completed"}
    for row in drawn.tasks:
        row["blocked_by"] = [blocker for blocker in row["blockers"] if blocker not in done]
    return with_words(drawn)


def claim(number: int, attempt: Attempt) -> Json:
    """A claim as the picture has it."""
    begin, end = BEGAN + attempt.begins * 60, BEGAN + attempt.ends * 60
    is_live = attempt.state == "live"
    return {
        "number": number,
        "ship": f"ship-{attempt.ship}",
        "task": attempt.task,
        "agent": "claude",
        "state": attempt.state,
        "claimed_at": begin,
        "ended_at": None if is_live else end,
        "why": None,
        "commit": commit(attempt.task) if attempt.state == "landed" else None,
        "cost_usd": attempt.cost_usd,
        "usage": {},
        "phases": phases_of(attempt, begin, end),
    }


def commit(task: str) -> str:
    """The commit of a task, always the same."""
    return hashlib.sha1(task.encode()).hexdigest()


def phases_of(attempt: Attempt, begin: float, end: float) -> list[Json]:
    """What an attempt was at."""
    if attempt.state == "landed":
        found = phases(begin, end, is_over=True)
        if attempt.now == "limited":
            first = found.pop(0)
            found = [*three_parts(first["from"], first["until"], "limited"), *found]
        return found
    until = None if attempt.state == "live" else end
    if attempt.now == "working":
        return [{"state": "working", "from": begin, "until": until}]
    turn = begin + (end - begin) * 0.7
    return [
        {"state": "working", "from": begin, "until": turn},
        {"state": attempt.now, "from": turn, "until": until},
    ]


def three_parts(begin: float, end: float, middle: str) -> list[Json]:
    """Work, something else, and work again."""
    third = (end - begin) / 3
    return [
        {"state": "working", "from": begin, "until": begin + third},
        {"state": middle, "from": begin + third, "until": end - third},
        {"state": "working", "from": end - third, "until": end},
    ]


def note(row: Json, attempt: Attempt) -> None:
    """Have a task's row say what came of an attempt."""
    row["cost_usd"] += attempt.cost_usd
    row["owner"] = f"ship-{attempt.ship}"
    row["since"] = BEGAN + attempt.begins * 60
    row["status"] = "completed" if attempt.state == "landed" else "in_progress"
    if attempt.state == "landed":
        row.update(commit=commit(attempt.task), took_s=(attempt.ends - attempt.begins) * 60)


def with_words(drawn: Drawn) -> Json:
    """The picture, with what its ships say, and the captain is advised to do."""
    why = "It says why 1 task failed, and how to bring it back."
    advice = {"command": "ocaptain tasks --status failed", "why": why}
    shown = drawn.picture(next=[advice])
    said = ("Edit: docs/options.md", "", "ready for the check", "make test")
    for number, ship in enumerate(shown["status"]["ships"]):
        claims = [each for each in drawn.claims if each["ship"] == ship["id"]]
        ship["cost_usd"] = round(sum(each["cost_usd"] for each in claims), 2)
        ship["since"] = claims[-1]["ended_at"] or claims[-1]["claimed_at"]
        ship["said"] = said[number]
        is_live = claims[-1]["state"] == "live"
        if is_live and claims[-1]["phases"][-1]["state"] != "working":
            ship["state"] = "landing"
    shown["chain"] = ["12", "14"]
    shown["costs"] = [*costs()]
    return shown


def costs() -> Iterator[tuple[float, float]]:
    """Yield what all had cost by when: half of each attempt in its middle, half at its end."""
    spent = 0.0
    moments = []
    for attempt in ATTEMPTS:
        moments.append(((attempt.begins + attempt.ends) / 2, attempt.cost_usd / 2))
        moments.append((attempt.ends, attempt.cost_usd / 2))
    for minutes, cost_usd in sorted(moments):
        spent += cost_usd
        yield BEGAN + minutes * 60, round(spent, 4)


if __name__ == "__main__":
    main()
