"""Whose fault it is that a claim ended in vain, and which ships can be reckoned with.

Trouble of a machine is booked on its ship. It counts on the task as well, or on the verification,
if the ship is known to be sound. Three troubles in a row, and the ship is broken: it is handed
nothing for a lease, then for two, and so on. What takes a ship down with it, so that nobody says
what happened, counts on the task while the ship fails at nothing else.
"""

from __future__ import annotations

from .. import tasklist
from ..text import one_line
from .agents import has_other_work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Literal

    from ..protocol import Broken, Claim, ShipRecord, Trouble
    from .call import Call

    Cost = Literal["attempt", "death", "trouble", "spent", "refused", "nothing"]
    """What the end of a claim was, in the books: the agent failed; the ship went silent or began
    anew; it told of its machine's trouble; the session's budget was spent; the credential was
    refused; or none of these."""

BREAKING = 3
"""Troubles in a row that break a ship."""
LONGEST_BENCH = 12
"""Leases for which a broken ship is handed nothing, at most: an hour, by default."""
REASON_LIMIT = 300
"""Characters that are kept of why a ship is broken."""
LEAST_SILENCE_S = 5.0
"""No ship is lost that called since."""
STARTING_S = 2400.0
"""How long a ship may take to be made and to call in."""


# Whether it is heard


def silence_s(call: Call, ship: ShipRecord) -> float:
    """Return for how many seconds storage could have heard a ship, and did not.

    The time for which storage slept or was off does not count."""
    heard = ship.get("heard")
    if heard is None:
        return 0.0
    if heard["boot"] != call.moment["boot"]:
        return call.moment["awake_s"]
    return max(0.0, call.moment["awake_s"] - heard["awake_s"])


def is_lost(call: Call, ship: ShipRecord) -> bool:
    """Whether a ship was silent for too long.

    Before it calls in it has a time of its own; one that rests has as much more. One that was sunk
    is silent for good."""
    if "sunk" in ship:
        return True
    longest = max(call.voyage["lease_seconds"] / 2, LEAST_SILENCE_S)
    if ship["last_seen_at"] is None:
        longest = STARTING_S
    return silence_s(call, ship) > longest + ship.get("rest_s", 0.0)


# Whether it is sound


def may_try(call: Call, ship: ShipRecord) -> bool:
    """Whether a ship may be handed something: it is sound, or broken for long enough."""
    broken = ship.get("broken")
    return broken is None or broken["until"] <= call.meta["clock"]


def can_be_reckoned_with(call: Call, ship: ShipRecord) -> bool:
    """Whether a ship that has nothing to do could be handed something now."""
    return may_try(call, ship) and not is_lost(call, ship)


def in_trouble_at(ship: ShipRecord) -> str:
    """Return the task that a ship failed at last by its own fault; empty if there is none."""
    trouble = ship.get("trouble")
    return trouble["at"] if trouble and trouble["count"] else ""


def note_success(call: Call, name: str) -> None:
    """Let bygones be bygones: the ship has completed something."""
    ship = call.ships[name]
    if "trouble" in ship or "broken" in ship:
        sound = ship.copy()
        sound.pop("trouble", None)
        sound.pop("broken", None)
        call.put_ship(sound)


def forgive(call: Call, name: str) -> None:
    """Let bygones be bygones, refused credentials too: the captain says so."""
    note_success(call, name)
    ship = call.ships[name]
    if "refused" in ship:
        sound = ship.copy()
        sound.pop("refused")
        call.put_ship(sound)


# Whose fault it is


def book(call: Call, claim: Claim, why: str, cost: Cost) -> bool:
    """Book the end of a claim on its ship, as far as it is to blame.

    Returns whether the end counts as an interruption of what the claim was of."""
    counts = _interrupts(call, claim, cost)
    if cost == "refused":
        _refuse(call, claim, why)
    elif cost == "trouble":
        _blame(call, claim, why, 1)
    elif cost == "death":
        _blame(call, claim, why, 0 if counts else 1)
    return counts


def _interrupts(call: Call, claim: Claim, cost: Cost) -> bool:
    """Whether the end of a claim counts on what it was of."""
    if cost not in ("death", "trouble", "spent"):
        return False
    if cost == "spent":
        return True
    ship = call.ships[claim["ship"]]
    if _is_suspect(ship, claim["task"]):
        return False
    if cost == "trouble" and claim["task"] and not _has_proved_sound(call, ship):
        return False
    return interrupted_by(call, claim).count(ship["id"]) < _share(call)


