"""Faults for as long as a voyage lasts: which, when and upon whom is the seed's choice."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from tests.support.machine import signal_all

from .faults import FAULTS
from .orders import ORDERS
from .victim import Victim

ORDER_TRIES = 5
PAUSE_S = (1.0, 4.0)
"""How long it is from a fault to the next, at least and at most."""
CAPTAIN_S = 3.0
"""How long it is from one look of the captain's to the next."""
KINDS = FAULTS | ORDERS


@dataclass
class Mending:
    """What puts a fault right, and when that is due (of time.monotonic)."""

    due: float
    mend: Callable[[], object]


@dataclass
class Storm:
    """The faults of one voyage, by `seed`; `say` is told of each, and `count` counts them."""

    victim: Victim
    seed: str
    say: Callable[[str], None]
    count: Counter[str]
    struck: int = 0
    deck: list[str] = field(default_factory=list)
    later: list[Mending] = field(default_factory=list)
    under_way: list[Future[object]] = field(default_factory=list)

    def rage(self, over: Callable[[], bool], captain: Callable[[], object]) -> None:
        """Break things every few seconds until it is over, and then put all right; the captain has
        a look every few seconds too."""
        next_fault = time.monotonic()
        next_look = time.monotonic() + CAPTAIN_S
        with ThreadPoolExecutor(8) as pool:
            while not over():
                self.mend(pool)
                if time.monotonic() >= next_fault:
                    next_fault = max(next_fault, time.monotonic() - 2) + self.strike()
                if time.monotonic() >= next_look:
                    captain()
                    next_look = time.monotonic() + CAPTAIN_S
                time.sleep(0.05)
            self.mend(pool, everything=True)
        for mending in self.under_way:
            mending.result()
        self.calm()

    def strike(self) -> float:
        """Break the next thing; how long to wait until the one after it, in s."""
        self.struck += 1
        chance = random.Random(f"{self.seed}/{self.struck}")
        if not self.deck:
            self.deck = chance.sample(sorted(KINDS), len(KINDS))
        kind = self.deck.pop()
        broken = KINDS[kind](self.victim, chance)
        self.say(f"{kind}: {broken.what if broken else 'nothing there'}")
        if broken:
            self.count[kind] += 1
            if broken.mend:
                self.later.append(Mending(time.monotonic() + broken.after_s, broken.mend))
        return random.Random(f"{self.seed}/{self.struck}/pause").uniform(*PAUSE_S)

    def mend(self, pool: ThreadPoolExecutor, *, everything: bool = False) -> None:
        """Put right what is due."""
        now = time.monotonic()
        due = [mending for mending in self.later if everything or mending.due <= now]
        for mending in due:
            self.later.remove(mending)
            self.under_way.append(pool.submit(mending.mend))

    def calm(self) -> None:
        """All that can run goes on, and the captain orders that it does."""
        signal_all(signal.SIGCONT, self.victim.processes_of(self.victim.vms))
        self.order_until_obeyed("reinforce")
        self.order_until_obeyed("resume")

    def order_until_obeyed(self, verb: str) -> None:
        """Give an order, and give it again if storage does not answer."""
        for _ in range(ORDER_TRIES):
            if self.victim.order(verb).status == 0:
                return
