"""The train: ships run the plan's check at once, each on top of the work of the one ahead.

A claim that is ready for the check gets a place, a car. The first car's base is the branch's head,
each other's is the commit of the car ahead. The longest green beginning of the train lands. A car
that leaves takes nobody with it: those behind keep their places, and are put on another base.

The model is Zuul's gate (zuul-ci.org, Project Gating): a window bounds how many cars there are. It
grows by one with each landing, and is halved by each red check."""

from __future__ import annotations

from . import health

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import Car, Claim, Train
    from .call import Call

FIRST_WINDOW = 8
LAST_CHECKS = 5
"""How many checks' times are kept."""
TIMES_OVERTAKEN = 2
"""After how many conflicts with others' work a claim gets the berth."""


# What it is


def load(call: Call) -> Train:
    """Return a copy of the train as it is, which the caller may change and then `put`."""
    now = call.meta.get("train")
    if now is None:
        window = min(FIRST_WINDOW, call.voyage["landing_window"])
        return {"window": window, "cars": [], "queue": [], "checks_s": []}
    return {
        "window": now["window"],
        "cars": [car.copy() for car in now["cars"]],
        "queue": now["queue"].copy(),
        "checks_s": now["checks_s"].copy(),
    }


def put(call: Call, train: Train) -> None:
    """Set the train, if that changes anything, once all in it is as it has to be."""
    admit(call, train)
    if train != load(call):
        call.put_meta({"train": train})


def find(train: Train, number: int) -> Car | None:
    """Return the car of a claim, if it has one."""
    for car in train["cars"]:
        if car["claim"] == number:
            return car
    return None


def commits_ahead(train: Train, car: Car) -> list[str]:
    """Return the commits of the cars ahead of one, the first one first."""
    ahead = train["cars"][: train["cars"].index(car)]
    return [each["commit"] for each in ahead if each["commit"]]


def remove(train: Train, number: int) -> None:
    """Take away the place of a claim, in the train or in the queue before it."""
    train["cars"] = [car for car in train["cars"] if car["claim"] != number]
    train["queue"] = [each for each in train["queue"] if each != number]


# What follows of itself


def line_up(call: Call, train: Train, number: int) -> None:
    """Have a claim wait for a place, unless it has one: behind others, or first with the berth."""
    if number in train["queue"] or find(train, number):
        return
    holder = berth_holder(call)
    if holder and holder["number"] == number:
        train["queue"].insert(0, number)
    else:
        train["queue"].append(number)


def couple(call: Call, train: Train) -> None:
    """Give each car the base that it has to be on. What was checked on another does not count."""
    base: str | None = call.meta["head"]
    for car in train["cars"]:
        if car["base"] != base:
            car.update(_on(call, car["claim"], base))
        base = car["commit"]


def admit(call: Call, train: Train) -> None:
    """Give places to who waits for one, as long as there are any."""
    couple(call, train)
    while train["queue"] and len(train["cars"]) < int(train["window"]):
        number = train["queue"][0]
        if not _may_enter(call, train, number):
            return
        train["queue"].pop(0)
        base = train["cars"][-1]["commit"] if train["cars"] else call.meta["head"]
        train["cars"].append(_on(call, number, base))


def _on(call: Call, number: int, base: str | None) -> Car:
    """Return the place of a claim whose work is to be put on a base."""
    limit_s = call.voyage["time_limit_minutes"] * 60 + call.voyage["lease_seconds"]
    return {
        "claim": number,
        "base": base,
        "commit": None,
        "green": False,
        "since": call.now,
        "until": call.meta["clock"] + limit_s,
    }


def _may_enter(call: Call, train: Train, number: int) -> bool:
    """Whether nobody has to be let ahead first: who has the berth is nobody else, or has pushed.

    Before that it may have to leave once more, and whoever came after it would be ahead then."""
    holder = berth_holder(call)
    if holder is None or holder["number"] == number:
        return True
    car = find(train, holder["number"])
    return car is not None and car["commit"] is not None


def drop(call: Call, number: int) -> None:
    """Take away the place of a claim that has ended."""
    if "train" not in call.meta:
        return
    train = load(call)
    remove(train, number)
    put(call, train)


def drop_late(call: Call, train: Train, awaited: str = "") -> None:
    """Take away the places of those who hold others up: their ships are silent, or take too long.

    Their claims stay theirs, and they may enter again. `awaited` is a commit that somebody waits
    for who is not in the train."""
    for number in [*train["queue"], *(car["claim"] for car in train["cars"])]:
        car = find(train, number)
        is_in_the_way = car is None or _is_waited_for(train, car, awaited)
        is_late = _is_silent(call, number) or (car is not None and _is_overdue(call, car))
        if is_in_the_way and is_late:
            remove(train, number)


def _is_waited_for(train: Train, car: Car, awaited: str) -> bool:
    is_last = car is train["cars"][-1] and not train["queue"]
    return not is_last or bool(awaited and car["commit"] == awaited)


def _is_silent(call: Call, number: int) -> bool:
    ship = call.ships[call.claims[str(number)]["ship"]]
    return ship["id"] != call.who and health.silence_s(call, ship) > silence_limit_s(call)


def silence_limit_s(call: Call) -> float:
    """Return after how many seconds of silence a ship loses its place."""
    return call.voyage["lease_seconds"] / 3


def _is_overdue(call: Call, car: Car) -> bool:
    """Whether a car has had its base for too long; one that has none yet waits for another."""
    is_at_work = car["base"] is not None and not car["green"]
    return is_at_work and car["until"] < call.meta["clock"]


# The berth


def berth_holder(call: Call) -> Claim | None:
    """Return the claim that nobody may land or enter ahead of, if its ship can be heard."""
    berth = call.meta.get("berth")
    if berth is None or berth["until"] <= call.meta["clock"]:
        return None
    holder = call.claims[str(berth["claim"])]
    if holder["state"] != "live" or _is_silent(call, holder["number"]):
        return None
    return holder


def take_berth(call: Call, held: Claim) -> Claim | None:
    """Let nobody enter ahead of a claim, within its time limit.

    Returns the claim that has that right instead, if another has."""
    holder = berth_holder(call)
    if holder is None:
        grant_berth(call, held)
    elif holder["number"] != held["number"]:
        return holder
    return None


def grant_berth(call: Call, held: Claim) -> None:
    """Give a claim the berth until it has landed or ended, or its time limit has passed."""
    limit_s = call.voyage["time_limit_minutes"] * 60
    call.put_meta({"berth": {"claim": held["number"], "until": call.meta["clock"] + limit_s}})


def end_berth(call: Call, held: Claim) -> None:
    """Take the berth from a claim, if it has it: what keeps it from landing is its own work."""
    berth = call.meta.get("berth")
    if berth and berth["claim"] == held["number"]:
        call.remove_meta("berth")


# Checks


def note_green(call: Call, train: Train, car: Car) -> list[Car]:
    """Note that the check has passed on a car's commit. Returns the cars that land by that.

    They are in the train no more."""
    if not car["green"]:
        took_s = max(0.0, round(call.now - car["since"], 1))
        train["checks_s"] = [*train["checks_s"], took_s][-LAST_CHECKS:]
        car.update({"green": True, "since": call.now})
    landing = []
    while train["cars"] and train["cars"][0]["green"]:
        landing.append(train["cars"].pop(0))
    grown = train["window"] + len(landing)
    train["window"] = min(grown, call.voyage["landing_window"])
    return landing


def fail_check(train: Train) -> None:
    """Have fewer ships check at once, since a check was red by its own work's fault."""
    train["window"] = max(1.0, train["window"] / 2)
