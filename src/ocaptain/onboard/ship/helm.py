"""A ship's loop: claim, have the agent work, land; and verify when all is done."""

import fcntl
import gc
import shutil
import threading
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

from .. import process
from . import prompt
from .session import GiveUp, Session, Watch
from .ship import SETUP, Answer, Ship

FEEDBACKS, AGAIN_S = 3, 5.0
MOUNT = "ro,reconnect,ServerAliveInterval=15,dir_cache=no,attr_timeout=0,entry_timeout=0"
INSTALL = "command -v sshfs || { apt-get -qq update; apt-get -qq -y install sshfs; }"


class Feedback(Exception):
    """The work cannot land as it is: what to tell the agent."""


def main(home: Path) -> None:
    """Run the ship's loop; only one at a time does."""
    gc.enable()  # which what ends at once does without
    with (home / "voyage" / "helm.lock").open("w") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sail(Ship(home))


def sail(ship: Ship) -> NoReturn:
    """Race for tasks, for ever; more and more slowly while this ship is in trouble."""
    ship.say(f"{ship.name} is under way")
    process.kill_marked(ship.marker)  # what an earlier helm left running
    for beside in (partial(mount, ship), ship.send_log):
        threading.Thread(target=beside, daemon=True).start()
    with suppress(OSError):  # and what it left unsaved
        ship.clone.save(ship.clone.git("branch", "--show-current"), ship.secrets)
    run, pause = uuid4().hex, 0.0
    while True:
        time.sleep(pause)
        claim = ship.ask("claim", run_id=run, wait=True)
        well = hold(ship, claim) if claim.get("claim") else claim["ok"]
        if not claim["ok"]:
            ship.say(f"storage refuses: {claim['error']}")
        pause = 0 if well else min(2 * pause + AGAIN_S, ship.voyage["lease_seconds"] / 3)


