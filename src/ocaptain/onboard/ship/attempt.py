"""An attempt at a task: a fresh branch, the agent's turns, and the landing."""

from ..protocol import Fault, TaskGrant
from . import prompt
from .agents import AGENTS
from .client import Refused
from .heartbeat import GiveUp, Heartbeat
from .session import Session, Timing
from .ship import SET_UP, Ship
from .work import Work

FEEDBACKS = 3
"""How often an agent is told what keeps its work from landing."""


class Feedback(Exception):
    """The work cannot land as it is."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
        """What to tell the agent."""


class Attempt:
    """A ship's work on one claim of a task."""

    def __init__(self, ship: Ship, grant: TaskGrant, timing: Timing | None = None) -> None:
        self.ship = ship
        self.grant = grant
        self.task = grant["task"]
        self.claim = grant["claim"]
        self.ref = grant["ref"]
        self.agent = AGENTS[ship.voyage["agent"]]
        self.heartbeat = Heartbeat(ship, grant["claim"], grant["task"]["id"], grant["hails"])
        self.clone = ship.open_clone(self.heartbeat.over)
        self.work = Work(self.clone)
        self.message = ""
        """What the agent was told last."""
        self._timing = timing

    def run(self) -> None:
        """Have the agent work until its work has landed. Raises GiveUp or OSError if it cannot."""
        self.say(f"claims it: {self.task.get('subject', '')}")
        self.begin()
        session = Session(
            self.ship, self.grant, self.agent, self.heartbeat, self.save, self._timing
        )
        self.message = prompt.first(self.ship.voyage, self.grant)
        for _ in range(1 + FEEDBACKS):
            self.take_turn(session)
            try:
                self.land(session.last_words)
                session.close()
                return
            except Feedback as feedback:
                self.message = feedback.message
            if not self.agent.interactive:
                raise GiveUp(f"its command cannot be told: {self.message}", "agent")
        raise GiveUp(f"still, after {FEEDBACKS} more turns: {self.message}", "agent")

    def begin(self) -> None:
        """Check out a fresh branch, in a fresh clone unless there is a sound one."""
        try:
            self.clone.begin(self.ref)
        except OSError:
            self.clone.make()
            done = self.ship.run(SET_UP)
            if done.status:
                raise GiveUp(done.stdout[-2000:], "infrastructure") from None
            self.clone.keep()
            self.clone.begin(self.ref)

    def take_turn(self, session: Session) -> None:
        """Have the agent do one turn."""
        end = session.turn(self.message)
        if end.outcome != "done":
            lines = "\n".join(session.last_lines)
            fault: Fault = "error"
            if end.outcome and end.outcome != "limited":  # after which a turn goes on
                fault = end.outcome
            raise GiveUp(f"{end.outcome}: {end.text}\n{lines}".strip(), fault)

    def land(self, last_words: str) -> None:
        """Bring the work to the branch. Raises Feedback if the agent has to mend it first."""
        self.heartbeat.report({"state": "landing"})
        self.work.commit_rest(prompt.commit_message(self.ship.voyage, self.ship.name, self.task))
        note = "the branch has all that it did"
        if self.work.tip() == self.clone.upstream:
            note = self.reason_for_no_change(last_words)
        elif self.work.is_rebasing() or self.ship.voyage["check"]:
            self.rebase_and_check()
        # Without a check storage is asked at once, and says whether to push or to rebase first.
        while True:
            try:
                self.ask_to_land(note)
                return
            except Refused as refusal:
                self.answer_refusal(refusal)

    def reason_for_no_change(self, last_words: str) -> str:
        """Return why nothing had to change. Raises Feedback, once, if the agent did not say so."""
        if not self.agent.interactive:
            return "its command succeeded, and changed nothing"
        _, stated, reason = last_words.rpartition(prompt.NO_CHANGE)
        if stated:
            return reason.strip()
        if self.message == prompt.SILENT:
            raise GiveUp("it changed nothing, and did not say why", "agent")
        raise Feedback(prompt.SILENT)

    def rebase_and_check(self) -> None:
        """Put the work on top of the branch, push it, and run the plan's check on it."""
        conflicts = self.work.rebase()
        self.push()
        if conflicts:
            self.say(f"is in conflict over {' '.join(conflicts)}")
            raise Feedback(prompt.conflict(self.ship.voyage["voyage"], conflicts))
        check = self.ship.voyage["check"]
        if check is None:
            return
        self.heartbeat.check_claim()
        done = self.ship.run(check)
        self.clone.tidy()  # or what it left is saved as the agent's
        self.heartbeat.check_claim()
        self.say(f"check exited {done.status}")
        if done.status:
            raise Feedback(prompt.red_check(check, done.status, done.stdout[-8000:].strip()))

    def push(self) -> None:
        """Bring the commits to the claim's work ref, unless they hold a secret."""
        if not self.work.push(self.ref, self.ship.secrets):
            self.work.uncommit()
            raise Feedback(prompt.LEAKED)

    def ask_to_land(self, note: str) -> None:
        """Ask storage to land the commits; if there are none, to complete the task with a note.

        Raises Refused."""
        report = self.heartbeat.take_report()
        base = self.clone.upstream
        head = self.work.tip()
        if head == base:
            self.ship.storage.land(self.claim, report, commit=None, base_commit=base, note=note)
            self.say(f"completed without a change: {note}")
        else:
            self.ship.storage.land(self.claim, report, commit=head, base_commit=base)
            self.say(f"landed {head[:12]}")

    def answer_refusal(self, refusal: Refused) -> None:
        """Do what the landing was refused for. Raises GiveUp if that is nothing to be done here."""
        match refusal.code:
            case "stale":
                self.rebase_and_check()
            case "ref" | "berth":  # while another ship lands, what is finished is safe on storage
                self.push()
            case _:
                raise GiveUp(refusal.error, "infrastructure")

    def save(self) -> None:
        """Bring to storage what the agent did so far."""
        try:
            self.work.save(self.ref, self.ship.secrets)
        except OSError as failure:
            self.say(f"what is done so far could not be saved: {failure}")

    def say(self, text: str) -> None:
        """Log lines about the task."""
        self.ship.say(text, self.task["id"])
