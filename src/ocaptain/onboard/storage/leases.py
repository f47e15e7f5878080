"""Time and leases: each claim holds until its lease ends, and each call of a ship renews one.

Leases are in seconds of the *voyage clock*, which goes only while ships call. What people read is
UNIX time.
"""

from __future__ import annotations

from .. import tasklist
from ..text import several
from . import health, limits, train
from .call import amount, text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import Claim, ClaimState, ShipRecord, Task, TaskMetadata
    from .call import Call
    from .health import Cost

REPORTED_STATES = ("working", "reviewing", "landing", "verifying", "limited")
"""What a ship that holds a claim may say that it is at."""
REASON_LIMIT = 500
"""Characters that are kept of the reason for a ship's wait."""


def advance_clock(call: Call) -> None:
    """Let the time pass since any ship last called: at least 0, at most a quarter of a lease.

    So a reboot of storage, a paused VM or a jump of its clock expires no claim."""
    since_last_call = call.now - call.meta.get("last_call_at", call.now)
    limit = call.voyage["lease_seconds"] / 4
    passed = min(max(since_last_call, 0), limit)
    clock = call.meta.get("clock", 0) + passed
    call.put_meta({"clock": round(clock, 3), "last_call_at": call.now})


def renew(call: Call, claim: Claim) -> Claim:
    """Give a claim, perhaps a new one, its full lease. Returns the claim with it."""
    expires = call.meta["clock"] + call.voyage["lease_seconds"]
    renewed: Claim = {**claim, "expires": expires}
    call.put_claim(renewed)
    return renewed


def sweep(call: Call) -> None:
    """End the claims whose leases have ended."""
    for claim in call.live_claims():
        if claim["expires"] < call.meta["clock"]:
            end_claim(call, claim, "expired", f"{claim['ship']} was not heard from in time")


def end_claim(call: Call, claim: Claim, state: ClaimState, why: str, cost: Cost = "death") -> None:
    """End a live claim that has not landed; its task is pending again, or set aside.

    The verification is given up if it was interrupted too often."""
    call.put_claim({**claim, "state": state, "why": why, "ended_at": call.now})
    train.drop(call, claim["number"])
    is_interruption = health.book(call, claim, why, cost)
    if claim["task"] is None:
        if is_interruption:
            _interrupt_verification(call, claim, why)
        return
    task = tasklist.patched(call.tasks[claim["task"]], {"status": "pending"})
    task = tasklist.without_owner(task)
    if cost == "attempt":
        task = _attempted(task, why, call.voyage["max_attempts"])
    elif is_interruption:
        ships = [*health.interrupted_by(call, claim), claim["ship"]]
        task = _interrupted(task, why, ships, health.most_interruptions(call))
    call.put_task(task)


def _interrupt_verification(call: Call, claim: Claim, why: str) -> None:
    """Note that the verification was interrupted; after too many times give it up."""
    ships = [*health.interrupted_by(call, claim), claim["ship"]]
    call.put_meta({"verify_interrupted_by": ships})
    if len(ships) >= health.most_interruptions(call):
        times = several(len(ships), "time")
        call.put_meta({"failed_reason": f"verify.sh was interrupted {times}, the last: {why}"})


def _attempted(task: Task, why: str, limit: int) -> Task:
    """Return a task after an attempt that failed: set aside if that was the last."""
    attempts = tasklist.attempts(task) + 1
    change: TaskMetadata = {"attempts": attempts}
    if attempts >= limit:
        change["failed"] = f"after {several(attempts, 'attempt')}, the last: {why}"
    return tasklist.annotated(task, change)


def _interrupted(task: Task, why: str, ships: list[str], limit: int) -> Task:
    """Return a task that was interrupted on these ships: set aside if that is too often."""
    change: TaskMetadata = {"interruptedBy": ships}
    if len(ships) >= limit:
        change["failed"] = f"after {several(len(ships), 'interruption')}, the last: {why}"
    return tasklist.annotated(task, change)


def record_heartbeat(call: Call) -> None:
    """Keep what the asking ship says of itself, and that it called now."""
    claim = call.held_claim()
    before = call.ships[call.who]
    state = _reported_state(call, claim)
    number = claim["number"] if claim else None
    task = call.tasks[claim["task"]] if claim and claim["task"] else None
    unchanged = before["state"] == state and before["claim"] == number
    record: ShipRecord = {
        **before,
        "state": state,
        "claim": number,
        "task": task["id"] if task else None,
        "subject": task.get("subject") if task else None,
        "since": before["since"] if unchanged else call.now,
        "last_seen_at": call.now,
        "heard": call.moment,
        "reason": text(call.request, "reason")[:REASON_LIMIT],
        "until": amount(call.request, "until"),
    }
    call.put_ship(record)
    limits.note(call, before, record)


def _reported_state(call: Call, claim: Claim | None) -> str:
    if claim is None:
        return "waiting"
    state = text(call.request, "state")
    is_of_claim = amount(call.request, "claim") == claim["number"]
    if is_of_claim and state in REPORTED_STATES:
        return state
    return "working" if claim["task"] else "verifying"
