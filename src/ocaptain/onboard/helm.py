"""A ship's loop: claim, have the agent work, land; and verify when all is done."""

import fcntl
import gc
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from . import process, prompt
from .agents import AGENTS, Job
from .client import Answer, Unreachable
from .landing import GitFailed
from .session import Lost, Session, Watch
from .ship import Ship

FEEDBACKS = 3
LOG_S = 2.0
AGAIN_S = 5.0
MOUNT = "ro,reconnect,ServerAliveInterval=15,dir_cache=no,attr_timeout=0,entry_timeout=0"
INSTALL = "command -v sshfs || { apt-get -qq update; apt-get -qq -y install sshfs; }"


class GiveUp(Exception):
    """The claim goes back: why, and whose fault it is (agent, infrastructure, refused)."""


class Feedback(Exception):
    """The work cannot land as it is: what to tell the agent."""


def main(home: Path, _argv: list[str]) -> None:
    """Run the ship's loop; only one at a time does."""
    gc.enable()  # which what ends at once does without
    with (home / "voyage" / "helm.lock").open("w") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sail(Ship(home))


def sail(ship: Ship) -> NoReturn:
    """Race for tasks, for ever."""
    ship.log.say(f"{ship.name} is under way")
    process.kill_marked(ship.marker)  # what an earlier helm left running
    for beside in (mount, send_log):
        threading.Thread(target=beside, args=(ship,), daemon=True).start()
    while True:
        claim = ship.harbor.ask("claim", run=ship.run_id, wait=True)
        if claim.get("claim"):
            hold(ship, claim)
        elif not claim["ok"]:
            ship.log.say(f"storage refuses: {claim['error']}")
            time.sleep(AGAIN_S)


def send_log(ship: Ship) -> None:
    """Bring the log to storage as it grows."""
    while True:
        time.sleep(LOG_S)
        with suppress(Unreachable):
            ship.log.send(ship.harbor.ask)


def mount(ship: Ship) -> None:
    """Keep storage's read-only view mounted, for the agent; nothing here depends on it."""
    place, config = str(ship.folder / "storage"), str(ship.folder / "ssh_config")
    what = "storage:/home/harbor" if ship.accounts else "storage:"
    if ship.accounts:
        process.run(["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", INSTALL])
    while shutil.which("sshfs"):
        process.run(["fusermount3", "-u", "-z", place])
        done = process.run(["sshfs", "-f", "-F", config, "-o", MOUNT, what, place])
        ship.log.say(f"sshfs ended: {done.err}")
        time.sleep(60)
    ship.log.say("sshfs is missing: the agent sees no task list, artifacts and logs")


def hold(ship: Ship, claim: Answer) -> None:
    """Do what a claim is for, and give it back where that fails."""
    with Watch(ship, claim) as watch:
        try:
            Attempt(watch).run() if claim["task"] else verify(watch)
        except Lost:
            watch.say("drops what it was doing")
        except GiveUp as reason:
            release(watch, *reason.args)
        except (GitFailed, OSError) as error:
            release(watch, f"{ship.name}: {error}", "infrastructure")
            time.sleep(AGAIN_S)


def release(watch: Watch, why: str, fault: str = "agent") -> None:
    """Give a claim back."""
    watch.say(f"gives up: {why}")
    watch.ask("release", why=why, fault=fault)


def verify(watch: Watch) -> None:
    """Run setup.sh and verify.sh on a fresh clone of the branch."""
    ship, head = watch.ship, watch.claim["head"]
    watch.say(f"verifies {head[:12]}")
    done = ship.set_up()
    if not done.status:
        ship.clone.git("checkout", "--quiet", "--detach", head)
        done = ship.run("exec bash ~/voyage/verify.sh")
    watch.pause()
    watch.say(f"verify.sh exited {done.status}\n{done.out[-4000:]}")
    if done.status:
        raise GiveUp(f"verify.sh exited {done.status}:\n{done.out[-8000:]}")
    watch.ask("land", commit=head)


