"""An attempt at a task: a fresh branch, the agent's turns, and the landing."""

from ..protocol import Fault, TaskGrant
from . import lfs, prompt
from .agents import AGENTS
from .client import Refused
from .heartbeat import GiveUp, Heartbeat
from .session import Session, Timing
from .ship import SET_UP, Ship
from .stock import Finding, Stock, bars, findings
from .work import Work, apart

FEEDBACKS = 3
"""How often an agent is told what keeps its work from landing."""
BERTH_PAUSE_S = 0.2
"""Seconds between looks whether the ship that has the berth has landed."""


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
        self.base = ""
        """The voyage branch's commit that the work began at."""
        self._timing = timing
        self._asked: set[str] = set()
        """What the agent was asked about, and need not be again."""
        self._was_in_conflict = False

    def run(self) -> None:
        """Have the agent work until its work has landed. Raises GiveUp or OSError if it cannot."""
        self.say(f"claims it: {self.task.get('subject', '')}")
        self.message = prompt.first(self.ship.voyage, self.grant)
        session = self.start()
        feedbacks = 0
        while True:
            self.take_turn(session)
            try:
                self.land(session.last_words)
                session.close()
                return
            except Overtaken:
                session = self.start_again()
                continue
            except Feedback as feedback:
                self.message = feedback.message
                feedbacks += feedback.counts
                why = feedback.why
            if not self.agent.interactive:
                raise GiveUp(why, "agent")
            if feedbacks > FEEDBACKS:
                raise GiveUp(f"still, after {FEEDBACKS} more turns: {why}", "agent")

    def start(self) -> Session:
        """Begin on a fresh branch, with a fresh session."""
        self.begin()
        return Session(self.ship, self.grant, self.agent, self.heartbeat, self.save, self._timing)

    def start_again(self) -> Session:
        """Begin anew where the branch is now, with the right to land next."""
        self.say("runs it again on the branch as it is now")
        self.take_berth()
        self.heartbeat.is_landing = True
        self.ship.work.kill()
        return self.start()

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
        self.work.begin()
        self.base = self.clone.upstream

    def take_turn(self, session: Session) -> None:
        """Have the agent do one turn."""
        end = session.turn(self.message)
        if end.outcome != "done":
            lines = "\n".join(session.last_lines)
            fault: Fault = "error"
            if end.outcome and end.outcome != "limited":  # after which a turn goes on
                fault = end.outcome
            raise GiveUp(f"{end.outcome}: {end.text}\n{lines}".strip(), fault)

    # Landing

    def land(self, last_words: str) -> None:
        """Bring the work to the branch. Raises Feedback if the agent has to mend it first."""
        self.heartbeat.report({"state": "landing"})
        self.clone.mend()
        stock = self.work.survey.take()
        self.judge(stock, last_words)
        message = prompt.commit_message(self.ship.voyage, self.ship.name, self.task)
        self.work.commit(stock, message)
        self.work.keep(apart(stock), self.ref, self.ship.secrets)
        commit = self.work.tip()
        note = "the branch has all that it did"
        if not self.work.adds_to_branch(commit):
            commit = self.clone.upstream
            note = self.reason_for_no_change(last_words, stock)
        elif self.work.is_rebasing() or self.ship.voyage["check"]:
            commit = self.rebase_and_check()
        # Without a check storage is asked at once, and says whether to push or to rebase first.
        while True:
            if commit == self.clone.upstream and self._was_in_conflict:
                note = self.reason_for_no_change(last_words, stock)
            commit = self.with_pointers(commit, message)
            try:
                self.ask_to_land(commit, note)
                return
            except Refused as refusal:
                commit = self.answer_refusal(refusal, commit)

    def with_pointers(self, commit: str, message: str) -> str:
        """Return a commit in which large files are pointers to what others can get.

        Raises Feedback if there is none."""
        if commit == self.clone.upstream:
            return commit
        faults = lfs.faults(self.clone.git, self.clone.upstream)
        if faults.whole and lfs.is_here():  # but the agent's git did not know
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

    def judge(self, stock: Stock, last_words: str) -> None:
        """Raise Feedback if the agent left what cannot land, or has to be asked about."""
        found = [each for each in findings(stock) if not self._is_answered(each, last_words)]
        if not found:
            return
        self.work.survey.tell(stock.unsettled)
        self._asked.update(key for finding in found for key in _keys(finding))
        left = prompt.left(found)
        self.say(left)
        if self.agent.interactive or any(bars(finding) for finding in found):
            raise Feedback(prompt.unfit(self.ship.voyage["voyage"], found), left)

    def _is_answered(self, finding: Finding, last_words: str) -> bool:
        """Whether the agent has been asked about this, and it may land as it is."""
        was_asked = self._asked.issuperset(_keys(finding))
        if finding.kind == "markers":
            return was_asked and prompt.stated(prompt.MEANT, last_words) is not None
        return was_asked and not bars(finding)

    def reason_for_no_change(self, last_words: str, stock: Stock) -> str:
        """Return why nothing had to change. Raises Feedback, once, if the agent did not say so."""
        if not self.agent.interactive:
            if stock.left_out():
                names = ", ".join(map(prompt.shown, stock.left_out()))
                raise GiveUp(f"it changed nothing on its branch, but left work in {names}", "agent")
            return "its command succeeded, and changed nothing"
        reason = prompt.stated(prompt.NO_CHANGE, last_words)
        if reason:
            return reason
        question = prompt.NOTHING_LEFT if self._was_in_conflict else prompt.SILENT
        if question in self._asked:
            raise GiveUp("it changed nothing, and did not say why", "agent")
        self._asked.add(question)
        raise Feedback(question, "it changed nothing, and did not say why")

    def rebase_and_check(self) -> str:
        """Put the work on top of the branch, push it, and run the plan's check on it.

        Returns the commit that is to land, whatever the check makes of the clone."""
        stopped = self.work.survey.rebased if self.work.is_rebasing() else ""
        conflicts = self.work.rebase()
        if conflicts:
            self._was_in_conflict = True
            self.say(f"is in conflict over {' '.join(map(prompt.shown, conflicts))}")
            if not self.agent.interactive:
                raise Overtaken
            self.push(self.work.tip())
            self.work.survey.tell(conflicts)
            goes_on = bool(stopped) and stopped == self.work.survey.rebased
            found = [Finding("conflict", tuple(conflicts))]
            message = prompt.unfit(self.ship.voyage["voyage"], found)
            raise Feedback(message, prompt.left(found), counts=not goes_on)
        commit = self.work.tip()
        self.push(commit)
        if self.ship.voyage["check"] and commit != self.clone.upstream:
            self.check(self.ship.voyage["check"], commit)
        return commit

    def check(self, check: str, commit: str) -> None:
        """Run the plan's check on a commit. Raises Feedback if that fails."""
        self.heartbeat.check_claim()
        done = self.ship.run(check)
        self.heartbeat.check_claim()
        self.say(f"check exited {done.status}")
        self.clone.mend()
        self.clone.restore(self.ref, commit)  # or what it did is taken for the agent's
        self.work.begin()
        if done.status:
            output = done.stdout[-8000:].strip()
            message = prompt.red_check(check, done.status, output)
            raise Feedback(message, f"the check exited {done.status}: {output[-2000:]}")

    def push(self, commit: str) -> None:
        """Bring a commit to the claim's work ref, unless it holds a secret."""
        if not self.work.push(commit, self.ref, self.ship.secrets):
            self.work.uncommit()
            raise Feedback(prompt.LEAKED, "its changes hold a secret")

    def take_berth(self) -> None:
        """Have the right to land next: storage gives it to who asks in vain."""
        while True:
            report = self.heartbeat.take_report()
            try:
                tip = self.work.tip()
                self.ship.storage.land(self.claim, report, commit=tip, base_commit=self.base)
            except Refused as refusal:
                if refusal.code == "stale":
                    return
                if refusal.code != "berth":
                    raise GiveUp(refusal.error, "infrastructure") from None
            self.heartbeat.pause(BERTH_PAUSE_S)

    def ask_to_land(self, head: str, note: str) -> None:
        """Ask storage to land a commit; if nothing is new in it, to complete the task with a note.

        Raises Refused."""
        report = self.heartbeat.take_report()
        base = self.clone.upstream
        if head == base:
            self.ship.storage.land(self.claim, report, commit=None, base_commit=base, note=note)
            self.say(f"completed without a change: {note}")
        else:
            self.ship.storage.land(self.claim, report, commit=head, base_commit=base)
            self.say(f"landed {head[:12]}")

    def answer_refusal(self, refusal: Refused, commit: str) -> str:
        """Do what the landing was refused for. Returns the commit to land then.

        Raises GiveUp if that is nothing to be done here."""
        match refusal.code:
            case "stale":
                return self.rebase_and_check()
            case "ref":
                self.push(commit)
                return commit
            case "berth":  # while another ship lands, what is finished is safe on storage
                self.push(commit)
                self.heartbeat.pause(BERTH_PAUSE_S)
                return commit
            case _:
                raise GiveUp(refusal.error, "infrastructure")

    def save(self, *, ended: bool = False) -> None:
        """Bring to storage what the agent did so far; if it has ended, all that it left."""
        try:
            left_out = self.work.save(self.ref, self.ship.secrets, ended=ended)
        except OSError as failure:
            self.say(f"what is done so far could not be saved: {failure}")
        else:
            if left_out:
                self.say(f"git cannot save {' '.join(map(prompt.shown, left_out))}")

    def say(self, text: str) -> None:
        """Log lines about the task."""
        self.ship.say(text, self.task["id"])


def _keys(finding: Finding) -> list[str]:
    """Return what tells the things apart that a finding is about."""
    return [f"{finding.kind} {name}" for name in finding.names]
