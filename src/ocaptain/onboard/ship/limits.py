"""The API's limits that an agent runs into, one after the other."""

import time

from .heartbeat import GiveUp

LIMITS_IN_A_ROW = 10
"""How many turns in a row may end with a limit, without any work between them."""
LONGEST_LIMIT_S = 8 * 86400
"""No announced end is believed that is farther away; a week is the longest that is known."""


class Limits:
    """Counts the turns in a row that have ended with a limit, and says how long to wait."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        """The first limit whose end nobody announces is taken to last `first_s`, and each further
        one in a row twice as long, up to `longest_s`."""
        self.in_a_row = 0
        self._first_s = first_s
        self._longest_s = longest_s

    def note(self, text: str) -> None:
        """Count a turn that has ended with a limit. Raises GiveUp if that is one too many."""
        self.in_a_row += 1
        if self.in_a_row > LIMITS_IN_A_ROW:
            why = f"the API made it wait {LIMITS_IN_A_ROW} times in a row, at last: {text}"
            raise GiveUp(why, "infrastructure")

    def clear(self) -> None:
        """Note that the agent works, or has other credentials."""
        self.in_a_row = 0

    def ends_at(self, announced: float) -> float:
        """Return when the limit that was noted last ends: as it was announced, or else as is
        likely; in UNIX time."""
        now = time.time()
        if announced > now:
            return min(announced, now + LONGEST_LIMIT_S)
        likely_s = self._first_s * float(2 ** (self.in_a_row - 1))
        return now + min(likely_s, self._longest_s)