def _is_suspect(ship: ShipRecord, task: str | None) -> bool:
    """Whether a ship has failed at something else since it last completed something.

    Once all tasks are completed there is nothing else that could show it to be sound."""
    trouble = ship.get("trouble")
    if trouble is None:
        return False
    return trouble["at"] != (task or "") or (task is not None and trouble["count"] > 0)


def _has_proved_sound(call: Call, ship: ShipRecord) -> bool:
    """Whether a ship has completed something, and was in no trouble since."""
    landed = (claim for claim in call.claim_outlines.values() if claim["state"] == "landed")
    return "trouble" not in ship and any(claim["ship"] == ship["id"] for claim in landed)


def interrupted_by(call: Call, claim: Claim) -> list[str]:
    """Return the ships that interrupted what a claim is of, once for each time that counts."""
    if claim["task"] is None:
        return call.meta.get("verify_interrupted_by", [])
    return tasklist.interrupted_by(call.tasks[claim["task"]])


def most_interruptions(call: Call) -> int:
    """Return after how many interruptions a task is set aside, and the verification given up."""
    return 2 * call.voyage["max_attempts"]


def _share(call: Call) -> int:
    """Return how many interruptions of one task may come from one ship: its part of the limit."""
    return -(-most_interruptions(call) // max(1, len(crew(call))))


def crew(call: Call) -> list[ShipRecord]:
    """Return the ships that may be handed something: neither relieved nor sunk."""
    return [ship for ship in call.ships.values() if takes_tasks(ship)]


def takes_tasks(ship: ShipRecord) -> bool:
    """Whether a ship belongs to the crew."""
    return not ship.get("relieved") and "sunk" not in ship


# What follows for the ship


def _blame(call: Call, claim: Claim, why: str, troubles: int) -> None:
    """Note what a ship failed at, with so many troubles more; too many break it."""
    ship = call.ships[claim["ship"]]
    before = ship["trouble"]["count"] if "trouble" in ship else 0
    trouble: Trouble = {"count": before + troubles, "at": claim["task"] or ""}
    call.put_ship({**ship, "trouble": trouble})
    if troubles and trouble["count"] >= BREAKING:
        leases = min(2 ** (trouble["count"] - BREAKING), LONGEST_BENCH)
        where = f"task {claim['task']}" if claim["task"] else "verify.sh"
        _break(call, ship["id"], f"{where}: {why}", leases, refused=False)


def _refuse(call: Call, claim: Claim, why: str) -> None:
    """Hand a ship nothing whose credential is refused; if no ship is left, pause the voyage.

    While it has tasks of other agents, which it can run, it gets those."""
    agent = claim.get("refused") or claim.get("agent", call.voyage["agent"])
    ship = call.ships[claim["ship"]]
    if has_other_work(call, ship, agent):
        _refuse_agent(call, ship, agent, why)
        return
    _break(call, claim["ship"], why, LONGEST_BENCH, refused=True)
    broken = [ship.get("broken") for ship in crew(call)]
    if all(each and each["refused"] for each in broken):
        call.put_meta({"paused": {"state": "paused", "reason": why}})


def _refuse_agent(call: Call, ship: ShipRecord, agent: str, why: str) -> None:
    """Hand a ship nothing for an agent whose credential is refused."""
    refusal = _bench(call, why, LONGEST_BENCH, refused=True)
    call.put_ship({**ship, "refused": {**ship.get("refused", {}), agent: refusal}})


def _break(call: Call, name: str, why: str, leases: int, *, refused: bool) -> None:
    """Hand a ship nothing for so many leases."""
    ship = call.ships[name]
    broken = _bench(call, why, leases, refused=refused)
    if "broken" in ship:
        broken["since"] = ship["broken"]["since"]
    call.put_ship({**ship, "broken": broken})


def _bench(call: Call, why: str, leases: int, *, refused: bool) -> Broken:
    """Return what keeps something from being handed out, from now on, for so many leases."""
    return {
        "reason": one_line(why, REASON_LIMIT),
        "since": call.now,
        "until": call.meta["clock"] + leases * call.voyage["lease_seconds"],
        "refused": refused,
    }
