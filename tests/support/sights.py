"""A voyage as a board may see it, made up: so many ships and tasks, in all the states there are."""

from dataclasses import replace
from typing import Any, cast

from ocaptain.board.watching import Sight, Watcher
from ocaptain.fleet.voyage import Voyage, VoyageStatus
from ocaptain.onboard.protocol import ShipStatus, TaskRow
from tests.support.documented import example

Json = dict[str, Any]

NOW = 1_800_000_000.0
"""When these voyages are looked at, in UNIX time."""
SHIP_STATES = ("working", "working", "landing", "waiting", "lost", "limited")
TASK_STATES = ("failed", "in_progress", "in_progress", "pending", "pending", "completed")


class Told(Watcher):
    """A watcher that is told what it sees, and asks nobody."""

    def __init__(self, voyage: Voyage, told: Sight) -> None:
        super().__init__(voyage, clock=lambda: NOW)
        self.told = told
        self.pause_s = 60.0

    async def look(self) -> Sight:
        """See what was told."""
        self.sight = self.told
        return self.told

    def tell(self, sight: Sight) -> None:
        """Have this be seen at once."""
        self.told = sight
        self.hurry()


def sight(ships: int = 3, tasks: int = 6, now: float = NOW, **status: Any) -> Sight:
    """A voyage under way, that sailed ten minutes ago."""
    rows = [row(number, now) for number in range(1, tasks + 1)]
    shown: Json = {
        **example("status"),
        "provider": "local",
        "train": {"window": 2, "check_s": None, "landings_per_hour": None, "cars": []},
        "created": now - 600,
        "since": now - 600,
        "took_s": None,
        "next": [],
        "ships": [ship(number, now) for number in range(ships)],
        "tasks": counts(rows),
        **status,
    }
    return Sight(cast(VoyageStatus, shown), rows, seen_at=now, looked_at=now)


def ship(number: int, now: float = NOW, **fields: Any) -> ShipStatus:
    """A ship, in a state that follows from its number."""
    state = SHIP_STATES[number % len(SHIP_STATES)]
    holds = state not in ("waiting", "lost")
    reasons = {"lost": "not heard from for 40 s", "limited": "usage limit reached"}
    shown: Json = {
        **example("status")["ships"][0],
        "id": f"ship-{number}",
        "state": state,
        "task": f"{number + 1}" if holds else None,
        "subject": f"Subject {number + 1}" if holds else None,
        "since": now - 98,
        "reason": reasons.get(state),
        "said": f"[{number + 1}] Bash: ls {number}",
        **fields,
    }
    return cast(ShipStatus, shown)


def row(number: int, now: float = NOW, **fields: Any) -> TaskRow:
    """A task: of each six the first has failed, two are under way, and the fifth is blocked."""
    state = TASK_STATES[(number - 1) % len(TASK_STATES)]
    is_done = state == "completed"
    shown: Json = {
        **example("tasks")[0],
        "id": f"{number}",
        "subject": f"Subject {number}",
        "status": state,
        "owner": f"ship-{number - 1}" if state in ("in_progress", "completed") else None,
        "landing": None,
        "behind": None,
        "blocked_by": ["2"] if number % len(TASK_STATES) == 5 else [],
        "commit": "4b0a30fb42990000" if is_done else None,
        "reason": "the check is red" if state == "failed" else None,
        "since": None if state == "pending" else now - 60,
        "took_s": 120.0 if is_done else None,
        **fields,
    }
    return cast(TaskRow, shown)


def counts(rows: list[TaskRow]) -> dict[str, int]:
    """How many tasks are in which state."""
    none = dict.fromkeys(TASK_STATES, 0)
    found = [row["status"] for row in rows]
    return {**none, **{state: found.count(state) for state in found}, "total": len(rows)}


def altered(
    seen: Sight,
    *,
    ships: list[ShipStatus] | None = None,
    tasks: list[TaskRow] | None = None,
    **status: Any,
) -> Sight:
    """The same voyage, where something is different."""
    other: Json = {**seen.status, **status}
    if ships is not None:
        other["ships"] = ships
    rows = seen.tasks if tasks is None else tasks
    other["tasks"] = counts(rows)
    return replace(seen, status=cast(VoyageStatus, other), tasks=rows)
