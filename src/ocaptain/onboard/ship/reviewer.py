"""A session with a second agent, which reads what the first one has done."""

from ..protocol import Report
from .agents import Event
from .heartbeat import WORKING, Heartbeat
from .session import Session


class Aside(Heartbeat):
    """A claim's heartbeat, as the session of a second agent has it.

    The captain's messages are not for that one. What it uses is booked on the claim."""

    def __init__(self, first: Heartbeat, reason: str) -> None:
        """`reason` is what `status` says of the ship meanwhile."""
        super().__init__(first.ship, first.claim, first.task_id, hails={})
        self.over = first.over
        self.spending = first.spending.aside()
        self.spared = first.ship.processes.pids()
        self._first = first
        self._reviewing: Report = {**WORKING, "state": "reviewing", "reason": reason}
        first.report(self._reviewing)

    def report(self, news: Report) -> None:
        """Have storage know what becomes of the review, and what the claim has used by now."""
        if "usage" in news:
            spending = self._first.spending
            self._first.report({"cost_usd": spending.total(), "usage": spending.by_model()})
        elif news.get("state") == "working":
            self._first.report(self._reviewing)
        elif "delivered" not in news:
            self._first.report(news)


class ReaderSession(Session):
    """A conversation with an agent that reads, and is not to change anything."""

    reads_only = True
    limits_of_a_turn = 1

    def _note(self, event: Event) -> None:
        """Log what it says and does so that it is not taken for the first agent's."""
        super()._note(event._replace(text=f"reviewer: {event.text}"))
