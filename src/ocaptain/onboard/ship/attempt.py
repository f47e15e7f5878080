"""An attempt at a task: a fresh branch, the agent's turns, and the landing."""

from .. import tasklist
from ..protocol import Fault, TaskGrant
from ..telemetry import is_captains
from . import prompt
from .agents import named
from .heartbeat import GiveUp, Heartbeat
from .landing import Feedback, Landing, Overtaken
from .review import Reviews
from .session import Session, Timing
from .ship import SET_UP, Ship
from .stock import Finding, Stock, bars, findings
from .train import TrainLanding
from .work import Work, apart

FEEDBACKS = 3
"""How often an agent is told what keeps its work from landing."""


class Attempt:
    """A ship's work on one claim of a task."""

    def __init__(self, ship: Ship, grant: TaskGrant, timing: Timing | None = None) -> None:
        self.ship = ship
        self.grant = grant
        self.task = grant["task"]
        self.claim = grant["claim"]
        self.ref = grant["ref"]
        name = tasklist.agent(grant["task"], ship.voyage["agent"])
        self.agent = named(name, ship.voyage["agent_command"])
        self.heartbeat = Heartbeat(ship, grant["claim"], grant["task"]["id"], grant["hails"])
        self.clone = ship.open_clone(self.heartbeat.over)
        self.work = Work(self.clone)
        self.message = ""
        """What the agent was told last."""
        self.endpoint = ""
        """The URL that it may send telemetry to."""
        self._timing = timing
        self._asked: set[str] = set()
        """What the agent was asked about, and need not be again."""
        self._set_up: set[int] = set()
        """What setup.sh has started for this claim."""
        kind = TrainLanding if ship.voyage["check"] else Landing
        self.landing = kind(
            ship, grant, self.work, self.heartbeat, interactive=self.agent.interactive
        )
        self.reviews = Reviews(ship, grant, self.work, self.heartbeat, timing)

    def run(self) -> None:
        """Have the agent work until its work has landed. Raises GiveUp or OSError if it cannot.

        Its telemetry is received meanwhile, if it sends any and not to the captain's collector."""
        if not self.agent.has_telemetry or is_captains(self.ship.agent_env):
            self.work_until_landed()
            return
        from .telemetry import Receiver  # which the agents of most demos and tests need not

        with Receiver(self.ship.telemetry.path, self.ship.secrets) as receiver:
            self.endpoint = receiver.endpoint
            self.work_until_landed()

    def work_until_landed(self) -> None:
        """Have the agent work, turn after turn, until its work has landed."""
        self.say(f"claims it: {self.task.get('subject', '')}")
        self.message = prompt.first(self.ship.voyage, self.grant)
        session = self.start(self.grant["head"])
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

    def start(self, head: str = "") -> Session:
        """Begin on a fresh branch, with a fresh session; at `head`, if that is here already."""
        self.begin(head)
        return Session(
            self.ship,
            self.grant,
            self.agent,
            self.heartbeat,
            self.save,
            self._timing,
            self.endpoint,
        )

    def start_again(self) -> Session:
        """Begin anew where the branch is now, with the right to land next."""
        self.say("runs it again on the branch as it is now")
        self.landing.take_berth()
        self.heartbeat.is_landing = True
        self.ship.processes.kill()
        return self.start()

    def begin(self, head: str = "") -> None:
        """Check out a fresh branch, in a fresh clone unless there is a sound one."""
        try:
            self.clone.begin(self.ref, head)
        except OSError:
            self.clone.make()
            done = self.ship.run(SET_UP)
            if done.status:
                raise GiveUp(done.stdout[-2000:], "infrastructure") from None
            self._set_up = self.ship.processes.pids()
            self.clone.keep()
            self.clone.begin(self.ref)
        self.work.begin()
        self.landing.began_at = self.clone.upstream

    def take_turn(self, session: Session) -> None:
        """Have the agent do one turn. Nothing of it goes on writing while the work lands."""
        end = session.turn(self.message)
        if end.outcome != "done":
            lines = "\n".join(session.last_lines)
            fault: Fault = "error"
            if end.outcome and end.outcome != "limited":  # after which a turn goes on
                fault = end.outcome
            raise GiveUp(f"{end.outcome}: {end.text}\n{lines}".strip(), fault)
        session.stop_strays(spare=self._set_up)

    # Landing

    def land(self, last_words: str) -> None:
        """Bring the work to the branch. Raises Feedback if the agent has to mend it first."""
        self.heartbeat.report({"state": "landing"})
        stock = self.work.take_stock()
        self.judge(stock, last_words)
        message = prompt.commit_message(self.ship.voyage, self.ship.name, self.task)
        self.work.commit(stock, message)
        self.work.keep(apart(stock), self.ref, self.ship.secrets)
        commit = self.work.tip()
        if self.work.adds_to_branch(commit):
            commit = self.landing.settled(commit)
            if self.reviews.are_due(commit):
                commit = self.landing.ready(commit)
                self.reviews.hold(commit, last_words)
            self.landing.land(commit, lambda: self.reason_for_no_change(last_words, stock))
        else:
            self.landing.complete(self.reason_for_no_change(last_words, stock))

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
        question = prompt.NOTHING_LEFT if self.landing.was_in_conflict else prompt.SILENT
        if question in self._asked:
            raise GiveUp("it changed nothing, and did not say why", "agent")
        self._asked.add(question)
        raise Feedback(question, "it changed nothing, and did not say why")

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
