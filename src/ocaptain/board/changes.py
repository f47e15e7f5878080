"""What has changed between two looks at a voyage: an event each, for people and for programs."""

from collections.abc import Iterator
from typing import TypedDict

from ocaptain import money
from ocaptain.onboard.protocol import ShipStatus, Status, TaskRow
from ocaptain.onboard.text import one_line, utc

from .watching import Sight

TEXT_LIMIT = 500
"""Characters of an event's text."""
NOTABLE = ("lost", "broken", "limited", "relieved", "sunk")
"""States of ships that a captain wants to hear of, and the end of which, too."""


class Change(TypedDict):
    """Something that has changed in a voyage."""

    seen_at: str
    """RFC 3339, in UTC."""
    kind: str
    """`voyage`, `task` or `ship`."""
    id: str
    """The voyage's, the task's or the ship's."""
    state: str
    """What it is in now; `gone` if there is none of it any more."""
    ship: str | None
    """Who has or had the task."""
    commit: str | None
    """What the task landed as."""
    reason: str | None
    text: str
    """All of it in a line for people."""


def changes(before: Sight | None, after: Sight) -> list[Change]:
    """Return what has changed since the sight `before`; if None, how things stand."""
    found = [*_tasks(before, after), *_ships(before, after), *_voyage(before, after)]
    if before is None:
        found.reverse()
    return found


def line(change: Change) -> str:
    """Return a change as a line for a log: the time, and what it is."""
    return f"{change['seen_at']} {change['text']}"


# The voyage


def _voyage(before: Sight | None, after: Sight) -> Iterator[Change]:
    status = after.status
    if before is None or before.state != after.state:
        reason = after.fault or status["reason"]
        facts = [standing(after), reason]
        yield _of_voyage(after, reason, ": ".join(fact for fact in facts if fact))
    if before is None:
        return
    if status["pr_url"] and status["pr_url"] != before.status["pr_url"]:
        yield _of_voyage(after, None, f"{status['voyage']} has the pull request {status['pr_url']}")
    for fault in _new_faults(before.status, status):
        yield _of_voyage(after, fault, f"{status['voyage']} has trouble: {fault}")


def standing(sight: Sight) -> str:
    """Return in a line how a voyage stands."""
    status = sight.status
    tasks = status["tasks"]
    line = f"{status['voyage']} {sight.state}, {tasks['completed']} of {tasks['total']} tasks"
    if tasks["failed"]:
        line += f", {tasks['failed']} failed"
    if status["cost_usd"] or money.tokens(status["usage"]):
        line += f", {money.spent(status['cost_usd'], [status['usage']])}"
    return line


def _new_faults(before: Status, after: Status) -> list[str]:
    known = {before["mirror_fault"], before["notify_fault"], before["upkeep_fault"], None}
    found = (after["mirror_fault"], after["notify_fault"], after["upkeep_fault"])
    return [fault for fault in found if fault and fault not in known]


def _of_voyage(sight: Sight, reason: str | None, text: str) -> Change:
    return {
        "seen_at": utc(sight.looked_at),
        "kind": "voyage",
        "id": sight.status["voyage"],
        "state": sight.state,
        "ship": None,
        "commit": None,
        "reason": reason,
        "text": one_line(text, TEXT_LIMIT),
    }


# Tasks


def _tasks(before: Sight | None, after: Sight) -> Iterator[Change]:
    if before is None:
        for row in after.tasks:
            if row["status"] == "failed":
                yield _of_task(after, row, f"task {row['id']} {_task_event(row)}")
        return
    known = {row["id"]: row for row in before.tasks}
    for row in after.tasks:
        old = known.get(row["id"])
        if old is None:
            yield _of_task(after, row, f"task {row['id']} is new: {row['subject']}")
        elif (old["status"], old["owner"]) != (row["status"], row["owner"]):
            yield _of_task(after, row, f"task {row['id']} {_task_event(row)}")


def _task_event(row: TaskRow) -> str:
    """Return what a task has come to, after its name."""
    subject = row["subject"]
    if row["status"] == "in_progress":
        return f"claimed by {row['owner']}: {subject}"
    if row["status"] == "failed":
        return f"failed: {row['reason']}: {subject}"
    if row["status"] == "pending":
        return f"pending again: {subject}"
    if row["commit"]:
        return f"completed by {row['owner']}, landed {row['commit'][:12]}: {subject}"
    return f"completed by {row['owner']}, {row['reason']}: {subject}"


def _of_task(sight: Sight, row: TaskRow, text: str) -> Change:
    return {
        "seen_at": utc(sight.looked_at),
        "kind": "task",
        "id": row["id"],
        "state": row["status"],
        "ship": row["owner"],
        "commit": row["commit"],
        "reason": row["reason"],
        "text": one_line(text, TEXT_LIMIT),
    }


# Ships


def _ships(before: Sight | None, after: Sight) -> Iterator[Change]:
    if before is None:
        for ship in after.status["ships"]:
            if ship["state"] in NOTABLE:
                yield _of_ship(after, ship, _ship_event(ship))
        return
    known = {ship["id"]: ship for ship in before.status["ships"]}
    for ship in after.status["ships"]:
        old = known.pop(ship["id"], None)
        if old is None:
            yield _of_ship(after, ship, f"{ship['id']} joins")
        elif old["state"] != ship["state"] and _is_notable(old, ship):
            yield _of_ship(after, ship, _ship_event(ship))
    for ship in known.values():
        yield _of_ship(after, {**ship, "state": "gone", "reason": None}, f"{ship['id']} is gone")


def _is_notable(old: ShipStatus, new: ShipStatus) -> bool:
    return old["state"] in NOTABLE or new["state"] in NOTABLE


def _ship_event(ship: ShipStatus) -> str:
    if ship["reason"]:
        return f"{ship['id']} {ship['state']}: {ship['reason']}"
    return f"{ship['id']} {ship['state']}"


def _of_ship(sight: Sight, ship: ShipStatus, text: str) -> Change:
    return {
        "seen_at": utc(sight.looked_at),
        "kind": "ship",
        "id": ship["id"],
        "state": ship["state"],
        "ship": ship["id"],
        "commit": None,
        "reason": ship["reason"],
        "text": one_line(text, TEXT_LIMIT),
    }
