"""When ships may rest: if a voyage stands still, there is nothing to ask for.

A ship that asks in vain costs a little each time, and a voyage that is over may be kept for days.
So it is told to ask again after minutes. An order after which there is something to do again names
the ships that rest, and the captain knocks at their doors.
"""

from __future__ import annotations

from . import mirror
from .job import USUAL_TIMING

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..protocol import ShipRecord
    from .call import Call

REST_S = 600.0
STILL = ("complete", "failed", "paused", "halted", "idle")
"""States of a voyage in which nothing is handed out before the captain says something."""


def allowed_rest(call: Call, state: str) -> float:
    """Return for how many seconds ships need not ask, in a voyage of that state.

    While others are at work, or something is left to bring to origin, they have to: their calls are
    what has that tried again."""
    if state not in STILL or call.live_claims():
        return 0.0
    if mirror.next_step(call.journal, call.voyage, USUAL_TIMING):
        return 0.0
    return REST_S


def note_rest(call: Call, rest_s: float) -> None:
    """Note for how long the asking ship may be silent; 0 if it may not."""
    ship = call.ships[call.who]
    if rest_s:
        call.put_ship({**ship, "rest_s": rest_s})
    elif "rest_s" in ship:
        call.put_ship(awake(ship))


def awake(ship: ShipRecord) -> ShipRecord:
    """Return the record of a ship, as of one that does not rest."""
    up = ship.copy()
    up.pop("rest_s", None)
    return up


def wake(call: Call) -> list[str]:
    """Expect calls from all ships again. Returns those that rest: somebody has to knock there."""
    resting = sorted(name for name, ship in call.ships.items() if "rest_s" in ship)
    for name in resting:
        # Its silence counts from now on.
        call.put_ship({**awake(call.ships[name]), "heard": call.moment})
    return resting
