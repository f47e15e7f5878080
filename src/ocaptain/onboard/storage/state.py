"""What follows from a voyage's state: how it stands, what it cost, what is left of vain attempts.

Nothing here changes anything."""

from __future__ import annotations

from .. import tasklist
from ..text import one_line
from . import books, budgets, health, unmanned
from .call import shortened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..protocol import Claim, Moment, ShipRecord, Wreck
    from .call import Call

REASONS = 3
"""How many tasks, or ships, a voyage's reason names."""
REASON_LIMIT = 300
"""Characters of what it says of each."""
OUTPUT_LIMIT = 1500
"""Characters of what it says of verify.sh."""
FURTHER = "+"
"""What stands between a work ref and what tells a further ref of the same claim from others."""
LIST_WORK_REFS = ("for-each-ref", "--format=%(refname:lstrip=2) %(objectname)", "refs/heads/work/")


def voyage_state(call: Call) -> tuple[str, str | None]:
    """Return the voyage's state and the reason for it, if there is one.

    Whether the ships are being heard from is not looked at; see status.py."""
    failed_reason = call.meta.get("failed_reason")
    paused = call.meta.get("paused")
    if is_complete(call):
        return "complete", None
    if failed_reason:
        return "failed", shortened(failed_reason, OUTPUT_LIMIT)
    if is_being_verified(call):
        return "verifying", None
    if is_stuck(call):
        return "failed", some_of(list(set_aside(call).values())) or "no task can be claimed"
    if spent := budgets.reason(call):
        return "paused", spent
    if paused:
        return paused["state"], paused["reason"]
    if not call.tasks:
        return "idle", "there is no task yet"
    lacking = unmanned.reason(call)
    return ("paused" if lacking and unmanned.all_wait(call) else "running"), lacking or None


def all_completed(call: Call) -> bool:
    """Whether every task is completed. Without a task there is nothing that could be."""
    states = [tasklist.state(task) for task in call.task_outlines.values()]
    return bool(states) and all(state == "completed" for state in states)


def is_complete(call: Call) -> bool:
    """Whether every task is completed, and verify.sh has passed on just that."""
    verified = call.meta.get("verified")
    if verified is None or not all_completed(call):
        return False
    return is_current(call, verified["head"], verified["tasks"])


def is_current(call: Call, head: str, tasks: int) -> bool:
    """Whether the branch is still at `head`, and there are still so many tasks."""
    return call.meta["head"] == head and len(call.tasks) == tasks


def is_being_verified(call: Call) -> bool:
    """Whether a ship has the verification."""
    return any(claim["task"] is None for claim in call.live_claims())


def is_stuck(call: Call) -> bool:
    """Whether there is something left to do, and nobody is at it, and nobody can be."""
    if not call.tasks or call.live_claims() or all_completed(call):
        return False
    return not any(tasklist.ready(call.task_outlines, call.task_outlines))


def set_aside(call: Call) -> dict[str, str]:
    """Return a line for each task that failed, by its id."""
    reasons = {}
    for task_id, task in call.task_outlines.items():
        if tasklist.state(task) == "failed":
            why = f"task {task_id} {tasklist.metadata(task)['failed']}"
            reasons[task_id] = one_line(why, REASON_LIMIT)
    return reasons


def some_of(reasons: list[str]) -> str:
    """Return the first few reasons, and how many there are besides."""
    more = len(reasons) - REASONS
    shown = reasons[:REASONS]
    if more > 0:
        shown.append(f"and {more} more")
    return "; ".join(shown)


def broken_ships(call: Call) -> list[str]:
    """Return a line for each ship that is broken."""
    lines = []
    for ship in health.crew(call):
        if "broken" in ship:
            lines.append(f"{ship['id']}: {ship['broken']['reason']}")
    return lines


def cost(call: Call) -> float:
    """Return what the voyage has cost so far, in USD, as the agents' reports have it."""
    return books.cost(call.claim_outlines.values())


def waiting_hails(call: Call, ship: str) -> dict[str, str]:
    """Return the captain's messages that the ship's agent has not taken in, by number."""
    waiting = {}
    for number, hail in call.hails_in_use().items():
        if hail["ship"] == ship and not hail["delivered_at"]:
            waiting[number] = hail["text"]
    return waiting


def work_ref(claim: Claim) -> str:
    """Return the ref that a claim of a task pushes to, without refs/heads/."""
    return f"work/{claim['task']}-{claim['number']}"


def wrecks(call: Call, claims: Iterable[Claim]) -> list[Wreck]:
    """Return what these claims brought to storage that did not land, the latest first.

    Of a claim that has landed that is what its ship found apart from the work, on further refs."""
    of_tasks = [claim for claim in claims if claim["task"]]
    if not of_tasks:
        return []
    refs: dict[str, list[tuple[str, str]]] = {}
    for line in call.git(*LIST_WORK_REFS).splitlines():
        ref, commit = line.split()
        refs.setdefault(ref.partition(FURTHER)[0], []).append((ref, commit))
    found: list[Wreck] = []
    for claim in reversed(of_tasks):
        for ref, commit in refs.get(work_ref(claim), []):
            if FURTHER in ref or claim["state"] != "landed":
                found.append(_wreck(claim, ref, commit))
    return found


def _wreck(claim: Claim, ref: str, commit: str) -> Wreck:
    return {
        "ref": ref,
        "commit": commit,
        "number": claim["number"],
        "ship": claim["ship"],
        "why": claim.get("why", ""),
    }


def starting_ship(name: str, now: Moment) -> ShipRecord:
    """Return the record of a ship that joins now, and has not called yet."""
    return {
        "id": name,
        "state": "starting",
        "claim": None,
        "task": None,
        "last_seen_at": None,
        "heard": now,
    }
