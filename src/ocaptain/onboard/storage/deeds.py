"""What was done to a voyage, as lines for the log: orders, and what harbor did of its own accord.

All of it is in the journal."""

from __future__ import annotations

import json

from .. import tasklist
from ..text import one_line, several

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from ..protocol import Json

CAPTAINS = b'"who":"captain"'
WHO_PLACE = 160
"""In how many of its first bytes a line of the journal says whose call it was."""
SUM = b'"op":"sum"'
NEWS = (b'"standing":', b'"expired"', b'"abandoned"', b'"failed":')
"""What stands in lines of the journal that may have news of harbor's."""
TEXT_LIMIT = 1_000
"""Characters of a line."""
OF_VOYAGE = {"pause": "pauses", "halt": "halts", "resume": "resumes"}
"""What those orders do that are about the whole voyage."""
OF_SHIPS = {"relieve": "relieves", "sink": "sinks"}
"""What those orders do that are about ships that are there."""
TOLD_STATES = ("verifying", "complete", "failed", "paused")
"""States of the voyage that harbor tells of; the others follow from orders."""


def lines(raw: bytes) -> list[str]:
    """Return lines `time who text` for a line of the journal, if there is something to tell."""
    head = raw[:WHO_PLACE]
    is_order = CAPTAINS in head
    if SUM in head or not (is_order or any(mark in raw for mark in NEWS)):
        return []
    try:
        change = json.loads(raw)
        texts = [*orders(change)] if is_order else [*news(change)]
        who = "captain" if is_order else "harbor"
        time = change["time"]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return []
    return [f"{time} {who} {one_line(text, TEXT_LIMIT)}" for text in texts]


def orders(change: Json) -> Iterator[str]:
    """Yield what the captain ordered, by whom and why."""
    op = change["op"]
    sets = change["set"]
    by = change.get("by") or "the captain"
    why = f": {change['why']}" if change.get("why") else ""
    if op == "sail":
        tasks = several(len(sets.get("tasks", ())), "task")
        ships = several(len(sets.get("ships", ())), "ship")
        yield f"the voyage begins, with {tasks} and {ships}"
    elif op in OF_VOYAGE:
        yield f"{by} {OF_VOYAGE[op]} the voyage{why}"
    elif op == "hail":
        yield from hails(sets, by)
    elif op in OF_SHIPS or op == "update_ships":
        yield from of_ships(change, by, why)
    elif op in ("retry", "release", "edit_task"):
        yield from of_tasks(change, by, why)


def hails(sets: Json, by: str) -> Iterator[str]:
    """Yield what somebody told ships."""
    sent = list(sets.get("hails", {}).values())
    if sent:
        ships = ", ".join(hail["ship"] for hail in sent)
        yield f"{by} hails {ships}: {sent[0]['text']}"


def of_ships(change: Json, by: str, why: str) -> Iterator[str]:
    """Yield which ships were relieved, sunk or let go, and which joined."""
    ships = change["set"].get("ships", {})
    if change["op"] in OF_SHIPS:
        yield f"{by} {OF_SHIPS[change['op']]} {', '.join(ships)}{why}"
        return
    gone = [name for name, ship in ships.items() if ship is None]
    new = [name for name, ship in ships.items() if ship]
    if gone:
        yield f"{by} lets {', '.join(gone)} go{why}"
    if new:
        yield f"{by} adds {', '.join(new)}{why}"


def of_tasks(change: Json, by: str, why: str) -> Iterator[str]:
    """Yield what was ordered of a task."""
    op = change["op"]
    task_id = change.get("task")
    if op == "edit_task" and not task_id:
        task_id = last_answer(change)["id"]
        subject = change["set"]["tasks"][task_id]["subject"]
        yield f"[{task_id}] {by} adds it: {subject}{why}"
    elif op == "edit_task":
        subject = change["set"]["tasks"][task_id]["subject"]
        yield f"[{task_id}] {by} edits it: {subject}{why}"
    elif task_id == "verify":
        yield f"{by} has verify.sh run again{why}"
    elif op == "retry" and "tasks" in change["set"]:
        yield f"[{task_id}] {by} brings it back{why}"
    elif op == "release" and "claims" in change["set"]:
        [claim] = change["set"]["claims"].values()
        yield f"[{task_id}] {by} takes it from {claim['ship']}{why}"


def last_answer(change: Json) -> Any:
    """Return what a request was answered: the answers that are kept end with it."""
    return [*change["set"]["answers"]["captain"].values()][-1]


def news(change: Json) -> Iterator[str]:
    """Yield what harbor did of its own accord."""
    sets = change["set"]
    tasks = sets.get("tasks", {})
    for claim in sets.get("claims", {}).values():
        task = tasks.get(claim["task"] or "")
        is_over = claim["state"] not in ("live", "landed")
        if task and is_over and claim["state"] != "released":
            yield f"[{claim['task']}] is taken from {claim['ship']}: {claim['why']}"
        failed = tasklist.metadata(task).get("failed") if task and is_over else None
        if failed:
            yield f"[{claim['task']}] is set aside {failed}"
    state = sets.get("meta", {}).get("standing", {}).get("state")
    if state in TOLD_STATES:
        yield f"the voyage is {state}"
