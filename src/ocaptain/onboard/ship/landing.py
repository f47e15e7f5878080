"""The way of finished work to the branch."""

from collections.abc import Callable, Sequence

from ..protocol import ErrorCode, TaskGrant
from . import lfs, prompt
from .client import Refused
from .heartbeat import GiveUp, Heartbeat
from .ship import Ship
from .stock import Finding
from .work import Work

PAUSE_S = 0.2
"""Seconds between questions whether others have landed, on which storage waits as well."""


class Feedback(Exception):
    """The work cannot land as it is."""

    def __init__(self, message: str, why: str = "", *, counts: bool = True) -> None:
        super().__init__(message)
        self.message = message
        """What to tell the agent."""
        self.why = why or message
        """The same for people, who read it if the agent does not mend it."""
        self.counts = counts
        """Whether it is told so a few times at most."""


class Overtaken(Exception):
    """A command changed what others changed meanwhile, and cannot be told."""


def give_up_unless(refusal: Refused, *codes: ErrorCode) -> None:
    """Raise GiveUp if storage refuses for another reason than these, which can be waited for."""
    if refusal.code not in codes:
        raise GiveUp(refusal.error, "infrastructure") from None


class Landing:
    """Brings the work on a claim to the branch. Without a check in the plan it lands at once.

    Methods raise Feedback if the agent has to mend the work first, Overtaken if a command has to
    run again, and GiveUp or OSError if the claim is to be given back."""

    def __init__(
        self,
        ship: Ship,
        grant: TaskGrant,
        work: Work,
        heartbeat: Heartbeat,
        *,
        interactive: bool,
    ) -> None:
        """`interactive`: whether the agent can be told something."""
        self.ship = ship
        self.claim = grant["claim"]
        self.ref = grant["ref"]
        self.task = grant["task"]
        self.work = work
        self.clone = work.clone
        self.heartbeat = heartbeat
        self.was_in_conflict = False
        """Whether the work ever was in conflict with what landed meanwhile."""
        self.began_at = ""
        """The branch's commit that the work began at."""
        self._interactive = interactive
        # A session takes its time to end, and nobody keeps the next claim alive meanwhile.
        self._claims_next = not interactive

    def land(self, commit: str, explain: Callable[[], str]) -> None:
        """Land a commit. If a conflict leaves nothing of it, `explain` says why that is right."""
        looked_at = ""
        # Storage is asked at once, and says whether to push or to rebase first.
        while True:
            if commit == self.clone.upstream:
                self.complete(self.note(explain))
                return
            if commit != looked_at:
                commit = self.with_pointers(commit)
                looked_at = commit
            try:
                self.ask_to_land(commit)
                return
            except Refused as refusal:
                commit = self.answer_refusal(refusal, commit)

    def complete(self, note: str) -> None:
        """Have the task completed as it is."""
        report = self.heartbeat.last_report()
        base = self.clone.upstream
        try:
            self.ship.storage.land(
                self.claim, report, None, base, note=note, claims_next=self._claims_next
            )
        except Refused as refusal:
            raise GiveUp(refusal.error, "infrastructure") from None
        self.say(f"completed without a change: {note}")

    def note(self, explain: Callable[[], str]) -> str:
        """Return why nothing is left to land."""
        if self.was_in_conflict:
            return explain()
        return "the branch has all that it did"

    def take_berth(self) -> None:
        """Have the right to land next: storage gives it to who asks in vain."""
        while True:
            report = self.heartbeat.take_report()
            try:
                tip = self.work.tip()
                self.ship.storage.land(self.claim, report, commit=tip, base_commit=self.began_at)
            except Refused as refusal:
                give_up_unless(refusal, "berth", "stale")
                if refusal.code == "stale":
                    return
            self.heartbeat.pause(PAUSE_S)

    def ask_to_land(self, commit: str) -> None:
        """Ask storage to land a commit. Raises Refused."""
        report = self.heartbeat.last_report()
        base = self.clone.upstream
        self.ship.storage.land(self.claim, report, commit, base, claims_next=self._claims_next)
        self.say(f"landed {commit[:12]}")

    def answer_refusal(self, refusal: Refused, commit: str) -> str:
        """Do what the landing was refused for. Returns the commit to land then.

        Raises GiveUp if that is nothing to be done here."""
        match refusal.code:
            case "stale":
                return self.rebase()
            case "ref":
                self.push(commit)
            case "berth":  # while another ship lands, what is finished is safe on storage
                self.push(commit)
                self.heartbeat.pause(PAUSE_S)
            case _:
                raise GiveUp(refusal.error, "infrastructure")
        return commit

    # What both ways share

    def settled(self, commit: str) -> str:
        """Go on with a rebase that had stopped. Returns the commit with all the work then."""
        return self.rebase() if self.work.is_rebasing() else commit

    def ready(self, commit: str) -> str:
        """Return a commit as others can get it, pushed to the claim's work ref."""
        commit = self.with_pointers(commit)
        self.push(commit)
        return commit

    def rebase(self) -> str:
        """Put the work on top of the branch, and push it. Returns the commit that comes of it."""
        stopped = self.work.survey.rebased if self.work.is_rebasing() else ""
        conflicts = self.work.rebase()
        if conflicts:
            self.settle(conflicts, stopped)
        commit = self.work.tip()
        self.push(commit)
        return commit

    def settle(self, conflicts: Sequence[str], stopped: str = "") -> None:
        """Have a stopped rebase onto the branch settled: always raises Feedback or Overtaken.

        `stopped` is the commit whose rebase had stopped before, if one had."""
        self.was_in_conflict = True
        self.say(f"is in conflict over {' '.join(map(prompt.shown, conflicts))}")
        if not self._interactive:
            raise Overtaken
        self.push(self.work.tip())
        self.work.survey.tell(conflicts)
        goes_on = bool(stopped) and stopped == self.work.survey.rebased
        found = [Finding("conflict", tuple(conflicts))]
        message = prompt.unfit(self.ship.voyage["voyage"], found)
        raise Feedback(message, prompt.left(found), counts=not goes_on)

    def with_pointers(self, commit: str) -> str:
        """Return a commit in which large files are pointers to what others can get."""
        faults = lfs.faults(self.clone.git, self.clone.upstream)
        if faults.whole and lfs.is_here():  # but the agent's git did not know
            message = prompt.commit_message(self.ship.voyage, self.ship.name, self.task)
            self.work.uncommit()
            self.work.commit(self.work.survey.take(), message)
            commit = self.work.tip()
            faults = lfs.faults(self.clone.git, self.clone.upstream)
        if faults.whole or faults.stranded:
            paths = " ".join(map(prompt.shown, [*faults.whole, *faults.stranded]))
            self.say(f"cannot land large files: {paths}")
            why = f"nobody else could get its large files: {paths}"
            raise Feedback(prompt.large_files(faults), why)
        return commit

    def push(self, commit: str) -> None:
        """Bring a commit to the claim's work ref, unless it holds a secret."""
        if not self.work.push(commit, self.ref, self.ship.secrets):
            self.work.uncommit()
            raise Feedback(prompt.LEAKED, "its changes hold a secret")

    def say(self, text: str) -> None:
        """Log lines about the task."""
        self.ship.say(text, self.task["id"])
