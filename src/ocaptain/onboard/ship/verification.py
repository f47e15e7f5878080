"""The verification: `verify.sh` on a fresh clone of the branch, once all tasks are completed."""

from contextlib import suppress

from ..protocol import VerificationGrant
from .client import Refused
from .heartbeat import GiveUp, Heartbeat
from .ship import SET_UP, Ship

VERIFY = "exec bash ~/voyage/verify.sh"


class Verification:
    """A ship's work on a claim of the verification."""

    def __init__(self, ship: Ship, grant: VerificationGrant) -> None:
        self.ship = ship
        self.claim = grant["claim"]
        self.head = grant["head"]
        self.heartbeat = Heartbeat(ship, grant["claim"], task_id="", hails={})
        self.clone = ship.open_clone(self.heartbeat.over)

    def run(self) -> None:
        """Have the branch's head pass as verified. Raises GiveUp or OSError if it cannot."""
        self.ship.say(f"verifies {self.head[:12]}")
        self.clone.make()
        self.clone.check_out(self.head)
        set_up = self.ship.run(SET_UP)
        if set_up.status:
            raise GiveUp(set_up.stdout[-2000:], "infrastructure")
        self.clone.keep()
        done = self.ship.run(VERIFY)
        self.heartbeat.check_claim()
        self.ship.say(f"verify.sh exited {done.status}\n{done.stdout[-4000:]}")
        if done.status:
            raise GiveUp(f"verify.sh exited {done.status}:\n{done.stdout[-8000:]}", "agent")
        with suppress(Refused):  # it is void if the branch or the tasks have changed meanwhile
            self.ship.storage.land(self.claim, self.heartbeat.take_report(), commit=self.head)
