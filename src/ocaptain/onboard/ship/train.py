"""The way of work through the plan's check to the branch: by a place in the train."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from ..process import Done
from ..protocol import EnterAnswer, LeaveReason, TaskGrant
from . import prompt
from .channels import Unreachable
from .client import Refused
from .heartbeat import GiveUp, Heartbeat
from .landing import PAUSE_S, Feedback, Landing, give_up_unless
from .ship import Ship
from .work import Work

WATCH_PAUSE_S = 1.0
"""Seconds between questions whether a check is still worth its while; storage waits as well."""
KILL_PAUSE_S = 0.2
STALE = "checks again: what was ahead of it does not land as it was"


class Watch:
    """Asks storage, in a thread of its own, whether a check goes on; if not, it is killed.

    This is a context manager around the check."""

    def __init__(self, ship: Ship, heartbeat: Heartbeat, commit: str) -> None:
        self.is_stale = False
        """Whether what the check runs on does not land as it is."""
        self._ship = ship
        self._heartbeat = heartbeat
        self._commit = commit
        self._over = threading.Event()
        self._killing = threading.Lock()
        self._spared = ship.processes.pids()

    def __enter__(self) -> "Watch":
        threading.Thread(target=self._keep_asking, name="watch", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        with self._killing:  # or what is started next would be killed
            pass

    def _keep_asking(self) -> None:
        while not self._over.is_set() and not self._heartbeat.over.is_set():
            with suppress(Unreachable):
                if not self._heartbeat.goes_on(self._commit):
                    self._stop()
            self._over.wait(WATCH_PAUSE_S)

    def _stop(self) -> None:
        """Kill what the check has started, and nothing else, until there is none of it."""
        self.is_stale = not self._over.is_set()
        while not self._over.is_set():
            self._kill()
            self._over.wait(KILL_PAUSE_S)

    def _kill(self) -> None:
        with self._killing:
            if not self._over.is_set():
                self._ship.processes.kill(spare=self._spared)


class TrainLanding(Landing):
    """Brings the work on a claim through the check to the branch.

    In the train the clone's `upstream` is the commit that the work is put on, which has perhaps not
    landed; out of it, the branch's head. What goes back to the agent is on top of the branch."""

    def __init__(
        self,
        ship: Ship,
        grant: TaskGrant,
        work: Work,
        heartbeat: Heartbeat,
        *,
        interactive: bool,
    ) -> None:
        super().__init__(ship, grant, work, heartbeat, interactive=interactive)
        self._check = ship.voyage["check"] or "true"
        self._own = ""
        """The work as it is without what is ahead of it in the train."""
        self._own_upstream = ""
        """The branch's head that this was put on, or began at."""

    def land(self, commit: str, explain: Callable[[], str]) -> None:
        """Land a commit, once the check has passed on it as it is on top of what is ahead."""
        self.take_for_own(commit)
        while self._own != self.clone.upstream:
            with self.aboard():
                base = self.enter()
                if base is not None and self.ride(base):
                    return
            if base is None:
                self.take_for_own(self.rebase())
            else:
                self.go_back()
        self.complete(self.note(explain))

    def take_for_own(self, commit: str) -> None:
        """Take what is checked out for the work as it is without what is ahead of it."""
        self._own = commit
        self._own_upstream = self.clone.upstream

    @contextmanager
    def aboard(self) -> Iterator[None]:
        """Do something in the train. If it is given up, the work is kept without what is ahead.

        Nobody who goes on with it then has others' work in theirs that perhaps never lands."""
        try:
            yield
        except (GiveUp, OSError):
            with suppress(OSError):
                self.go_back()
            raise

    def take_berth(self) -> None:
        """Have the right to enter the train before others."""
        self.leave("berth", "")

    # One ride

    def enter(self) -> str | None:
        """Get a place, and put the work on the base that this has.

        Returns the base; None if the place was given up until something ahead has landed or left:
        the work is in conflict with it, or has nothing that it has not."""
        place = self.ask_to_enter()
        base = place["base"]
        conflicts = self.work.rebase(base)
        if conflicts:
            self.make_way(place, conflicts)
            return None
        if self.work.tip() == base:
            self.go_back()
            self.leave("", base)
            return None
        return base

    def make_way(self, place: EnterAnswer, conflicts: Sequence[str]) -> None:
        """Give up the place, and wait until what the work is in conflict with has landed or left.

        Raises Feedback or Overtaken if it is in conflict with the branch as well."""
        if place["ahead"]:
            self.go_back()
            of_branch = self.work.rebase()
            if not of_branch:
                self.go_back()
                paths = " ".join(map(prompt.shown, conflicts))
                self.say(f"waits for what is ahead of it and changes {paths} as well")
                self.leave("conflict", self.work.last_to_change(place, conflicts))
                return
            conflicts = of_branch
        if self._interactive:  # or else it takes the berth
            self.leave("conflict", "")
        self.settle(conflicts)

    def ride(self, base: str) -> bool:
        """Run the check on the work as it is on its base, and land it.

        Returns False if that has to be done anew, on another base."""
        commit = self.push_pointers(self.work.tip())
        if not self.begin_check(commit, base):
            return False
        self.say(f"checks {commit[:12]} on top of {base[:12]}")
        with Watch(self.ship, self.heartbeat, commit) as watch:
            done = self.ship.run(self._check)
        self.heartbeat.check_claim()
        if watch.is_stale:
            self.say(STALE)
            return False
        self.say(f"check exited {done.status}")
        if done.status == 0:
            return self.land_green(commit)
        if not self.leave("red", base):
            self.say("checks again: what was ahead of it was at fault, or is not what lands")
            return False
        self.tell_red(commit, done)
        return False

    def push_pointers(self, commit: str) -> str:
        """Push what is to be checked. Returns that commit."""
        try:
            commit = self.with_pointers(commit)
        except Feedback:
            self.leave("", "")
            self.go_back()
            raise
        if self.work.push(commit, self.ref, self.ship.secrets):
            return commit
        self.leave("", "")
        self.go_back()
        self.push(self._own)  # which tells the agent
        raise GiveUp("its changes hold a secret", "agent")

    def land_green(self, commit: str) -> bool:
        """Land a commit whose check has passed, after all that is ahead. Returns whether it has."""
        while True:
            try:
                self.ask_to_land(commit)
                return True
            except Refused as refusal:
                give_up_unless(refusal, "place", "stale")
                if refusal.code == "stale":
                    self.say(STALE)
                    return False
            self.heartbeat.pause(PAUSE_S)

    def tell_red(self, commit: str, done: Done) -> None:
        """Have the agent mend what its own work has made red: always raises Feedback."""
        self.clone.mend()
        self.clone.restore(self.ref, commit)  # or what the check did is taken for the agent's
        self.clone.fetch()
        self.work.begin()
        output = done.stdout[-8000:].strip()
        message = prompt.red_check(self._check, done.status, output)
        why = f"the check exited {done.status}"
        raise Feedback(message, f"{why}: {output[-2000:]}" if output else why)

    def go_back(self) -> None:
        """Have the work as it is without what is ahead, whatever a check made of the clone."""
        self.clone.mend()
        self.clone.upstream = self._own_upstream
        self.work.go_back(self.ref, self._own)

    # What storage is asked

    def ask_to_enter(self) -> EnterAnswer:
        """Wait for a place, and for the base that it has. What waits is safe on storage."""
        while True:
            try:
                return self.ship.storage.enter(self.claim, self.heartbeat.take_report())
            except Refused as refusal:
                give_up_unless(refusal, "place")
            self.push_own()
            self.heartbeat.pause(PAUSE_S)

    def push_own(self) -> None:
        """Push the work as it is without what is ahead. Raises Feedback, out of the train."""
        try:
            self.push(self._own)
        except Feedback:
            self.leave("", "")
            raise

    def begin_check(self, commit: str, base: str) -> bool:
        """Say which commit is checked now. Returns False if its base is not right any more."""
        report = self.heartbeat.take_report()
        try:
            answer = self.ship.storage.enter(self.claim, report, commit, base)
        except Refused as refusal:
            give_up_unless(refusal, "place", "ref", "stale")
            self.heartbeat.pause(PAUSE_S)
            return False
        return answer["base"] == base

    def leave(self, why: LeaveReason, on: str) -> bool:
        """Give up the place, and wait until the commit `on` has landed, or cannot any more.

        Returns whether it has landed."""
        while True:
            report = self.heartbeat.take_report()
            try:
                return self.ship.storage.leave(self.claim, report, why, on)["landed"]
            except Refused as refusal:
                give_up_unless(refusal, "place", "berth")
            self.heartbeat.pause(PAUSE_S)
