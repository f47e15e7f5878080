"""Keeps a claim alive, and storage informed, while somebody works on it."""

import threading
import time
from collections.abc import Collection, Mapping

from ..protocol import BeatAnswer, Fault, Report, Review
from .channels import Unreachable
from .client import Refused
from .ship import Ship
from .spending import Spending

SETTLE_S = 0.5
"""Seconds between looks for news, so that news that come together are sent together."""

WORDS_LIMIT = 4_000
"""Characters that are sent of what the agent said last."""
WORKING: Report = {"state": "working", "reason": "", "until": 0.0, "credential": ""}
"""What to report when nothing keeps the agent from its work."""


class GiveUp(Exception):
    """The claim has to be given back."""

    def __init__(self, why: str, fault: Fault, agent: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.fault = fault
        self.agent = agent
        """Whose credential was refused, if that is not the agent at work."""


class Heartbeat:
    """Beats in a thread of its own while its `with` block runs.

    Everything started for the claim is killed when the claim is lost, and at the end; `over` is set
    then."""

    def __init__(self, ship: Ship, claim: int, task_id: str, hails: Mapping[str, str]) -> None:
        """`task_id` is empty for a verification; `hails` came with the claim."""
        self.ship = ship
        self.claim = claim
        self.task_id = task_id
        self.hails = dict(hails)
        """What storage has from the captain for the agent, by number."""
        self.spending = Spending()
        """What the claim's sessions have used."""
        self.spared: Collection[int] = ()
        """Processes of the claim that are not its session's to kill."""
        self.reviews: list[Review] = []
        """What others said of the work. That is told once, with what ends the claim."""
        self.over = threading.Event()
        self.period_s = ship.voyage["lease_seconds"] / 6
        self.is_landing = False
        """Whether the ship has to land before others, and so says that it does nothing else."""
        # What storage takes for granted, and so is no news.
        self._report: Report = {
            "state": "working" if task_id else "verifying",
            "reason": "",
            "until": 0.0,
            "credential": "",
            "delivered": [],
        }
        self._reported: Report = self._report.copy()
        self.last_words = ""
        """What the agent said last. It is told once, with what ends the claim."""

    def __enter__(self) -> None:
        threading.Thread(target=self._keep_beating, name="heartbeat", daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        """Beat no more, and kill everything started for the claim."""
        self.over.set()
        self.ship.processes.kill()

    def check_claim(self) -> None:
        """Raise GiveUp if the claim is lost."""
        self.pause(0)

    def pause(self, seconds: float) -> None:
        """Wait. Raises GiveUp as soon as the claim is lost."""
        if self.over.wait(max(0.0, seconds)):
            raise GiveUp("the claim is lost", "lost")

    def report(self, news: Report) -> None:
        """Have storage know something soon."""
        self._report.update(news)
        if self.is_landing:
            self._report["state"] = "landing"

    def take_report(self) -> Report:
        """Return what to send along with a request about the claim: it is no news after that."""
        self._reported = self._report.copy()
        return self._reported

    def last_report(self) -> Report:
        """Return what to send along with what ends the claim."""
        report: Report = {**self.take_report(), "last_words": self.last_words[:WORDS_LIMIT]}
        if self.reviews:
            report["reviews"] = self.reviews
        return report

    def _keep_beating(self) -> None:
        """Beat when it is time, when somebody knocks, and soon after there is news."""
        due = time.monotonic() + self.period_s
        while not self.over.wait(SETTLE_S):
            self.ship.reload_credentials()
            is_due = time.monotonic() > due or self._report != self._reported
            if self.ship.was_knocked() or is_due:
                due = time.monotonic() + self.period_s
                self.beat()

    def beat(self) -> None:
        """Renew the claim, or learn that it is lost."""
        try:
            answer = self.ship.storage.beat(self.claim, self.take_report())
        except Unreachable as silence:
            self.ship.say(f"storage is out of reach: {silence}", self.task_id)
        except Refused as refusal:  # it has no such ship any more
            self._lose(refusal.error)
        else:
            self._take_in(answer)

    def goes_on(self, commit: str) -> bool:
        """Ask storage whether the check on a commit is to go on; it waits while that is so.

        Raises Unreachable."""
        try:
            answer = self.ship.storage.watch(self.claim, self.take_report(), commit)
        except Refused as refusal:
            self._lose(refusal.error)
            return True
        self._take_in(answer)
        return answer["checking"]

    def _take_in(self, answer: BeatAnswer) -> None:
        self.hails = {**self.hails, **answer["hails"]}
        if answer["lost"]:
            self._lose(answer["lost"])

    def _lose(self, why: str) -> None:
        if not self.over.is_set():
            self.ship.say(f"the claim is lost: {why}", self.task_id)
            self.end()
