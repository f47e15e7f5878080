"""Faults for as long as a voyage lasts: which, when and upon whom is the seed's choice."""

import random
import signal
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from .faults import FAULTS
from .fleet import Fleet, send
from .orders import ORDERS

TRIES = 5
PAUSE_S = 1.0, 4.0
ANSWER_S = 3.0
KINDS = FAULTS | ORDERS


@dataclass
class Storm:
    """The faults of one voyage, by `seed`; `say` is told of each, and `count` counts them."""

    fleet: Fleet
    seed: str
    say: Callable[[str], None]
    count: Counter[str]
    struck: int = 0
    deck: list[str] = field(default_factory=list)
    later: list[tuple[float, Callable[[], object]]] = field(default_factory=list)
    mending: list[Future[object]] = field(default_factory=list)

    def rage(self, over: Callable[[], bool], captain: Callable[[], object]) -> None:
        """Break things every few seconds until it is over, and then put all right; the captain has
        a look every few seconds too."""
        with ThreadPoolExecutor(8) as pool:
            due, look = time.monotonic(), time.monotonic() + ANSWER_S
            while not over():
                self.mend(pool)
                if time.monotonic() >= due:
                    due = max(due, time.monotonic() - 2) + self.strike()
                if time.monotonic() >= look:
                    captain()
                    look = time.monotonic() + ANSWER_S
                time.sleep(0.05)
            self.mend(pool, everything=True)
        for mended in self.mending:
            mended.result()
        self.calm()

    def strike(self) -> float:
        """Break the next thing; how long to wait until the one after it, in s."""
        self.struck += 1
        chance = random.Random(f"{self.seed}/{self.struck}")
        self.deck = self.deck or chance.sample(sorted(KINDS), len(KINDS))
        kind = self.deck.pop()
        broken = KINDS[kind](self.fleet, chance)
        self.say(f"{kind}: {broken.what if broken else 'nothing there'}")
        if broken:
            self.count[kind] += 1
            if broken.mend:
                self.later.append((time.monotonic() + broken.after_s, broken.mend))
        return random.Random(f"{self.seed}/{self.struck}/pause").uniform(*PAUSE_S)

    def mend(self, pool: ThreadPoolExecutor, *, everything: bool = False) -> None:
        """Put right what is due."""
        now = time.monotonic()
        due = [(at, mend) for at, mend in self.later if everything or at <= now]
        self.later = [entry for entry in self.later if entry not in due]
        self.mending += [pool.submit(mend) for _, mend in due]

    def calm(self) -> None:
        """All that can run goes on, and the captain orders that it does."""
        for ship in self.fleet.ships:
            send(signal.SIGCONT, self.fleet.pids(ship))
        for verb in ("reinforce", "resume"):  # given again where storage did not answer
            any(self.fleet.order(verb).status == 0 for _ in range(TRIES))
