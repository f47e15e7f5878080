"""Asks storage for a ship: a method for each operation.

A question is asked again until it is answered, with the same id each time, so that asking twice
changes nothing twice.
"""

import json
import os
import random
import sys
import time
from base64 import b64encode
from collections.abc import Callable, Mapping, Sequence
from math import inf
from typing import Any

from ..protocol import (
    PROTOCOL,
    Abilities,
    BeatAnswer,
    EnterAnswer,
    Fault,
    Json,
    LandAnswer,
    LeaveAnswer,
    LeaveReason,
    LogAnswer,
    LogNews,
    Message,
    NoClaim,
    Report,
    TaskGrant,
    TranscriptKept,
    VerificationGrant,
)
from ..redaction import redacted
from .channels import Unreachable, exchange
from .logbook import Logbook

FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 30.0

FILES = ("log", "telemetry")
"""Operations that append to a ship's files on storage."""

Exchange = Callable[[Sequence[str], str], Json]
"""Sends a line to the command that is given, and returns the answer. Raises Unreachable."""


class Refused(Exception):
    """Storage does not grant it."""

    def __init__(self, code: str, error: str) -> None:
        super().__init__(error)
        self.code = code
        """One of protocol.ErrorCode, unless storage is newer."""
        self.error = error
        """A sentence for people."""


def say_on_stderr(text: str) -> None:
    """Print a line for whoever started this program."""
    print(text, file=sys.stderr)


class Client:
    """A ship's way to ask storage.

    `command` runs harbor there. No value in `secrets` is ever sent; the list may grow meanwhile.
    All methods raise Refused, and those with a limit to their patience raise Unreachable."""

    def __init__(
        self,
        command: Sequence[str],
        secrets: Sequence[str],
        exchange: Exchange = exchange,
        say: Callable[[str], None] = say_on_stderr,
        log: Logbook | None = None,
    ) -> None:
        """`say` is told each time that storage does not answer, and why.

        What `log` has that is new goes along with each request."""
        self.command = command
        self.run_id = os.urandom(16).hex()
        """What tells this run of helm from others."""
        self._granted: TaskGrant | VerificationGrant | None = None
        """What came with the last landing."""
        self._secrets = secrets
        self._exchange = exchange
        self._say = say
        self._log = log

    def claim(self, abilities: Callable[[], Abilities]) -> NoClaim | TaskGrant | VerificationGrant:
        """Return what came with the last landing, or else ask for something to do.

        `abilities` finds out which agents this ship can run. If there is nothing, storage waits a
        while for it."""
        if self._granted:
            granted = self._granted
            self._granted = None
            return granted
        answer: NoClaim | TaskGrant | VerificationGrant = self.ask(
            {"op": "claim", "run_id": self.run_id, "wait": True, **abilities()}
        )
        return answer

    def beat(self, claim: int, report: Report) -> BeatAnswer:
        """Renew a claim. Ask once only: the next beat comes soon enough."""
        answer: BeatAnswer = self.ask({"op": "beat", "claim": claim, **report}, patience_s=0)
        return answer

    def watch(self, claim: int, report: Report, commit: str) -> BeatAnswer:
        """Renew a claim whose check runs on `commit`. Storage waits while that is to go on.

        Ask once only."""
        request = {"op": "beat", "claim": claim, "commit": commit, "wait": True, **report}
        answer: BeatAnswer = self.ask(request, patience_s=0)
        return answer

    def enter(
        self,
        claim: int,
        report: Report,
        commit: str | None = None,
        base_commit: str | None = None,
    ) -> EnterAnswer:
        """Get a place in the train; while there is none, storage waits a while for it.

        `commit` is the work as it is on top of `base_commit`, if it is, and pushed."""
        answer: EnterAnswer = self.ask(
            {
                "op": "enter",
                "claim": claim,
                "commit": commit,
                "base_commit": base_commit,
                "wait": True,
                **report,
            }
        )
        return answer

    def leave(self, claim: int, report: Report, why: LeaveReason, on: str) -> LeaveAnswer:
        """Give up the place in the train. While the commit `on` may land, storage waits a while."""
        answer: LeaveAnswer = self.ask(
            {"op": "leave", "claim": claim, "why": why, "on": on, "wait": True, **report}
        )
        return answer

    def land(
        self,
        claim: int,
        report: Report,
        commit: str | None,
        base_commit: str | None = None,
        note: str | None = None,
        *,
        claims_next: bool = False,
    ) -> LandAnswer:
        """Have the branch moved to `commit`, whose checks ran on top of `base_commit`.

        Without a commit the task is completed as it is, and `note` says why. With `claims_next`
        the next claim, if there is one, is what `claim` returns then. While others have to land
        first, storage waits a while for that."""
        answer: LandAnswer = self.ask(
            {
                "op": "land",
                "claim": claim,
                "commit": commit,
                "base_commit": base_commit,
                "note": note,
                "run_id": self.run_id if claims_next else None,
                "wait": True,
                **report,
            }
        )
        self._granted = answer["next"]
        return answer

    def release(self, claim: int, report: Report, why: str, fault: Fault, agent: str = "") -> None:
        """Give a claim back. `agent` is whose credential was refused, if not its own agent's."""
        request = {"op": "release", "claim": claim, "why": why, "fault": fault, **report}
        if agent:
            request["agent"] = agent
        self.ask(request)

    def add_task(self, claim: int, task: Json, request_id: str, patience_s: float) -> Message:
        """Add a task to the fleet's list, for the agent that has the claim."""
        answer: Message = self.ask(
            {"op": "add", "id": request_id, "claim": claim, "task": task}, patience_s
        )
        return answer

    def keep_transcript(
        self, claim: int, offset: int, part: bytes, *, is_last: bool
    ) -> TranscriptKept:
        """Have storage keep a part of what the agent's program has written down for a claim."""
        answer: TranscriptKept = self.ask(
            {
                "op": "transcript",
                "claim": claim,
                "offset": offset,
                "data": b64encode(part).decode(),
                "last": is_last,
            }
        )
        return answer

    def send_log(self, news: LogNews) -> LogAnswer:
        """Append to the ship's log on storage, if it has `offset` bytes there. Ask once only."""
        answer: LogAnswer = self.ask({"op": "log", **news}, patience_s=0)
        return answer

    def send_telemetry(self, news: LogNews) -> LogAnswer:
        """Append to the ship's telemetry on storage in the same way. Ask once only."""
        answer: LogAnswer = self.ask({"op": "telemetry", **news}, patience_s=0)
        return answer

    def ask(self, request: Mapping[str, Any], patience_s: float = inf) -> Any:
        """Ask, again for `patience_s` seconds while no answer comes, and return the answer."""
        whole = {"protocol": PROTOCOL, "id": os.urandom(8).hex(), **request}
        news = self._log.news() if self._log and request["op"] not in FILES else None
        if news:
            whole["log"] = news
        line = redacted(json.dumps(whole), self._secrets)
        ends = time.monotonic() + patience_s
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                return self._granted_in(self._exchange(self.command, line))
            except Unreachable as silence:
                if time.monotonic() + pause_s > ends:
                    raise
                self._say(f"storage cannot be reached: {silence}")
            time.sleep(pause_s * random.uniform(0.5, 1))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _granted_in(self, answer: Json) -> Json:
        """Return an answer that grants what was asked. Raises Refused."""
        if self._log and "log_size" in answer:
            self._log.sent = answer["log_size"]
        if not answer["ok"]:
            raise Refused(str(answer.get("code")), str(answer.get("error")))
        return answer
