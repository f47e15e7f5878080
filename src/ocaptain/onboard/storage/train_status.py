"""The train as people see it: who is where in it, and how fast it is."""

from __future__ import annotations

from . import health, train

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import Car, CarStatus, Train, TrainStatus
    from .call import Call

HOUR_S = 3600


def train_status(call: Call) -> TrainStatus:
    """Return the train, which is empty if the plan has no check."""
    if not call.voyage["check"]:
        return {"window": None, "check_s": None, "landings_per_hour": None, "cars": []}
    now = train.load(call)
    check_s = usual_check_s(now)
    return {
        "window": int(now["window"]),
        "check_s": check_s,
        "landings_per_hour": landings_per_hour(call, now, check_s),
        "cars": cars(call, now),
    }


def usual_check_s(now: Train) -> float | None:
    """Return how many seconds a check took lately; None if none has passed yet."""
    took = sorted(now["checks_s"])
    return took[len(took) // 2] if took else None


def landings_per_hour(call: Call, now: Train, check_s: float | None) -> float | None:
    """Return how many tasks an hour can land at most, with the ships that there are."""
    if not check_s:
        return None
    ships = [ship for ship in health.crew(call) if health.can_be_reckoned_with(call, ship)]
    at_once = min(int(now["window"]), len(ships))
    return round(at_once * HOUR_S / check_s, 1)


def cars(call: Call, now: Train) -> list[CarStatus]:
    """Return who is in the train, the first one first, and then who waits for a place."""
    shown = []
    ahead = None
    for car in now["cars"]:
        shown.append(_row(call, car["claim"], _state(car), ahead, car["since"]))
        ahead = shown[-1]["task"]
    for number in now["queue"]:
        shown.append(_row(call, number, "waiting", None, None))
    return shown


def _row(call: Call, number: int, state: str, ahead: str | None, since: float | None) -> CarStatus:
    held = call.claims[str(number)]
    return {
        "ship": held["ship"],
        "task": held["task"] or "",
        "state": state,
        "behind": ahead,
        "since": since,
    }


def _state(car: Car) -> str:
    if car["green"]:
        return "green"
    if car["commit"]:
        return "checking"
    return "rebasing"


def words(shown: list[CarStatus], row: CarStatus) -> str:
    """Return where one is, for people."""
    first = shown[0]["task"]
    behind = f" on top of task {row['behind']}" if row["behind"] else ""
    match row["state"]:
        case "green":
            return f"is green, and lands after task {first}"
        case "checking":
            return f"runs the check{behind}"
        case "rebasing":
            return f"is being put{behind}" if behind else "is being put on top of the branch"
        case _:
            at_work = [each for each in shown if each["state"] != "waiting"]
            return f"waits for a place: the check runs {len(at_work)} times already"
