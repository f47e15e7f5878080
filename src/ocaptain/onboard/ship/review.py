"""The review of an attempt's work by another agent, before it may land.

What that agent leaves behind never decides what lands: all of it is removed when it is done."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from ..protocol import Decision, Review, Task, TaskGrant
from . import prompt
from .agents import Event, named
from .heartbeat import WORDS_LIMIT, WORKING, GiveUp, Heartbeat
from .landing import Feedback
from .reviewer import Aside, ReaderSession
from .session import Timing
from .ship import Ship
from .work import Work

ASKED = 2
"""How often a reviewer is asked in one review, if it comes to no verdict."""
DIFF_BYTES = 60_000
"""How much of a diff goes into the message; of a longer one there is only the command."""
DIFF = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "-M")


class Verdict(NamedTuple):
    """What a reviewer came to."""

    decision: Decision
    words: str


class Reviews:
    """The reviews of the work on one claim."""

    def __init__(
        self,
        ship: Ship,
        grant: TaskGrant,
        work: Work,
        heartbeat: Heartbeat,
        timing: Timing | None = None,
    ) -> None:
        self.ship = ship
        self.grant = grant
        self.work = work
        self.heartbeat = heartbeat
        self._timing = timing
        self._reviewer = ship.voyage["review"]
        self._lost_rounds = 0
        """How many reviews there were without an approval."""

    def are_due(self, commit: str) -> bool:
        """Whether a commit is to be read before it may land."""
        return self._reviewer is not None and self.work.adds_to_branch(commit)

    def hold(self, commit: str, author_said: str) -> None:
        """Have a commit read, which is pushed and checked out, until it is approved.

        Raises Feedback if the author has to mend it, and GiveUp after the last round, or if the
        reviewer cannot go on. `author_said` are the last words of the author's turn."""
        if self._reviewer is None:
            return
        agent = self._reviewer["agent"]
        while True:
            verdict = self._review(commit, author_said)
            if verdict.decision == "approve":
                return
            self._lost_rounds += 1
            if self._lost_rounds >= self._reviewer["rounds"]:
                why = prompt.not_approved(agent, self._lost_rounds, verdict.words)
                raise GiveUp(why, "agent")
            if verdict.decision == "reject":
                message = prompt.rejected(agent, verdict.words)
                why = f"{agent} has not approved it: {verdict.words}"
                raise Feedback(message, why, counts=False)

    # One review

    def _review(self, commit: str, author_said: str) -> Verdict:
        """Have a commit read once, and keep what comes of that."""
        agent = self._name()
        self.say(f"{agent} reviews {commit[:12]}")
        aside = Aside(self.heartbeat, f"{agent} reviews it")
        began = time.time()
        verdict = Verdict("none", "")
        try:
            with self._untouched(commit):
                verdict = self._ask(aside, commit, author_said)
        except GiveUp as failure:
            verdict = Verdict("none", failure.why)
            raise
        finally:
            self._keep(verdict, commit, aside, time.time() - began)
        self.heartbeat.report({**WORKING, "state": "landing"})
        return verdict

    @contextmanager
    def _untouched(self, commit: str) -> Iterator[None]:
        """Have the clone as it was, whatever a reviewer does to it meanwhile."""
        try:
            yield
        except (GiveUp, OSError):
            with suppress(OSError):
                self._put_back(commit)
            raise
        self._put_back(commit)

    def _put_back(self, commit: str) -> None:
        self.work.clone.mend()
        self.work.go_back(self.grant["ref"], commit)

    def _ask(self, aside: Aside, commit: str, author_said: str) -> Verdict:
        """Ask a reviewer for its verdict, and once more if there is none: another, if it died."""
        nonce = os.urandom(4).hex()
        first = self._first_message(commit, author_said, nonce)
        session: ReaderSession | None = None
        why = ""
        try:
            for _ in range(ASKED):
                message = prompt.no_verdict(nonce) if session else first
                session = session or self._open(aside)
                end = session.turn(message)
                found = self._verdict(end, session.last_words, nonce)
                if found.decision != "none":
                    return found
                why = found.words
                self.say(why)
                if end.outcome != "done":
                    session.close()
                    session = None
        finally:
            if session:
                session.close()
        return Verdict("none", why)

    def _open(self, aside: Aside) -> ReaderSession:
        """Start the reviewer, on what is left of the claim's budget."""
        agent = named(self._name(), self.ship.voyage["agent_command"])
        return ReaderSession(self.ship, self._grant(), agent, aside, lambda: None, self._timing)

    def _grant(self) -> TaskGrant:
        """Return the claim as the reviewer's: its agent, its model, and what it may spend."""
        task: Task = {**self.grant["task"], "metadata": {"agent": self._name()}}
        model = self._model()
        if model:
            task["metadata"]["model"] = model
        budget_usd = self.heartbeat.spending.left_of(self.grant["budget_usd"])
        tokens = self.grant["budget_tokens"]
        if tokens is not None:
            tokens = max(tokens - self.heartbeat.spending.tokens(), 0)
        return {**self.grant, "task": task, "budget_usd": budget_usd, "budget_tokens": tokens}

    def _first_message(self, commit: str, author_said: str, nonce: str) -> str:
        """Make what a reviewer is told, with the diff unless that is long."""
        base = self.work.survey.base(commit)
        with NamedTemporaryFile() as file:  # it may be too long for memory
            self.work.git.run(*DIFF, f"--output={file.name}", base, commit, "--")
            diff = file.read(DIFF_BYTES + 1)
        text = diff.decode(errors="replace") if len(diff) <= DIFF_BYTES else ""
        read = prompt.Reading(base, commit, text, author_said[:WORDS_LIMIT], nonce)
        return prompt.review(self.ship.voyage, self.grant, read, self.heartbeat.reviews)

    def _verdict(self, end: Event, last_words: str, nonce: str) -> Verdict:
        """Return what a turn of the reviewer's came to. Raises GiveUp if another would not help."""
        agent = self._name()
        if end.outcome == "done":
            return verdict_in(last_words, nonce) or Verdict(
                "none", f"{agent} gave no verdict, but said: {last_words}"[:WORDS_LIMIT]
            )
        why = f"the review by {agent} came to nothing: {end.outcome}: {end.text}"
        match end.outcome:
            case "refused" | "spent" as fault:  # another try would end in the same way
                raise GiveUp(why, fault, agent)
        return Verdict("none", why)

    def _keep(self, verdict: Verdict, commit: str, aside: Aside, took_s: float) -> None:
        """Keep a review for what ends the claim, and tell the log of it."""
        agent = self._name()
        review: Review = {
            "agent": agent,
            "model": self._model(),
            "verdict": verdict.decision,
            "words": verdict.words[:WORDS_LIMIT],
            "commit": commit,
            "reviewed_at": time.time(),
            "took_s": took_s,
            "cost_usd": aside.spending.total(),
            "usage": aside.spending.by_model(),
        }
        self.heartbeat.reviews.append(review)
        self.say(prompt.SAID[verdict.decision].format(agent=agent, commit=commit[:12]))

    # Who reviews

    def _name(self) -> str:
        return self._reviewer["agent"] if self._reviewer else ""

    def _model(self) -> str | None:
        return self._reviewer["model"] if self._reviewer else None

    def say(self, text: str) -> None:
        """Log lines about the task."""
        self.ship.say(text, self.grant["task"]["id"])


def verdict_in(last_words: str, nonce: str) -> Verdict | None:
    """Return the verdict that stands in the last line of what a reviewer said; None if none does.

    Marks of Markdown around a verdict do not count. If there are two that differ, there is none."""
    lines = last_words.strip().splitlines()
    found = [_decision(line, nonce) for line in lines]
    decisions = {decision for decision in found if decision}
    if not found or not found[-1] or len(decisions) > 1:
        return None
    words = [line for line, decision in zip(lines, found, strict=True) if not decision]
    return Verdict(found[-1], "\n".join(words).strip())


def _decision(line: str, nonce: str) -> Decision | None:
    pattern = rf"[\s>*_`#-]*VERDICT {nonce}: *(approve|reject)[\s*_`.]*"
    match = re.fullmatch(pattern, line, re.IGNORECASE)
    if match is None:
        return None
    return "approve" if match[1].lower() == "approve" else "reject"
