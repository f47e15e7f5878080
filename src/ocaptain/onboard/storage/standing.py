"""Since when the voyage, and each ship, stands as it does."""

from __future__ import annotations

from .. import tasklist
from ..text import utc
from .state import voyage_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import ShipRecord, Task, TaskTimes, VoyageTimes
    from .call import Call

OVER = ("complete", "failed")
"""States in which a voyage has ended."""


def note(call: Call) -> None:
    """Note it if what the call changes has the voyage stand otherwise."""
    state, _ = voyage_state(call)
    before = call.meta.get("standing")
    if before is None or before["state"] != state:
        call.put_meta({"standing": {"state": state, "since": call.now}})


def times(call: Call, state: str) -> VoyageTimes:
    """Return when the voyage set sail, since when it is in `state`, and how long it took."""
    created = call.voyage["created"]
    since = since_when(call, state)
    ended = since if state in OVER else None
    return {
        "created": created,
        "created_at": utc(created),
        "since": since,
        "since_at": moment(since),
        "ended_at": moment(ended),
        "took_s": None if ended is None else round(max(0.0, ended - created), 1),
    }


def since_when(call: Call, state: str) -> float | None:
    """Return since when the voyage is in `state`, which it is in now."""
    standing = call.meta.get("standing")
    if standing and standing["state"] == state:
        return standing["since"]
    if state == "stalled":
        signs = [last_sign(ship) for ship in call.ships.values() if not ship.get("relieved")]
        return max(filter(None, signs), default=None)
    return call.voyage["created"]


def last_sign(ship: ShipRecord) -> float | None:
    """Return when a ship could last be reckoned with; None if it never called."""
    if "sunk" in ship:
        return ship["sunk"]
    broken = ship.get("broken")
    return broken["since"] if broken else ship["last_seen_at"]


def idle_since(call: Call, ship: ShipRecord) -> float | None:
    """Return since when a ship has had nothing to do, as the voyage now stands."""
    standing = call.meta.get("standing")
    since = ship.get("since")
    return max(since, standing["since"]) if since and standing else since


def task_times(call: Call, task: Task) -> TaskTimes:
    """Return since when a task has its status, and how long it took if it is completed."""
    since = None
    took_s = None
    state = tasklist.state(task)
    claim = call.claims.get(str(tasklist.claim_number(task)))
    if claim and state == "in_progress":
        since = claim["claimed_at"]
    elif claim and state in ("completed", "failed"):
        since = claim.get("ended_at")
    if since and claim and state == "completed":
        took_s = round(max(0.0, since - claim["claimed_at"]), 1)
    return {"since": since, "since_at": moment(since), "took_s": took_s}


def moment(epoch: float | None) -> str | None:
    """Return a moment as RFC 3339 has it; None if it is not known."""
    return utc(epoch) if epoch else None