class Attempt:
    """One claim of one task, from a fresh branch to its landing."""

    def __init__(self, watch: Watch) -> None:
        self.watch, self.ship, self.claim = watch, watch.ship, watch.claim
        self.clone, self.voyage, self.ref = self.ship.clone, self.ship.voyage, self.claim["ref"]
        self.agent = AGENTS[self.voyage["agent"]]
        self.session: Session | None = None
        self.feedback = ""

    def run(self) -> None:
        """Work and land; raises GiveUp, Lost or GitFailed where that cannot be."""
        self.watch.say(f"claims it: {self.claim['task'].get('subject', '')}")
        finished = next((wreck for wreck in self.claim["wrecks"] if wreck["finished"]), None)
        if finished:
            self.watch.say(f"lands what {finished['ship']} had finished")
        self.begin(finished["ref"] if finished else "")
        try:
            self.work(done=bool(finished))
        finally:
            if self.session:
                self.session.close()

    def begin(self, wreck: str) -> None:
        """A fresh branch; in a fresh clone where none is set up, or it is broken."""
        try:
            self.ship.ready.stat()
            self.clone.begin(self.ref, wreck)
        except (GitFailed, OSError):
            done = self.ship.set_up()
            if done.status:
                raise GiveUp(done.out[-2000:], "infrastructure") from None
            self.clone.begin(self.ref, wreck)

    def work(self, *, done: bool) -> None:
        """Have the agent work, unless that is `done`, until it lands or the agent is at a loss."""
        for _ in range(1 + FEEDBACKS):
            try:
                if self.feedback or not done:
                    self.turn()
                return self.land()
            except Feedback as feedback:
                self.feedback = str(feedback)
        raise GiveUp(f"still, after {FEEDBACKS} more turns: {self.feedback}")

    def turn(self) -> None:
        """One turn of the agent, however long the API makes it wait."""
        text = self.feedback
        if self.session and not self.agent.steady:
            raise GiveUp(f"its command cannot be told: {text}")
        if not self.session:
            text = f"{prompt.first(self.voyage, self.claim)}\n\n{text}"
            self.session = Session(self.agent, self.job(), self.watch)
        end = self.session.turn(text)
        while end.outcome == "limited":
            self.watch.pause(end.until - time.time())
            end = self.session.turn(prompt.GO_ON)
        if end.outcome != "done":
            raise GiveUp(f"{end.outcome}: {end.text}", end.outcome)

    def job(self) -> Job:
        """What the agent is started with."""
        ask = (str(self.claim["claim"]), *self.ship.harbor.command)
        hook = process.program(self.ship.folder.parent, "taskhook.main", *ask)
        return Job(self.voyage, self.ship.name, self.claim, tuple(hook), self.ship.captain)

    def land(self) -> None:
        """Bring the work to the branch; raises Feedback where the agent has to see to it first."""
        self.watch.report("landing")
        message = prompt.commit_message(self.voyage, self.ship.name, self.claim["task"])
        self.clone.commit_rest(message)
        note = "the branch has all that it did"
        if self.clone.rebasing():
            self.rebase_and_check()
        elif not self.clone.commits():
            note = self.reason()
        elif self.voyage["check"]:
            self.push()
            self.rebase_and_check()
        while refused := self.refusal(note):
            if refused == "stale":
                self.rebase_and_check()
            elif refused == "ref":
                self.push()
            elif refused != "berth":
                raise Lost

    def rebase_and_check(self) -> None:
        """Put the work on top of the branch, push and check it."""
        paths = self.clone.rebase()
        if paths:
            self.watch.say(f"is in conflict over {' '.join(paths.split())}")
            raise Feedback(prompt.conflict(paths, self.voyage["voyage"]))
        self.push()
        check = self.voyage["check"]
        if check:
            # Should this ship be lost now, the next one need not do the work again.
            self.watch.beat(patience=AGAIN_S, finished=self.clone.head())
            self.clone.tidy()
            done = self.ship.run(check)
            self.watch.pause()
            self.watch.say(f"check exited {done.status}")
            if done.status:
                raise Feedback(prompt.red_check(check, done.status, done.out[-8000:]))
            self.clone.tidy()

    def push(self) -> None:
        """Bring the commits to the claim's work ref, unless they hold a secret."""
        if self.clone.contains(self.ship.secrets):
            self.clone.uncommit()
            raise Feedback(prompt.LEAKED)
        self.clone.push(self.ref)

    def refusal(self, note: str) -> str:
        """Ask for the landing; the code with which that is refused, empty where it has landed.

        `note` says why there is nothing to land, should that be so."""
        base, head = self.clone.git("rev-parse", self.clone.upstream, "HEAD").split()
        commit = head if head != base else None
        why = None if commit else note
        answer = self.watch.ask("land", commit=commit, base=base, note=why, wait=True)
        if answer["ok"]:
            told = f"landed {commit[:12]}" if commit else f"completed without a change: {note}"
            self.watch.say(told)
        return str(answer.get("code", ""))

    def reason(self) -> str:
        """Why nothing had to change; an agent that did not say so is asked once."""
        if not self.agent.steady:
            return "its command succeeded, and changed nothing"
        said = self.session.said if self.session else ""
        _, stated, note = said.rpartition(prompt.NO_CHANGE)
        if stated:
            return note.strip()
        if self.feedback == prompt.SILENT:
            raise GiveUp("it changed nothing, and did not say why")
        raise Feedback(prompt.SILENT)