def mount(ship: Ship) -> None:
    """Keep storage's read-only view mounted, for the agent; nothing here depends on it."""
    place, config = str(ship.folder / "storage"), str(ship.folder / "ssh_config")
    what = "storage:/home/harbor" if ship.accounts else "storage:"
    if ship.accounts:
        process.run(["sudo", "-n", "env", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", INSTALL])
    while shutil.which("sshfs"):
        process.run(["fusermount3", "-u", "-z", place])
        done = process.run(["sshfs", "-f", "-F", config, "-o", MOUNT, what, place])
        ship.say(f"sshfs ended: {done.stderr}")
        time.sleep(60)
    ship.say("sshfs is missing: the agent sees no task list, artifacts and logs")


def hold(ship: Ship, claim: Answer) -> bool:
    """Do what a claim is for, and give it back where that fails; false where that is this ship's
    trouble."""
    work: Attempt | Verification = (Attempt if claim["task"] else Verification)(ship, claim)
    with work:
        try:
            work.run()
            return True
        except GiveUp as reason:
            why, fault = reason.args
        except OSError as error:
            why, fault = f"{ship.name}: {error}", "infrastructure"
        work.say(f"gives up: {why}")
        process.kill_marked(ship.marker)
        if work.task:
            work.save()
        work.__exit__()  # or the next beat would learn that the claim is lost
        work.ask("release", why=why, fault=fault)
    return bool(fault != "infrastructure")


class Verification(Watch):
    """A claim of the verification."""

    def run(self) -> None:
        """Run setup.sh and verify.sh on a fresh clone of the branch."""
        head = self.claim["head"]
        self.say(f"verifies {head[:12]}")
        self.ship.clone.make()
        self.ship.clone.git("checkout", "--quiet", "--detach", head)
        done = self.ship.run(f"{SETUP} exec bash ~/voyage/verify.sh")
        self.pause()
        self.say(f"verify.sh exited {done.status}\n{done.stdout[-4000:]}")
        if done.status:
            raise GiveUp(f"verify.sh exited {done.status}:\n{done.stdout[-8000:]}", "agent")
        self.ask("land", commit=head)


class Attempt(Watch):
    """One claim of one task, from a fresh branch to its landing."""

    session: Session
    told = ""

    def run(self) -> None:
        """Have the agent work until it lands or the agent is at a loss; raises GiveUp or OSError
        where that cannot be."""
        self.say(f"claims it: {self.claim['task'].get('subject', '')}")
        self.begin()
        self.session, self.told = Session(self), prompt.first(self.ship.voyage, self.claim)
        for _ in range(1 + FEEDBACKS):
            self.turn()
            try:
                return self.land()
            except Feedback as feedback:
                self.told = str(feedback)
            if not self.agent.interactive:
                raise GiveUp(f"its command cannot be told: {self.told}", "agent")
        raise GiveUp(f"still, after {FEEDBACKS} more turns: {self.told}", "agent")

    def begin(self) -> None:
        """A fresh branch; in a fresh clone where none is set up, or it is broken."""
        try:
            self.ship.clone.begin(self.claim["ref"])
        except OSError:
            self.ship.clone.make()
            done = self.ship.run(SETUP)
            if done.status:
                raise GiveUp(done.stdout[-2000:], "infrastructure") from None
            self.ship.clone.begin(self.claim["ref"])

    def turn(self) -> None:
        """One turn of the agent, however long the API makes it wait."""
        end = self.session.turn(self.told)
        while end.outcome == "limited":
            end = self.session.turn(prompt.GO_ON)
        if end.outcome != "done":
            last = "\n".join(self.session.output)
            raise GiveUp(f"{end.outcome}: {end.text}\n{last}".strip(), end.outcome)

    def land(self) -> None:
        """Bring the work to the branch; raises Feedback where the agent has to see to it first."""
        self.report(state="landing")
        message = prompt.commit_message(self.ship.voyage, self.ship.name, self.claim["task"])
        self.ship.clone.commit_rest(message)
        note = "the branch has all that it did"
        if self.ship.clone.tip() == self.ship.clone.upstream:
            note = self.reason()
        elif self.ship.clone.rebasing() or self.ship.voyage["check"]:
            self.rebase_and_check()
        while refused := self.refusal(note):
            self.rebase_and_check() if refused == "stale" else self.push()
        self.session.close()

    def refusal(self, note: str) -> str:
        """Ask for the landing; the code of a refusal that can be mended, empty where it has landed.

        `note` says why there is nothing to land, should that be so."""
        base, head = self.ship.clone.upstream, self.ship.clone.tip()
        commit, why = (None, note) if head == base else (head, None)
        answer = self.ask("land", commit=commit, base_commit=base, note=why, wait=True)
        if answer["ok"]:
            self.say(f"completed without a change: {why}" if why else f"landed {head[:12]}")
        elif answer["code"] not in ("stale", "ref", "berth"):
            raise GiveUp(answer["error"], "infrastructure")
        return str(answer.get("code", ""))

    def rebase_and_check(self) -> None:
        """Put the work on top of the branch, push and check it."""
        paths = self.ship.clone.rebase()
        self.push()
        if paths:
            self.say(f"is in conflict over {' '.join(paths.split())}")
            raise Feedback(prompt.CONFLICT.format(self.ship.voyage["voyage"], paths))
        if check := self.ship.voyage["check"]:
            self.pause()
            done = self.ship.run(check)
            self.ship.clone.tidy()  # or what it left is saved as the agent's
            self.pause()
            self.say(f"check exited {done.status}")
            if done.status:
                raise Feedback(prompt.RED.format(check, done.status, done.stdout[-8000:].strip()))

    def push(self) -> None:
        """Bring the commits to the claim's work ref, unless they hold a secret."""
        if not self.ship.clone.push(self.claim["ref"], self.ship.secrets):
            self.ship.clone.uncommit()
            raise Feedback(prompt.LEAKED)

    def reason(self) -> str:
        """Why nothing had to change; an agent that did not say so is asked once."""
        if not self.agent.interactive:
            return "its command succeeded, and changed nothing"
        _, stated, note = self.session.said.rpartition(prompt.NO_CHANGE)
        if stated:
            return note.strip()
        if self.told == prompt.SILENT:
            raise GiveUp("it changed nothing, and did not say why", "agent")
        raise Feedback(prompt.SILENT)
