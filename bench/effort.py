"""How much is done for a measurement."""

from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Effort(Enum):
    """Enough to see that it runs at all; enough for a first idea; enough to rely on."""

    SMOKE = "smoke"
    QUICK = "quick"
    FULL = "full"

    def choose(self, *, smoke: T, quick: T, full: T) -> T:
        """Return the value that is given for this effort."""
        values = {Effort.SMOKE: smoke, Effort.QUICK: quick, Effort.FULL: full}
        return values[self]
