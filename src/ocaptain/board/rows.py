"""Ships and tasks as rows of a table: what needs a person first."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from ocaptain.onboard import tasklist
from ocaptain.onboard.protocol import ShipStatus, TaskRow
from ocaptain.onboard.text import one_line
from ocaptain.taskview import landing
from ocaptain.terminal import STATE_STYLES
from ocaptain.times import duration

LINE_STYLES = {"trouble": "red", "success": "green", "step": "cyan", "tool": "blue", "speech": ""}
"""Of a log's lines, by their kind."""
CELL_LIMIT = 500
GAP = 2
"""Columns between two cells."""
SHIP_STATES = (
    "broken",
    "lost",
    "limited",
    "reviewing",
    "landing",
    "verifying",
    "working",
    "starting",
    "waiting",
    "paused",
    "relieved",
    "sunk",
    "done",
)
"""What needs a person comes first, then what is under way."""
TASK_STATES = ("failed", "in_progress", "ready", "blocked", "completed")


class Column(NamedTuple):
    """A column of a table; one without a width gets its share of what is left."""

    head: str
    width: int = 0
    share: int = 0


class Row(NamedTuple):
    """A row, and what it is of."""

    key: str
    cells: list[Text]


SHIP_COLUMNS = (
    Column("ship", 7),
    Column("state", 9),
    Column("for", 6),
    Column("task", share=2),
    Column("says", share=3),
)
TASK_COLUMNS = (
    Column("id", 5),
    Column("state", 11),
    Column("for", 6),
    Column("ship", 7),
    Column("subject", share=3),
    Column("why", share=2),
)


def widths(columns: Sequence[Column], total: int) -> list[int]:
    """Return how wide each column is, gaps included, so that all fill `total`."""
    fixed = sum(column.width + GAP for column in columns if column.width)
    left = max(0, total - fixed)
    shares = sum(column.share for column in columns)
    return [
        column.width + GAP if column.width else left * column.share // shares for column in columns
    ]


def cell(text: str, style: str = "") -> Text:
    """Return a text of a stranger's as one line, in which nothing is markup or steers anything."""
    return Text(one_line(text, CELL_LIMIT), style, no_wrap=True, overflow="ellipsis")


# Ships


def ship_rows(ships: Sequence[ShipStatus], now: float) -> list[Row]:
    """Return a row for each ship, what needs a person first; `now` is in UNIX time."""
    return [Row(ship["id"], _ship_cells(ship, now)) for ship in sorted(ships, key=_ship_need)]


def _ship_need(ship: ShipStatus) -> tuple[int, int]:
    return _place(ship["state"], SHIP_STATES), int(ship["id"].partition("-")[2])


def _place(state: str, states: Sequence[str]) -> int:
    """Return how far back a state stands; one that is not known comes first."""
    return states.index(state) if state in states else -1


def _ship_cells(ship: ShipStatus, now: float) -> list[Text]:
    task = f"{ship['task']} {ship['subject'] or ''}" if ship["task"] else ""
    style = STATE_STYLES.get(ship["state"], "")
    says = cell(ship["said"] or "", "dim")
    return [
        cell(ship["id"]),
        cell(ship["state"], style),
        _age(ship["since"], now),
        cell(task),
        cell(ship["reason"], style) if ship["reason"] else says,
    ]


def _age(since: float | None, now: float) -> Text:
    return cell(duration(now - since) if since else "")


def ship_counts(ships: Sequence[ShipStatus]) -> str:
    """Return how many ships are in which state: 2 working, 1 lost."""
    counts = Counter(ship["state"] for ship in ships)
    states = sorted(counts, key=lambda state: _place(state, SHIP_STATES))
    return ", ".join(f"{counts[state]} {state}" for state in states)


# Tasks


def task_state(row: TaskRow) -> str:
    """Return a task's state: `ready` and `blocked` are what a pending one may be."""
    if row["status"] != "pending":
        return row["status"]
    return "blocked" if row["blocked_by"] else "ready"


def task_rows(tasks: Sequence[TaskRow], now: float) -> list[Row]:
    """Return a row for each task, what needs a person first, and what landed last before others."""
    return [Row(row["id"], _task_cells(row, now)) for row in sorted(tasks, key=_task_need)]


def _task_need(row: TaskRow) -> tuple[int, float, tuple[int, str]]:
    state = task_state(row)
    since = row["since"] or 0.0
    latest_first = -since if state == "completed" else since
    return _place(state, TASK_STATES), latest_first, tasklist.order(row["id"])


def _task_cells(row: TaskRow, now: float) -> list[Text]:
    state = task_state(row)
    if row["took_s"] is None:
        time = _age(row["since"], now)
    else:
        time = cell(duration(row["took_s"]), "dim")
    return [
        cell(row["id"]),
        cell(state.replace("_", " "), STATE_STYLES.get(state, "")),
        time,
        cell(row["owner"] or ""),
        cell(row["subject"]),
        cell(task_why(row), "red" if state == "failed" else "dim"),
    ]


def task_why(row: TaskRow) -> str:
    """Return why a task is as it is: how far its landing is, what it waits for, why it failed, the
    commit that has landed."""
    if row["landing"]:
        return landing(row)
    if row["blocked_by"]:
        return f"after {', '.join(row['blocked_by'])}"
    if row["commit"]:
        return row["commit"][:12]
    return row["reason"] or ""


def task_counts(tasks: Sequence[TaskRow]) -> str:
    """Return how many tasks are in which state: 1 failed, 3 ready."""
    counts = Counter(task_state(row) for row in tasks)
    states = [state for state in TASK_STATES if counts[state]]
    return ", ".join(f"{counts[state]} {state.replace('_', ' ')}" for state in states)


def table(columns: Sequence[Column], lines: Sequence[Sequence[Text]], total: int) -> Text:
    """Return rows as text under their heads, `total` columns wide."""
    room = widths(columns, total)
    heads = [Text(column.head, "dim") for column in columns]
    text = Text(no_wrap=True, overflow="ellipsis")
    for cells in [heads, *lines]:
        for content, width in zip(cells, room, strict=True):
            text.append_text(fitted(content, width))
        text.rstrip()
        text.append("\n")
    text.rstrip()
    return text


def fitted(content: Text, width: int) -> Text:
    """Return a cell of just this width, gap included."""
    short = content.copy()
    short.truncate(max(1, width - GAP), overflow="ellipsis", pad=True)
    short.pad_right(GAP)
    return short
