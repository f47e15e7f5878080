"""A ship's loop: claim, have the agent work, land; and verify when all is done."""

import fcntl
import gc
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from . import process, prompt
from .agents import AGENTS, Job
from .client import Answer, Unreachable
from .landing import GitFailed
from .session import Session
from .ship import Ship
from .watch import Lost, Watch

FEEDBACKS = 3
LOG_S = 2.0
AGAIN_S = 5.0
MOUNT = "ro,reconnect,ServerAliveInterval=15,dir_cache=no,attr_timeout=0,entry_timeout=0"


INSTALL = "apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -qq -y sshfs"


class GiveUp(Exception):
    """The claim goes back: why, and whose fault it is (agent, infrastructure, refused)."""


def main(home: Path, _argv: list[str]) -> None:
    """Run the ship's loop; only one at a time does."""
    gc.enable()  # which what ends at once does without
    with (home / "voyage" / "helm.lock").open("w") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sail(Ship(home))


def sail(ship: Ship) -> NoReturn:
    """Race for tasks, for ever."""
    ship.log.say(f"{ship.name} is under way")
    process.kill_marked(f"OCAPTAIN_WORK={ship.work}")  # what an earlier helm left running
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
    if ship.accounts and not shutil.which("sshfs"):
        process.run(["sudo", "-n", "sh", "-c", INSTALL])
    if not shutil.which("sshfs"):
        return ship.log.say("sshfs is missing: the agent sees no task list, artifacts and logs")
    while True:
        process.run(["fusermount3", "-u", "-z", place])
        done = process.run(["sshfs", "-f", "-F", config, "-o", MOUNT, what, place])
        ship.log.say(f"sshfs ended: {done.err}")
        time.sleep(60)


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
    done = ship.set_up(watch.env)
    if not done.status:
        ship.clone.git("checkout", "--quiet", "--detach", head)
        done = ship.run("exec bash ~/voyage/verify.sh", watch.env)
    watch.check()
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
        self.asked = False

    def run(self) -> None:
        """Work and land; raises GiveUp, Lost or GitFailed where that cannot be."""
        self.watch.say(f"claims it: {self.claim['task'].get('subject', '')}")
        self.begin()
        try:
            feedback, finished = "", self.take_over()
            for _ in range(1 + FEEDBACKS):
                if feedback or not finished:
                    self.turn(feedback)
                feedback = self.land()
                if not feedback:
                    return
            raise GiveUp(f"still, after {FEEDBACKS} more turns: {feedback}")
        finally:
            if self.session:
                self.session.close()

    def begin(self) -> None:
        """A fresh branch; in a fresh clone where none is set up, or it is broken."""
        try:
            self.ship.ready.stat()
            self.clone.begin(self.ref)
        except (GitFailed, OSError):
            done = self.ship.set_up(self.watch.env)
            if done.status:
                raise GiveUp(done.out[-2000:], "infrastructure") from None
            self.clone.begin(self.ref)

    def take_over(self) -> bool:
        """Go on from an earlier attempt whose agent was done, and which only had to land."""
        finished = [wreck for wreck in self.claim["wrecks"] if wreck["finished"]]
        if finished:
            self.watch.say(f"lands what {finished[0]['ship']} had finished")
            self.clone.take_over(finished[0]["ref"])
        return bool(finished)

    def turn(self, text: str) -> None:
        """One turn of the agent, however long the API makes it wait."""
        if self.session and not self.agent.steady:
            raise GiveUp(f"its command cannot be told: {text}")
        if not self.session:
            text = f"{prompt.first(self.voyage, self.claim)}\n\n{text}"
            self.session = Session(self.agent, self.job(), self.watch)
        while True:
            self.watch.report("working")
            end = self.session.turn(text)
            if end.outcome == "done":
                return
            if end.outcome != "limited":
                raise GiveUp(f"{end.outcome}: {end.text}", end.outcome)
            self.watch.pause(end.until - time.time())
            text = prompt.GO_ON

    def job(self) -> Job:
        """What the agent is started with."""
        task, voyage, ship = self.claim["task"], self.voyage["voyage"], self.ship
        about = {"voyage.id": voyage, "ship.id": ship.name, "task.id": task["id"]}
        program = (sys.executable, "-IS", str(ship.folder / "lib"), "taskhook.main")
        return Job(
            about,
            f"{voyage}-tasks",
            hook=(*program, str(self.claim["claim"]), *ship.ssh, "storage"),
            run=str((task.get("metadata") or {}).get("run") or ""),
            model=self.voyage["model"],
            budget_usd=self.claim["budget_usd"],
            captain=ship.captain,
        )

    def land(self) -> str:
        """Bring the work to the branch; empty once it is there, else what to tell the agent."""
        message = prompt.commit_message(self.voyage, self.ship.name, self.claim["task"])
        self.clone.commit_rest(message)
        if not self.clone.rebasing():
            if not self.clone.commits():
                return self.nothing_changed()
            if self.clone.contains(self.ship.secrets):
                self.clone.uncommit()
                return prompt.LEAKED
            self.watch.report("landing", finished=self.clone.head())
            if self.voyage["check"]:
                self.clone.push(self.ref, self.clone.head())
                self.watch.beat(patience=AGAIN_S)
            elif self.landed():
                return ""
        feedback = self.rebase_and_check()
        while not feedback and not self.landed():
            feedback = self.rebase_and_check()
        return feedback

    def rebase_and_check(self) -> str:
        """Put the work on top of the branch, check and push it; empty where all is well."""
        paths = self.clone.rebase()
        if paths:
            self.watch.say(f"is in conflict over {' '.join(paths.split())}")
            return prompt.conflict(paths, self.voyage["voyage"])
        check = self.voyage["check"]
        if check:
            self.clone.tidy()
            done = self.ship.run(check, self.watch.env)
            self.watch.check()
            self.watch.say(f"check exited {done.status}")
            if done.status:
                return prompt.red_check(check, done.status, done.out[-8000:])
            self.clone.tidy()
        self.clone.push(self.ref, self.clone.head())
        return ""

    def landed(self) -> bool:
        """Ask for the landing; false where the branch has moved and it must be tried again."""
        base, head = self.clone.git("rev-parse", self.clone.upstream, "HEAD").split()
        commit = head if head != base else None  # rebased, there may be nothing left of it
        note = None if commit else "the branch has all that it did"
        while True:
            answer = self.watch.ask("land", commit=commit, base=base, note=note, wait=True)
            if answer["ok"]:
                self.watch.say(f"landed {commit[:12] if commit else note}")
                return True
            if answer["code"] == "stale":
                return False
            if answer["code"] == "ref" and commit:
                self.clone.push(self.ref, commit)
            elif answer["code"] != "berth":
                raise Lost

    def nothing_changed(self) -> str:
        """Complete a task without a commit where the agent said why; ask it once."""
        said = self.session.said if self.session else ""
        _, stated, note = said.rpartition(prompt.NO_CHANGE)
        if not self.agent.steady:
            note = "its command succeeded, and changed nothing"
        elif not stated and self.asked:
            raise GiveUp("it changed nothing, and did not say why")
        elif not stated:
            self.asked = True
            return prompt.SILENT
        self.watch.ask("land", commit=None, note=note.strip())
        self.watch.say(f"completed without a change: {note.strip()}")
        return ""
