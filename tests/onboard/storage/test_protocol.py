"""Random interleavings of all that ships, captains, crashes and clocks do, against a model."""

import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ocaptain.onboard.storage import parts, serve
from ocaptain.onboard.storage.journal import Journal
from tests.support import rules
from tests.support.crashes import ENDED, FAST, full_at, killed_at
from tests.support.lines import raw_lines
from tests.support.storage import SHIPS, VOYAGE, Json, Storage, fold, git, task, template
from tests.support.train import Line, as_stored, in_words

LEASE, ATTEMPTS, REPAIRS, LIMIT = 60, 2, 2, 60  # seconds of the clock, the first and the last
OVERTAKEN, WAITS = 2, ("berth", "place")
AGENTS_FAULT = ("agent", "error", "stalled")
BREAKING, LONGEST_BENCH, STARTING, REST = 3, 12, 2_400, 600
TRIAL = 60  # seconds in which one ship alone tries whether a limit is over


# The model


@dataclass
class Work:
    """What the model knows of a task."""

    blockers: tuple[str, ...] = ()
    attempts: int = 0
    interrupted: list[str] = field(default_factory=list)
    done: bool = False
    commit: str | None = None

    @property
    def failed(self) -> bool:
        """Whether it is set aside."""
        return self.attempts >= ATTEMPTS or len(self.interrupted) >= 2 * ATTEMPTS


@dataclass
class Held:
    """What the model knows of a claim: `over` is how it ended, `seen` what a verification is of."""

    number: int
    ship: str
    run: str
    task: str | None
    seen: Any
    expires: float = 0
    over: str = ""
    commit: str | None = None
    overtaken: int = 0

    @property
    def ref(self) -> str:
        """What it pushes to."""
        return f"work/{self.task}-{self.number}"


def by_number(ships: Iterable[str]) -> list[str]:
    """Names of ships in the order of their numbers."""
    return sorted(ships, key=lambda name: int(name.removeprefix("ship-")))


@dataclass
class Model:
    """What the protocol promises: who holds what, what is done, and where the branch is: `heads`
    has each commit that landed, `moved` where the branch was after each line."""

    tasks: dict[str, Work]
    heads: list[str]
    parents: dict[str, str | None]
    refs: dict[str, str] = field(default_factory=dict)
    claims: list[Held] = field(default_factory=list)
    said: dict[str, str] = field(default_factory=dict)
    moment: tuple[int, float] = (0, 0)
    heard: dict[str, tuple[int, float]] = field(default_factory=dict)
    resting: set[str] = field(default_factory=set)
    trouble: dict[str, tuple[int, str]] = field(default_factory=dict)
    broken: dict[str, tuple[float, bool]] = field(default_factory=dict)
    verify_interrupted: list[str] = field(default_factory=list)
    berth: tuple[int, float] = (0, 0)
    moved: list[str] = field(default_factory=list)
    line: Line | None = None
    checked: set[str] = field(default_factory=set)
    asker: str = ""
    clock: float = 0
    called: float | None = None
    repairs: int = 0
    given_up: bool = False
    paused: str = ""
    passed: Any = None
    crew: dict[str, bool] = field(default_factory=lambda: dict.fromkeys(SHIPS, False))
    enlisted: int = len(SHIPS)
    has: dict[str, str] = field(default_factory=dict)
    reports: dict[str, tuple[str, int, float]] = field(default_factory=dict)
    limits: dict[str, tuple[float, int]] = field(default_factory=dict)
    now: float = 0
    hails: list[tuple[str, str]] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)

    def live(self, ship: str | None = None) -> list[Held]:
        return [c for c in self.claims if not c.over and ship in (None, c.ship)]

    def version(self) -> Any:
        return self.heads[-1], len(self.tasks)

    def done(self) -> bool:
        return all(work.done for work in self.tasks.values())

    def complete(self) -> bool:
        return self.done() and self.passed == self.version()

    def ready(self) -> list[str]:
        """Tasks that may be handed out."""
        busy = {held.task for held in self.live()}
        free = {i: w for i, w in self.tasks.items() if not (w.done or w.failed or i in busy)}
        return [i for i, w in free.items() if all(self.tasks[b].done for b in w.blockers)]

    def to_verify(self) -> bool:
        """Whether the verification is due."""
        at_it = any(held.task is None for held in self.live())
        return self.done() and not self.complete() and not at_it and not self.given_up

    def state(self) -> str:
        """What `status` has to say of the voyage."""
        stuck = not (self.live() or self.done() or self.ready())
        if self.complete() or self.given_up or stuck:
            return "complete" if self.complete() else "failed"
        ships = {self.kind(ship) for ship in self.crew}
        if ships <= {"lost", "starting", "relieved"}:
            return "provisioning" if self.crew and self.called is None else "stalled"
        if any(held.task is None for held in self.live()):
            return "verifying"
        helpless = ships <= {"lost", "relieved", "broken"}
        return self.paused or ("stalled" if helpless else "running")

    def kind(self, ship: str) -> str:
        """What keeps a ship from claiming something."""
        if self.lost(ship):
            return "lost"
        if self.said.get(ship) != "waiting":
            return "starting" if ship not in self.said else "at work"
        return "relieved" if self.crew[ship] else "broken" if ship in self.broken else "waiting"

    def silence(self, ship: str) -> float:
        """For how long storage was awake without a word of a ship's."""
        boot, awake = self.heard.get(ship, (0, 1_000_000))
        return self.moment[1] - (awake if boot == self.moment[0] else 0)

    def lost(self, ship: str) -> bool:
        """Whether that was too long."""
        longest = LEASE / 2 if ship in self.said else STARTING
        return self.silence(ship) > longest + (REST if ship in self.resting else 0)

    def still(self) -> bool:
        """Whether nothing happens before the captain says something."""
        stuck = not (self.done() or self.ready())
        over = self.complete() or self.given_up or self.paused or stuck
        return bool(over and not self.live())

    def wake(self) -> None:
        """Ships that rest are expected to call from now on."""
        self.heard.update(dict.fromkeys(self.resting, self.moment))
        self.resting.clear()

    def silent(self, number: int) -> bool:
        """Whether others need not wait for a claim's ship; it may be the one that asks."""
        ship = self.claims[number - 1].ship
        return ship != self.asker and self.silence(ship) > LEASE / 3

    def berthed(self) -> int:
        """The claim that has the berth; 0 if none has."""
        number, until = self.berth
        over = until <= self.clock or self.claims[number - 1].over or self.silent(number)
        return 0 if over else number

    def may_try(self, ship: str) -> bool:
        """Whether a ship may be handed something."""
        benched = self.broken.get(ship, (0, False))[0] > self.clock
        return not (self.paused or self.crew[ship] or benched)

    def held_up(self, ship: str) -> bool:
        """Whether the credential of a ship has a limit, or another ship tries whether it has."""
        until, number = self.limits.get(self.has.get(ship, ""), (-1e12, 0))
        tried = self.now < until + TRIAL and number in [held.number for held in self.live()]
        return self.now < until or tried

    def unheard(self, ship: str) -> Json:
        """The captain's messages that are still to be taken in by a ship's agent."""
        hails = enumerate(self.hails, 1)
        return {str(n): t for n, (who, t) in hails if who == ship and n not in self.taken}

    def descends(self, commit: str | None, head: str) -> bool:
        while commit and commit != head:
            commit = self.parents[commit]
        return bool(commit)

    def wrecks(self, task_id: str) -> list[tuple[int, str]]:
        """Claims on a task that ended in vain, the latest first, and what they had pushed."""
        ended = [c for c in self.claims if c.task == task_id and c.over not in ("", "landed")]
        refs = [(c.number, f"work/{task_id}-{c.number}") for c in reversed(ended)]
        return [(number, self.refs[ref]) for number, ref in refs if ref in self.refs]

    # What a request does, and how it is to be answered

    def step(self, ship: str, asked: Json, made: Json | None, now: float) -> str:
        """One request of a ship's; `made` is the claim that the journal says was made."""
        self.asker, self.now = ship, now
        gap = max(now - (now if self.called is None else self.called), 0)
        self.clock, self.called = self.clock + min(gap, LEASE / 4), now
        if asked["op"] == "claim":
            self.has[ship] = asked["credentials"]["claude"]
            code = self.claim(ship, asked["run_id"], made)
        else:
            code = self.about(ship, asked)
            if code == "ok" and asked.get("run_id"):
                self.claim(ship, asked["run_id"], made)
            else:
                assert not made
        if self.heads[-1] not in (self.heads[0], *self.moved):
            self.moved.append(self.heads[-1])
        self.said[ship] = "waiting"
        for held in self.live(ship):
            self.said[ship] = asked.get("state", "") if held.number == asked.get("claim") else ""
        self.hear_of_limits(ship, asked)
        self.heard[ship] = self.moment
        return code

    def hear_of_limits(self, ship: str, asked: Json) -> None:
        """A limit that was not told before holds until a session works that told or tries it."""
        told = self.said[ship], asked.get("claim") or 0, asked.get("until", 0.0)
        before, self.reports[ship] = self.reports.get(ship), told
        state, number, until = told
        if state == "limited":
            digest = asked["credential"]
            longer = self.limits.get(digest, (0, 0))[0] > until
            if until > self.now and told != before and not longer:
                self.limits[digest] = (until, number)
        elif asked.get("state") in ("working", "landing") and number:
            own = number <= len(self.claims) and self.claims[number - 1].ship == ship
            tried = {digest for digest, (_, tries) in self.limits.items() if tries == number}
            for digest in tried if own else ():
                del self.limits[digest]

    def end(self, held: Held, over: str, cost: str = "death") -> None:
        held.over = over
        self.drop(held)
        counts = self.counts(held, cost)
        if cost == "refused":
            self.broken[held.ship] = (self.clock + LONGEST_BENCH * LEASE, True)
            crew = [ship for ship, relieved in self.crew.items() if not relieved]
            if all(self.broken.get(ship, (0, False))[1] for ship in crew):
                self.paused = "paused"
        elif cost == "trouble" or cost == "death":
            self.blame(held, int(cost == "trouble" or not counts))
        if cost == "attempt" and held.task:
            self.tasks[held.task].attempts += 1
        if counts:
            self.interrupted(held).append(held.ship)
            self.given_up = self.given_up or len(self.verify_interrupted) >= 2 * ATTEMPTS

    def drop(self, held: Held) -> None:
        """A claim has ended, and so has its place in the train."""
        if self.line:
            self.line.drop(self, held.number)

    def interrupted(self, held: Held) -> list[str]:
        """Whose claims of the same were interrupted, as far as that counts."""
        return self.tasks[held.task].interrupted if held.task else self.verify_interrupted

    def counts(self, held: Held, cost: str) -> bool:
        """Whether what a claim was of is to blame for its end, rather than the ship."""
        if cost not in ("death", "trouble"):
            return cost == "spent"
        troubles, at = self.trouble.get(held.ship, (0, held.task or ""))
        if at != (held.task or "") or (held.task and troubles):
            return False
        done = any(c.over == "landed" for c in self.claims if c.ship == held.ship)
        if cost == "trouble" and held.task and (held.ship in self.trouble or not done):
            return False
        ships = [*self.crew.values()].count(False) or 1
        return self.interrupted(held).count(held.ship) < -(-2 * ATTEMPTS // ships)

    def blame(self, held: Held, more: int) -> None:
        troubles = self.trouble.get(held.ship, (0, ""))[0] + more
        self.trouble[held.ship] = (troubles, held.task or "")
        if more and troubles >= BREAKING:
            leases = min(2 ** (troubles - BREAKING), LONGEST_BENCH)
            self.broken[held.ship] = (self.clock + leases * LEASE, False)

    def clear(self, ship: str) -> None:
        """A ship is sound again."""
        self.trouble.pop(ship, None)
        self.broken.pop(ship, None)

    def sweep(self) -> None:
        for held in self.live():
            if held.expires < self.clock:
                self.end(held, "expired")

    def claim(self, ship: str, run: str, made: Json | None) -> str:
        for held in self.live(ship):
            held.expires = self.clock + LEASE
            if held.run != run:
                self.end(held, "abandoned")
        self.sweep()
        if self.live(ship):
            assert not made, "a ship was given a second claim"
        elif made:
            assert (made["number"], made["ship"]) == (len(self.claims) + 1, ship)
            fit = self.to_verify() if made["task"] is None else made["task"] in self.ready()
            assert fit, f"{made['task']} was handed out"
            assert self.may_try(ship), "a ship was given something that may have nothing"
            troubles, at = self.trouble.get(ship, (0, ""))
            if troubles and made["task"] == at:
                assert self.ready() == [made["task"]], "a ship was given what it failed at"
            self.try_limit(ship, made)
            new = Held(made["number"], ship, run, made["task"], self.version())
            new.expires = self.clock + LEASE
            self.claims.append(new)
        elif self.may_try(ship):
            assert not self.ready() or self.held_up(ship), "nothing was handed out"
            assert not self.to_verify(), "the verification was not handed out"
        self.resting.discard(ship)
        if not self.live(ship) and self.still():
            self.resting.add(ship)
        return "ok"

    def try_limit(self, ship: str, made: Json) -> None:
        """A claim of a task was made: if its credential had a limit, it is the one that tries."""
        if made["task"]:
            assert not self.held_up(ship), "a ship was given what a limit keeps it from"
            if self.has[ship] in self.limits:
                self.limits[self.has[ship]] = (self.now, made["number"])

    def about(self, ship: str, asked: Json) -> str:
        """A request that names a claim."""
        known = type(asked["claim"]) is int and 0 < asked["claim"] <= len(self.claims)
        held = self.claims[asked["claim"] - 1] if known else None
        if not held or held.ship != ship:
            return "claim"
        return str(getattr(self, asked["op"])(held, asked))

    def beat(self, held: Held, asked: Json) -> str:
        if not held.over:
            held.expires = self.clock + LEASE
        self.sweep()
        if self.line and asked.get("commit") is not None:
            self.line.pass_late(self)
            self.line.follow(self)
        self.taken |= {n for n in asked["delivered"] if str(n) in self.unheard(held.ship)}
        return "ok"

    def land(self, held: Held, asked: Json) -> str:
        commit = asked["commit"]
        if held.over:
            return "ok" if (held.over, held.commit) == ("landed", commit) else "lost"
        held.expires = self.clock + LEASE
        if held.task is None:
            if commit != self.heads[-1] or held.seen != self.version():
                self.end(held, "released", "nothing")
                return "void"
            self.passed, self.verify_interrupted = self.version(), []
            self.finish(held, commit)
        elif commit is None:
            self.finish(held, None)
            self.drop(held)
        elif self.line:
            return self.pass_check(self.line, held, commit)
        elif refused := self.refusal(held, commit, asked.get("base_commit", self.heads[-1])):
            return refused
        else:
            self.heads.append(commit)
            self.finish(held, commit)
        return "ok"

    def finish(self, held: Held, commit: str | None) -> None:
        held.over, held.commit = "landed", commit
        self.clear(held.ship)
        if held.task:
            self.tasks[held.task].done, self.tasks[held.task].commit = True, commit

    def refusal(self, held: Held, commit: str, base: str) -> str:
        holder = self.berthed()
        if holder not in (0, held.number) and self.said[self.claims[holder - 1].ship] == "landing":
            return "berth"
        self.berth, head = (held.number, self.clock + LIMIT), self.heads[-1]
        if base == head and self.refs.get(held.ref) != commit:
            return "ref"
        return "" if base == head and self.descends(commit, head) else "stale"

    def pass_check(self, line: Line, held: Held, commit: str) -> str:
        line.pass_late(self)
        line.follow(self)
        car = line.car(held.number)
        if not car or car.commit != commit:
            return "stale"
        self.checked.add(commit)
        for landing in line.pass_check(held.number):
            assert landing.base == self.heads[-1], "it was checked on something else"
            assert landing.commit
            self.heads.append(landing.commit)
            self.finish(self.claims[landing.claim - 1], landing.commit)
        line.follow(self)
        return "ok" if held.over else "place"

    def enter(self, held: Held, asked: Json) -> str:
        line, commit, base = self.line, asked.get("commit"), asked.get("base_commit")
        if held.over or not (line and held.task):
            return "lost" if held.over else "claim"
        held.expires = self.clock + LEASE
        line.pass_late(self)
        line.line_up(self, held.number)
        line.follow(self)
        car = line.car(held.number)
        if car and commit and base and car.base == base and car.commit != commit:
            if self.refs.get(held.ref) != commit:
                return "ref"
            if not self.descends(commit, base):
                return "stale"
            car.commit, car.green = commit, False
            line.follow(self)
        return "ok" if car and car.base else "place"

    def leave(self, held: Held, asked: Json) -> str:
        line, why, on = self.line, asked["why"], asked["on"]
        if held.over or not (line and held.task):
            return "lost" if held.over else "claim"
        held.expires = self.clock + LEASE
        line.pass_late(self, on)
        if why == "conflict" and line.car(held.number):
            self.overtake(held)
        line.remove(held.number)
        line.follow(self)
        if on and on in [car.commit for car in line.cars]:
            return "place"
        if why == "red" and self.descends(self.heads[-1], on):
            line.fail_check()
            self.berth = (0, 0) if self.berth[0] == held.number else self.berth
            line.follow(self)
        elif why == "red":
            self.overtake(held)
        if why == "berth":
            self.take_berth(held)
            return "ok" if self.berthed() == held.number else "berth"
        return "ok"

    def overtake(self, held: Held) -> None:
        held.overtaken += 1
        if held.overtaken >= OVERTAKEN:
            self.take_berth(held)

    def take_berth(self, held: Held) -> None:
        if not self.berthed():
            self.berth = (held.number, self.clock + LIMIT)

    def release(self, held: Held, asked: Json) -> str:
        attempt = asked["fault"] in AGENTS_FAULT
        costs = {"refused": "refused", "spent": "spent"}
        if not held.over:
            cost = "attempt" if attempt else costs.get(asked["fault"], "trouble")
            self.end(held, "released", cost)
            if attempt and held.task is None:
                self.verify_interrupted = []
            if attempt and held.task is None and held.seen == self.version():
                self.given_up = self.repairs == REPAIRS
                if not self.given_up:
                    self.repairs += 1
                    self.tasks[str(len(self.tasks) + 1)] = Work()
        return "ok"

    def add(self, held: Held, _: Json) -> str:
        if held.over:
            return "lost"
        self.tasks[str(len(self.tasks) + 1)] = Work()
        return "ok"

    def order(self, asked: Json) -> str:
        """One of the captain's, each of which is a method here."""
        self.asker = "captain"
        fields = {key: asked[key] for key in asked if key not in ("op", "id", "by", "why")}
        act = self.take_back if asked["op"] == "release" else getattr(self, asked["op"])
        return str(act(**fields) or "ok")

    def pause(self) -> None:
        self.paused = self.paused or "paused"

    def halt(self) -> None:
        self.paused = "halted"
        for held in self.live():
            self.end(held, "released", "nothing")

    def resume(self) -> None:
        self.paused, self.limits = "", {}
        for ship in self.crew:
            self.clear(ship)
        self.wake()

    def relieve(self, ship: str) -> str:
        if ship not in self.crew:  # it was let go meanwhile
            return "ship"
        self.crew[ship] = True
        for held in self.live(ship) if self.lost(ship) else []:
            self.end(held, "expired", "nothing")
        return "ok"

    def retry(self, task: str) -> str:
        if task == "verify":
            if not (self.given_up or self.repairs or self.verify_interrupted):
                return "task"
            self.verify_anew()
        elif self.tasks[task].failed and not self.tasks[task].done:
            self.tasks[task].attempts, self.tasks[task].interrupted = 0, []
        else:
            return "task"
        self.wake()
        return "ok"

    def verify_anew(self) -> None:
        self.given_up, self.repairs, self.verify_interrupted = False, 0, []

    def take_back(self, task: str) -> str:
        of_task = [held for held in self.live() if held.task == task]
        for held in of_task:
            self.end(held, "released", "nothing")
        return "ok" if of_task else "task"

    def hail(self, ship: str, text: str) -> str:
        if self.complete():
            return "hail"
        if ship and ship not in self.crew:
            return "ship"
        self.hails += [(each, text) for each in ([ship] if ship else by_number(self.crew))]
        return "ok"

    def fsck(self) -> None:
        """It finds nothing, and changes nothing that the model knows."""

    def edit_task(self, fields: Json, task: str = "") -> str:
        work = self.tasks[task] if task else Work()
        behind, found = list(fields["blockedBy"]), set[str]()
        while behind:
            if (each := behind.pop()) not in found:
                found.add(each)
                behind += self.tasks[each].blockers
        if work.done or task in found:
            return "task"
        work.blockers = tuple(fields["blockedBy"])
        self.tasks[task or str(len(self.tasks) + 1)] = work
        if self.given_up:
            self.verify_anew()
        self.wake()
        return "ok"

    def update_ships(self, lost: list[str], add: int, *, replace: bool, force: bool) -> None:
        gone = {ship for ship in lost if ship in self.crew and (force or self.lost(ship))}
        for held in [held for held in self.live() if held.ship in gone]:
            self.end(held, "expired")
        self.resting -= gone
        for ship in gone:
            for known in (self.crew, self.said, self.heard, self.trouble, self.broken, self.has):
                known.pop(ship, None)
        add += len(gone) if replace else 0
        new = [f"ship-{self.enlisted + n}" for n in range(add)]
        self.crew, self.enlisted = {**dict.fromkeys(new, False), **self.crew}, self.enlisted + add
        self.heard.update(dict.fromkeys(new, self.moment))


# The real thing


class Machine(Storage):
    """A storage that boots anew, and that writes its state down each `snapshot_bytes`."""

    def __init__(
        self, model: Path, home: Path, tasks: list[Json], snapshot_bytes: int, window: int
    ) -> None:
        """`window` is 0 if the plan has no check."""
        self.boots, self.snapshot_bytes = 0, snapshot_bytes
        limits = {"lease_seconds": LEASE, "max_attempts": ATTEMPTS, "max_repairs": REPAIRS}
        check = "make test" if window else None
        super().__init__(model, home, tasks, **limits, check=check, landing_window=window or 16)

    def journal(self) -> Journal:
        boot, size = b"%036d" % self.boots, self.snapshot_bytes
        return Journal(self.home, VOYAGE, self.time, self.awake, boot=boot, snapshot_bytes=size)

    def ask(self, ship: str, /, op: Any, **fields: Any) -> Json:
        return serve.decide(self.journal(), self.voyage, ship, {"op": op, **fields}).answer


def plan(edges: list[list[int]]) -> dict[str, tuple[str, ...]]:
    """Tasks and their blockers; a blocker is told by how far before the task it is."""
    blockers = [{n + 1 - back for back in edge if back <= n} for n, edge in enumerate(edges)]
    return {str(n + 1): tuple(map(str, sorted(found))) for n, found in enumerate(blockers)}


def kept(answer: Json | None) -> Json | None:
    """An answer as it is given again: what was granted with it has to be asked for."""
    return {**answer, "next": None} if answer and "next" in answer else answer


def write_commit(repo: Path, tree: str, parent: str, message: str) -> str:
    """Make a commit, as git would have it as a loose object."""
    who = "tester <tester@localhost> 1000000 +0000"
    body = f"tree {tree}\nparent {parent}\nauthor {who}\ncommitter {who}\n\n{message}\n".encode()
    whole = b"commit %d\0%s" % (len(body), body)
    name = hashlib.sha1(whole).hexdigest()
    path = repo / "objects" / name[:2] / name[2:]
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(zlib.compress(whole))
    return name


MOSTLY = [None] * 5
PICK = st.sampled_from([0, 0, 0, 0, 0, 0, 1, 2, 3, 4])
SHIP = st.integers(0, 3)
CRASH: st.SearchStrategy[Any] = (
    st.sampled_from(MOSTLY)
    | st.tuples(st.just("kill"), st.integers(1, 90))
    | st.tuples(st.just("full"), st.integers(1, 40))
    | st.tuples(st.just("power"), st.integers(1, 90), st.integers(0, 5_000))
)
JUMPS = (1, 15, 3_600, 10**9, -5, -(10**6))
DAMAGE = (
    "torn",
    "emptied",
    "deleted",
    "nonsense",
    "a link",
    "state.json",
    "lock",
    "a torn line",
    "power",
)


class Protocol(RuleBasedStateMachine):
    """One voyage and all that can come over it."""

    template: Path  # the test puts it there

    def __init__(self) -> None:
        super().__init__()
        self.room = tempfile.TemporaryDirectory(dir=FAST)
        self.requests = 0
        self.runs: Counter[str] = Counter()
        self.standing: dict[str, Journal] = {}
        self.bases: dict[str, str] = {}
        self.past: list[tuple[str, Json]] = []
        self.answers: dict[tuple[str, str], tuple[str, Json | None]] = {}
        self.lines: list[Json] = []
        self.raw, self.dirty = b"", False

    @initialize(
        edges=st.lists(st.lists(st.integers(1, 3), max_size=1), min_size=1, max_size=6),
        snapshot=st.sampled_from([64_000, 3_000]),
        window=st.sampled_from([0, 0, 0, 0, 16, 9, 3, 1]),
    )
    def sail(self, edges: list[list[int]], snapshot: int, window: int) -> None:
        tasks = plan(edges)
        listed = [task(i, *blockers) for i, blockers in tasks.items()]
        home = Path(self.room.name) / "home"
        self.storage = Machine(self.template, home, listed, snapshot, window)
        start = self.storage.start
        works = {i: Work(blockers) for i, blockers in tasks.items()}
        self.model = Model(works, [start], {start: None})
        self.model.line = Line(window, LIMIT + LEASE) if window else None
        self.tree = git(self.storage.repo, "rev-parse", f"{start}^{{tree}}")
        self.read_journal()

    def teardown(self) -> None:
        with self.room:
            if hasattr(self, "model"):
                self.finish_voyage()

    # Asking

    def ask(self, who: str, op: str, crash: Any = None, **fields: Any) -> Json | None:
        """Ask, and hold what comes of it to the model; None where no answer came."""
        self.past.append((who, {"op": op, **fields}))
        return self.ask_again(who, {"op": op, **fields}, crash)

    def ask_again(self, who: str, request: Json, crash: Any = None) -> Json | None:
        lines = self.storage.journal_file
        answer: Json | None = None
        self.look_at_the_clock()

        def act() -> Json:
            return self.respond(who, request)

        match crash:
            case None:
                answer = act()
            case ("full", number):
                answer = full_at(number, act)
                if not answer:
                    self.standing.pop(who, None)
            case ("kill", number):
                killed_at(number, act, lines)
            case ("power", number, cut):
                ended, synced = killed_at(number, act, lines)
                assert ended != ENDED or synced == lines.stat().st_size, "answered, and not synced"
                self.lose_power(synced + cut)
        self.dirty = answer is None
        self.follow(who, request, answer)
        return answer

    def respond(self, who: str, request: Json) -> Json:
        """As serve.respond does; in a process that has waited, where one stands."""
        if who not in self.standing:
            return self.storage.ask(who, **request)
        return serve.decide(self.standing[who], self.storage.voyage, who, request).answer

    def follow(self, who: str, request: Json, answer: Json | None) -> None:
        """Have the model do what the journal says was done, and compare the answers."""
        new = [line for line in self.read_journal() if line["op"] != "sum"]
        known = (who, request.get("id", ""))
        assert [(line["who"], line["op"]) for line in new] in ([], [(who, request["op"])])
        if who not in ("captain", *self.model.crew):
            assert not new, "a ship that was let go made a change"
            code = "ship"
        elif known in self.answers:
            code, before = self.answers[known]
            assert not new, "a repeated request made a change"
            assert not (answer and before) or answer == before
        elif who == "captain" and (new or answer):
            code = self.model.order(request)
        elif new:
            made = new[0]["set"].get("claims", {}).values()
            latest = [c for c in made if c["number"] > len(self.model.claims)]
            assert len(latest) <= 1
            code = self.model.step(who, request, next(iter(latest), None), self.storage.now)
        else:
            assert not answer, f"{answer}, and no line in the journal"
            return
        if answer:
            assert (answer.get("code") or "ok") == code
            assert not answer.get("faults")
        if request.get("id") and (new or known in self.answers) and code not in WAITS:
            self.answers[known] = (code, kept(answer) or self.answers.get(known, (code, None))[1])

    def read_journal(self) -> list[Json]:
        """The new lines of the journal, the whole ones, by a reading of our own."""
        raw, new = b"".join(raw_lines(self.storage.folder)), list[Json]()
        assert raw.startswith(self.raw), "the journal is not as it was"
        for line in raw[len(self.raw) :].splitlines(keepends=True):
            with suppress(ValueError):
                new.append(json.loads(line if line.endswith(b"\n") else b""))
                self.raw += line
        self.lines += new
        return new

    # What ships do

    def number(self, ship: str, pick: int) -> Any:
        """A claim's number: the ship's own latest, or by `pick` some other."""
        own = [held.number for held in self.model.claims if held.ship == ship] or [7]
        return [own[-1], len(self.model.claims), own[0], 99, None][pick]

    def named(self, pick: int) -> str:
        """A ship of the fleet's; there is always one."""
        return [*self.model.crew][pick % len(self.model.crew)]

    def new_id(self) -> str:
        self.requests += 1
        return f"id-{self.requests}"

    def own_claim(self, ship: str, number: Any) -> Held | None:
        """The claim of a task that has this number, if it is the ship's."""
        known = type(number) is int and 0 < number <= len(self.model.claims)
        held = self.model.claims[number - 1] if known else None
        return held if held and held.ship == ship and held.task else None

    def commit_of(self, number: Any) -> str | None:
        """The commit of a claim's car, if it has one that has one."""
        car = self.model.line.car(number) if self.model.line else None
        return car.commit if car else None

    def push(self, held: Held, parent: str) -> str:
        """Push a commit to a claim's work ref, as git's hook lets its ship do."""
        ref = held.ref
        message = f"{ref}, {len(self.model.parents)}"
        commit = write_commit(self.storage.repo, self.tree, parent, message)
        path = self.storage.repo / "refs" / "heads" / ref
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"{commit}\n")
        self.model.refs[ref], self.model.parents[commit] = commit, parent
        return commit

    @rule(at=SHIP, anew=st.sampled_from([False, False, False, True]), crash=CRASH)
    def claim(self, at: int, anew: bool, crash: Any) -> None:
        ship = self.named(at)
        if anew:
            self.runs[ship] += 1
            self.standing.pop(ship, None)
        credentials = {"claude": self.credential(ship)}
        run = f"run-{self.runs[ship]}"
        answer = self.ask(ship, "claim", crash, run_id=run, credentials=credentials)
        if answer:
            held = next(iter(self.model.live(ship)), None)
            assert answer["claim"] == (held and held.number)
            if held and held.task:
                assert answer["task"]["id"] == held.task
                wrecks = [(wreck["number"], wreck["commit"]) for wreck in answer["wrecks"]]
                assert wrecks == self.model.wrecks(held.task)

    @rule(
        at=SHIP,
        pick=PICK,
        state=st.sampled_from(["working", "landing"]),
        checks=st.booleans(),
        crash=CRASH,
    )
    def beat(self, at: int, pick: int, state: str, crash: Any, checks: bool = True) -> None:
        ship = self.named(at)
        number, took = self.number(ship, pick), [*range(pick)]
        commit = (self.commit_of(number) or "f" * 40) if checks and self.model.line else None
        told = {"claim": number, "state": state, "delivered": took, "commit": commit}
        answer = self.ask(ship, "beat", crash, **told)
        if answer and answer["ok"]:
            car = self.model.line.car(number) if self.model.line else None
            assert answer["checking"] == bool(
                commit and car and car.commit == commit and not car.green
            )
            assert answer["hails"] == self.model.unheard(ship)
            over = self.model.claims[number - 1].over
            assert bool(answer["lost"]) == (over not in ("", "landed"))

    def credential(self, ship: str) -> str:
        """What tells a ship's credential from others; there are two in the fleet."""
        return f"digest-{int(ship.removeprefix('ship-')) % 2}"

    @rule(
        at=SHIP,
        pick=PICK,
        lasts_s=st.sampled_from([5, 40, 4_000]),
        passes_s=st.sampled_from([0, 1, 15, 45]),
        other=SHIP,
        crash=CRASH,
    )
    def limit(
        self, at: int, pick: int, lasts_s: float, passes_s: int, other: int, crash: Any
    ) -> None:
        """A ship begins, and tells that its credential has a limit; then another asks for work."""
        self.claim(at, anew=False, crash=None)
        ship = self.named(at)
        told = {"claim": self.number(ship, pick), "state": "limited", "delivered": []}
        until = self.storage.now + lasts_s
        self.ask(ship, "beat", crash, **told, until=until, credential=self.credential(ship))
        self.pass_time(passes_s)
        self.claim(other, anew=False, crash=None)

    @rule(at=SHIP)
    def save(self, at: int) -> None:
        """A ship brings to storage what it has so far, also when its claim is over."""
        claims = self.model.claims
        own = [held for held in claims if held.ship == self.named(at) and held.task]
        if own:
            self.push(own[-1], self.model.heads[-1])

    @rule(
        at=SHIP,
        pick=PICK,
        how=st.sampled_from(["good", "good", "nothing", "stale", "unpushed", "foreign"]),
        base=st.sampled_from(["", "", "head", "start"]),
        state=st.sampled_from(["working", "landing", "landing", "landing"]),
        crash=CRASH,
        goes_on=st.booleans(),
    )
    def land(
        self,
        at: int,
        pick: int,
        how: str,
        base: str,
        state: str,
        crash: Any,
        goes_on: bool = False,
    ) -> None:
        """A ship lands its work, and asks at once for what is next if it `goes_on`."""
        ship, heads = self.named(at), self.model.heads
        number = self.number(ship, pick)
        held = self.own_claim(ship, number)
        commit: str | None = heads[-1]
        if how == "nothing" and held:
            commit = None
        elif how == "foreign":
            commit = next(iter(self.model.refs.values()), heads[0])
        elif how == "good" and self.commit_of(number):
            commit = self.commit_of(number)
        elif held:
            base_of = {"stale": heads[0], "good": heads[-1]}
            commit = self.push(held, base_of[how]) if how in base_of else "f" * 40
        bases = {"head": {"base_commit": heads[-1]}, "start": {"base_commit": heads[0]}}.get(
            base, {}
        )
        run = {"run_id": f"run-{self.runs[ship]}"} if goes_on else {}
        told = {"claim": number, "commit": commit, "state": state, "id": self.new_id()}
        answer = self.ask(ship, "land", crash, **told, **bases, **run)
        if answer and answer["ok"]:
            assert answer["head"] == self.model.heads[-1]
            live = [held.number for held in self.model.live(ship)] if goes_on else []
            assert [grant["claim"] for grant in [answer["next"]] if grant] == live

    @precondition(lambda self: self.model.line)
    @rule(
        at=SHIP,
        pick=PICK,
        how=st.sampled_from(["", "good", "good", "good", "stale", "unpushed", "off"]),
        crash=CRASH,
    )
    def enter(self, at: int, pick: int, how: str, crash: Any) -> None:
        """A ship asks for its base, and perhaps says at once what it has on top of that."""
        ship = self.named(at)
        number = self.number(ship, pick)
        self.ask_to_enter(ship, number, None if how else crash)
        held, base = self.own_claim(ship, number), self.bases.get(ship, "")
        if how and held and base:
            base_of = {"good": base, "off": base, "stale": self.model.heads[0]}
            commit = self.push(held, base_of[how]) if how in base_of else "f" * 40
            told = {"commit": commit, "base_commit": self.model.heads[0] if how == "off" else base}
            self.ask_to_enter(ship, number, crash, **told)

    def ask_to_enter(self, ship: str, number: Any, crash: Any, **fields: Any) -> None:
        told = {"claim": number, "state": "landing", "id": self.new_id(), **fields}
        answer = self.ask(ship, "enter", crash, **told)
        if answer and answer["ok"]:
            assert self.model.line
            car = self.model.line.car(number)
            assert car
            assert car.base == answer["base"]
            ahead = self.model.line.cars[: self.model.line.cars.index(car)]
            assert answer["ahead"] == [each.commit for each in ahead]
            self.bases[ship] = answer["base"]

    @precondition(lambda self: self.model.line)
    @rule(
        at=SHIP,
        pick=PICK,
        why=st.sampled_from(["red", "red", "conflict", "conflict", "berth", ""]),
        on=st.sampled_from(["base", "base", "base", "head", "last", "nothing", ""]),
        crash=CRASH,
    )
    def leave(self, at: int, pick: int, why: str, on: str, crash: Any) -> None:
        ship, heads = self.named(at), self.model.heads
        last = [car.commit for car in self.model.line.cars if car.commit] if self.model.line else []
        commits = {"base": self.bases.get(ship, ""), "head": heads[-1], "nothing": "f" * 40}
        commit = commits.get(on, "") if on != "last" else [heads[0], *last][-1]
        told = {"claim": self.number(ship, pick), "why": why, "on": commit, "state": "landing"}
        answer = self.ask(ship, "leave", crash, **told, id=self.new_id())
        if answer and answer["ok"]:
            assert answer["landed"] == (commit in heads)

    @rule(
        at=SHIP,
        pick=PICK,
        fault=st.sampled_from([*AGENTS_FAULT, "", "infrastructure", "spent", "refused"]),
        crash=CRASH,
    )
    def release(self, at: int, pick: int, fault: str, crash: Any) -> None:
        ship = self.named(at)
        number = self.number(ship, pick)
        told = {"claim": number, "fault": fault, "why": "it broke", "id": self.new_id()}
        self.ask(ship, "release", crash, **told)

    @precondition(lambda self: len(self.model.tasks) < 9)
    @rule(at=SHIP, pick=PICK, crash=CRASH)
    def add(self, at: int, pick: int, crash: Any) -> None:
        ship = self.named(at)
        told = {"claim": self.number(ship, pick), "task": {"subject": "More"}, "id": self.new_id()}
        self.ask(ship, "add", crash, **told)

    @precondition(lambda self: self.past)
    @rule(back=st.integers(1, 8), crash=CRASH)
    def repeat(self, back: int, crash: Any) -> None:
        """A request comes once more, because its answer was lost, or very late."""
        self.ask_again(*self.past[-min(back, len(self.past))], crash)

    @rule(at=SHIP)
    def work(self, at: int) -> None:
        """A ship does what it is there for, and nothing comes in between."""
        self.claim(at, anew=False, crash=None)
        self.board(at)
        self.land(at, 0, "good", "head", "landing", None)

    def board(self, at: int) -> None:
        """A ship enters the train, if there is one, and begins its check."""
        if self.model.line:
            self.enter(at, 0, "good", None)

    @precondition(lambda self: self.model.line)
    @rule(
        order=st.permutations(range(6)),
        red=st.none() | SHIP,
        why=st.sampled_from(["red", "conflict", "", "dies"]),
    )
    def travel(self, order: list[int], red: int | None, why: str) -> None:
        """All ships check at once; one of them leaves, and the others are done in any order."""
        self.muster()
        for at in range(len(self.model.crew)):
            self.board(at)
        if red is not None and why == "dies":
            self.claim(red, anew=True, crash=None)
        elif red is not None:
            self.leave(red, 0, why, "base", None)
        for at in order[: len(self.model.crew)]:
            self.land(at, 0, "good", "head", "landing", None)

    @precondition(lambda self: self.model.line)
    @rule(at=SHIP, twice=st.booleans())
    def be_overtaken(self, at: int, twice: bool) -> None:
        """A ship's work is in conflict with what is ahead of it, perhaps again."""
        for _ in range(1 + twice):
            self.board(at)
            self.leave(at, 0, "conflict", "last", None)

    @precondition(lambda self: self.model.line)
    @rule(at=SHIP, silent=SHIP)
    def fall_silent(self, at: int, silent: int) -> None:
        """All ships are heard but one; then another asks what became of the train."""
        for _ in range(2):
            self.pass_time(LEASE // 6 + 1)
            for each in range(len(self.model.crew)):
                if self.named(each) != self.named(silent):
                    self.beat(each, 0, "landing", None)
        self.enter(at, 0, "", None)

    @rule()
    def muster(self) -> None:
        """All ships ask for something to do."""
        for at in range(len(self.model.crew)):
            self.claim(at, anew=False, crash=None)

    @rule(one=SHIP, two=SHIP, how=st.sampled_from(["unpushed", "stale", "good"]))
    def race(self, one: int, two: int, how: str) -> None:
        """Two ships land at once, and one of them not at the first go."""
        self.muster()
        for at, kind in ((one, how), (two, "good"), (one, "good")):
            self.land(at, 0, kind, "head", "landing", None)

    @rule(at=SHIP)
    def be_alone(self, at: int) -> None:
        """For longer than a lease no other ship calls."""
        for _ in range(6):
            self.pass_time(LEASE // 4 + 1)
            self.beat(at, 0, "working", None)

    @rule(at=SHIP, fault=st.sampled_from(["infrastructure", "refused"]))
    def break_down(self, at: int, fault: str) -> None:
        """A ship cannot do what it is handed, whatever that is."""
        for _ in range(BREAKING + 1):
            self.claim(at, anew=False, crash=None)
            told = {"claim": self.number(self.named(at), 0), "fault": fault, "why": "no disk"}
            self.ask(self.named(at), "release", None, **told, id=self.new_id())
            self.pass_time(1)

    @rule(at=SHIP, times=st.integers(2, 5))
    def die_of_it(self, at: int, times: int) -> None:
        """Whatever a ship is handed takes it down."""
        for _ in range(times):
            self.claim(at, anew=True, crash=None)

    @rule(at=SHIP)
    def die_of_the_verification(self, at: int) -> None:
        """All is done that can be, and then verify.sh kills one ship after the other."""
        while len(self.model.ready()) > 0 and self.model.may_try(self.named(at)):
            self.claim(at, anew=False, crash=None)
            self.land(at, 0, "nothing", "", "working", None)
        for ship in range(2 * len(self.model.crew)):
            self.claim(ship, anew=True, crash=None)

    @rule(at=SHIP)
    def wait(self, at: int) -> None:
        """The process that answers the ship's requests is from now on one that began here."""
        ship = self.named(at)
        self.standing[ship] = self.storage.journal()
        with self.standing[ship].locked():
            self.dirty = False

    # What the captain does

    def order(self, op: str, crash: Any, **fields: Any) -> Json | None:
        signed = {"by": "Ann@laptop", "why": "because", "id": self.new_id()}
        return self.ask("captain", op, crash, **signed, **fields)

    @rule(op=st.sampled_from(["pause", "resume", "resume", "halt", "fsck"]), crash=CRASH)
    def steer(self, op: str, crash: Any) -> None:
        self.order(op, crash)

    @rule(pick=st.integers(0, 9), op=st.sampled_from(["retry", "release"]), crash=CRASH)
    def see_to_a_task(self, pick: int, op: str, crash: Any) -> None:
        ids = [*self.model.tasks, *["verify"] * (op == "retry")]
        self.order(op, crash, task=ids[pick % len(ids)])

    @precondition(lambda self: len(self.model.tasks) < 9)
    @rule(
        pick=st.none() | st.integers(0, 9),
        behind=st.sets(st.integers(0, 9), max_size=2),
        crash=CRASH,
    )
    def edit(self, pick: int | None, behind: set[int], crash: Any) -> None:
        ids = [*self.model.tasks]
        named = {} if pick is None else {"task": ids[pick % len(ids)]}
        blockers = sorted({ids[each % len(ids)] for each in behind})
        self.order("edit_task", crash, fields={"subject": "Other", "blockedBy": blockers}, **named)

    @rule(at=SHIP, everybody=st.booleans(), crash=CRASH)
    def hail(self, at: int, everybody: bool, crash: Any) -> None:
        self.order("hail", crash, ship="" if everybody else self.named(at), text="Look here")

    @precondition(lambda self: [*self.model.crew.values()].count(False) > 1)
    @rule(at=SHIP, crash=CRASH)
    def relieve(self, at: int, crash: Any) -> None:
        self.order("relieve", crash, ship=self.named(at))

    @precondition(lambda self: len(self.model.crew) < 6)
    @rule(at=st.none() | SHIP, force=st.booleans(), crash=CRASH)
    def reinforce(self, at: int | None, force: bool, crash: Any) -> None:
        """There is one ship more, perhaps in the place of another."""
        gone, known = [] if at is None else [self.named(at)], {*self.model.crew}
        told = {"lost": gone, "add": 1, "replace": False, "force": force}
        answer = self.order("update_ships", crash, **told)
        if answer:
            assert {*answer["new"]} == self.model.crew.keys() - known

    @precondition(lambda self: len(self.model.crew) < 6)
    @rule(first=CRASH, second=CRASH)
    def reinforce_at_once(self, first: Any, second: Any) -> None:
        """Two captains, who both found that no ship answers, replace those that are lost."""
        everybody, before = [*self.model.crew], len(self.model.crew)
        told = {"lost": everybody, "add": 0, "replace": True, "force": False}
        self.order("update_ships", first, **told)
        self.order("update_ships", second, **told)
        assert len(self.model.crew) == before, "a ship was replaced twice"

    # What comes over storage

    @rule(seconds=st.sampled_from(JUMPS), asleep=st.booleans())
    def pass_time(self, seconds: int, asleep: bool = False) -> None:
        """Time passes, and storage sleeps meanwhile, or is awake; no clock goes back that counts
        for how long it is."""
        before = self.storage.now
        self.storage.now = max(1.0, before + seconds)
        if asleep or seconds < 0:
            self.storage.slept += self.storage.now - before
        self.look_at_the_clock()

    def look_at_the_clock(self) -> None:
        """Let the model know what the time is."""
        self.model.moment = (self.storage.boots, self.storage.awake())

    def lose_power(self, size: int) -> None:
        """Only what was synced is there after the next boot: of the journal no more than `size`,
        and of what follows from it nothing but the branch, which git syncs."""
        if self.storage.journal_file.stat().st_size > size:
            os.truncate(self.storage.journal_file, size)
        self.storage.boots, self.dirty = self.storage.boots + 1, True
        self.standing.clear()
        for path in self.storage.tasks_folder.glob("[!.]*.json"):
            stamp = path.lstat().st_mtime_ns
            path.unlink()
            path.touch()
            os.utime(path, ns=(stamp, stamp))
        for place in (self.storage.folder / "ships", self.storage.folder / "allowed"):
            shutil.rmtree(place, ignore_errors=True)
        (self.storage.folder / "ships").mkdir()
        branch = self.storage.repo / "refs" / "heads" / VOYAGE
        branch.with_name(f"{VOYAGE}.lock").touch()

    @rule(crash=CRASH)
    def sum_up(self, crash: Any) -> None:
        """The journal is begun anew; what it was is kept beside it, and compressed later."""

        def act() -> None:
            with (journal := self.storage.journal()).locked():
                for part in parts.plain_parts(journal):
                    parts.compress(part)
                journal.sum_up()

        self.dirty = crash is not None
        match crash:
            case ("kill" | "power", number, *_):
                killed_at(number, act, self.storage.journal_file)
            case ("full", number):
                full_at(number, act)
            case None:
                act()
        assert {line["op"] for line in self.read_journal()} <= {"sum"}

    @rule(kind=st.sampled_from(DAMAGE), pick=st.integers(0, 9), cut=st.integers(1, 400))
    def damage(self, kind: str, pick: int, cut: int) -> None:
        """Somebody's hand, or a torn write."""
        folder, self.dirty = self.storage.folder, True
        path = self.storage.tasks_folder / f"{1 + pick % len(self.model.tasks)}.json"
        if kind == "power":
            self.lose_power(self.storage.journal_file.stat().st_size)
        elif kind in ("state.json", "lock"):
            (folder / kind).write_bytes([b"", b"{", b"[]", b"99", bytes(20)][pick % 5])
        elif kind == "a torn line" and b"".join(raw_lines(self.storage.folder)) == self.raw:
            torn = self.raw.splitlines(keepends=True)[-1][:-1][:cut]
            with self.storage.journal_file.open("ab") as lines:
                lines.write([torn, bytes(cut), b"\n", torn + b"\n"][pick % 4 if cut < 100 else 0])
        elif kind in ("a link", "a torn line") or not path.is_file():
            path.unlink(missing_ok=True)
            path.symlink_to("nowhere")
        elif kind == "deleted":
            path.unlink()
        else:
            whole = path.read_bytes()
            bodies = {"torn": whole[:cut], "emptied": b"", "nonsense": b'{"status": "completed"}'}
            path.write_bytes(bodies[kind])

    # What must hold

    @invariant()
    def the_journal_is_as_the_model_has_it(self) -> None:
        """Whatever happened just now, what the journal's whole lines say is what was to happen."""
        assert [line["seq"] for line in self.lines] == [*range(1, len(self.lines) + 1)]
        state, model = fold(self.lines), self.model
        claims = state["claims"]
        assert [*claims] == [str(held.number) for held in model.claims]
        for held, claim in zip(model.claims, claims.values(), strict=True):
            told = (claim["ship"], claim["run_id"], claim["task"], claim["state"])
            assert told == (held.ship, held.run, held.task, held.over or "live")
        live = [held.task for held in model.live()]
        assert len(set(live)) == len(live), "a task, or the verification, is held twice"
        assert len({held.ship for held in model.live()}) == len(live), "a ship holds two claims"
        for task_id, now in state["tasks"].items():
            work, notes = model.tasks[task_id], now["metadata"]
            at = "completed" if work.done else "in_progress" if task_id in live else "pending"
            assert (now["status"], bool(notes.get("failed"))) == (at, work.failed and not work.done)
            counted = (notes.get("attempts", 0), notes.get("interruptedBy", []))
            assert (counted, notes.get("commit")) == (
                (work.attempts, work.interrupted),
                work.commit,
            )
            landed = [
                held for held in model.claims if held.task == task_id and held.over == "landed"
            ]
            assert len(landed) == work.done, "a task is completed once"
            assert not work.commit or model.descends(model.heads[-1], work.commit)
        self.look_at_the_branch(state)
        assert state["meta"].get("verify_interrupted_by", []) == model.verify_interrupted
        assert state["ships"].keys() == model.crew.keys()
        for name, ship in state["ships"].items():
            trouble, broken = ship.get("trouble"), ship.get("broken")
            assert (trouble and (trouble["count"], trouble["at"])) == model.trouble.get(name)
            assert (broken and (broken["until"], broken["refused"])) == model.broken.get(name)

    def look_at_the_branch(self, state: Json) -> None:
        """It goes forward, and the train to it is as the model has it, and in order; if there is
        one, nothing ever landed that was not green."""
        model, train = self.model, state["meta"].get("train")
        assert state["meta"]["head"] == model.heads[-1]
        for before, after in pairwise(model.heads):
            assert model.descends(after, before)
        if not model.line:
            assert train is None
            return
        for before, after in pairwise(model.heads):
            assert model.parents[after] == before, "it was checked on something else"
            assert after in model.checked, "it landed, and was not green"
        assert as_stored(train, model.line) == in_words(model.line)
        cars = train["cars"] if train else []
        places = [*(car["claim"] for car in cars), *(train["queue"] if train else [])]
        assert len(set(places)) == len(places), "a claim is in the train twice"
        assert {*places} <= {held.number for held in model.live() if held.task}
        assert 1 <= model.line.window <= model.line.most
        ahead: str | None = model.heads[-1]
        for car in cars:
            assert car["base"] == ahead, "it is based on what is not ahead"
            assert not car["commit"] or model.parents[car["commit"]] == ahead
            assert car["commit"] or not car["green"]
            ahead = car["commit"]
        assert not (cars and cars[0]["green"]), "what is green and the first has landed"

    @invariant()
    def storage_is_as_the_journal_has_it(self) -> None:
        """After any call that got to its end, files, branch and `status` agree with it."""
        if self.dirty:
            return
        storage, state, model = self.storage, fold(self.lines), self.model
        seen = storage.order("status")
        assert storage.sections() == state
        assert not self.read_journal(), "a look changed something"
        assert storage.tasks() == state["tasks"]
        assert (storage.repo / "refs" / "heads" / VOYAGE).read_text().strip() == model.heads[-1]
        log = (storage.repo / "logs" / "refs" / "heads" / VOYAGE).read_text().splitlines()
        been = [line.split()[1] for line in log]
        moved = [model.heads[0], *model.moved]
        assert [*dict.fromkeys(been)] == moved, "only landings move the branch"
        self.look_at_the_clock()
        assert seen["state"] == model.state()
        model.now = storage.now
        for ship in seen["ships"]:
            if ship["state"] == "limited" and not model.live(ship["id"]):
                assert model.held_up(ship["id"]), "a ship is shown as limited that is not"
        works = model.tasks.values()
        assert seen["tasks"]["completed"] == sum(work.done for work in works)
        assert seen["tasks"]["failed"] == sum(work.failed and not work.done for work in works)
        assert seen["tasks"]["in_progress"] == len([h for h in model.live() if h.task])
        assert (storage.folder / "artifacts" / "voyage-complete.marker").exists() == bool(
            model.passed
        )
        allowed = storage.folder / "allowed"
        ours = {f"{h.ship}/refs/heads/work/{h.task}-{h.number}" for h in model.claims if h.task}
        assert {str(p.relative_to(allowed)) for p in allowed.rglob("*-*") if p.is_file()} == ours

    def finish_voyage(self) -> None:
        """Whatever came before, ships that now simply work bring the voyage to its end."""
        self.standing.clear()
        self.steer("resume", None)
        self.reinforce(None, force=False, crash=None)
        if self.model.line:
            self.all_ride()
        quiet = 0
        while quiet < 2:  # what a ship gives back in the first, another may take in the second
            before = len(self.model.claims)
            for at in range(len(self.model.crew)):
                self.pass_time(1)
                self.claim(at, anew=True, crash=None)
                self.land(at, 0, "nothing", "", "working", None)
            quiet = 0 if len(self.model.claims) > before else quiet + 1
        assert self.model.state() in ("complete", "failed")
        self.steer("fsck", None)
        self.storage_is_as_the_journal_has_it()

    def all_ride(self) -> None:
        """Whatever the train was like, ships that begin anew land by it, one after the other."""
        for at in range(len(self.model.crew)):
            self.claim(at, anew=True, crash=None)
        for held in self.model.live():
            if held.task:
                at = [*self.model.crew].index(held.ship)
                self.board(at)
                self.land(at, 0, "good", "head", "landing", None)
                assert held.over == "landed"


@rules.rule("R1", "R2", "R3", "R4", "R5", "R7", "R8", "R9", "R11", "R13", "R18", "R19", "R24")
@rules.rule("R25", "R26", "R27", "R28", "R31", "R32", "R33", "R34", "R35", "R37", "R38", "R39")
@rules.rule("R40", "R41", "R42", "R43", "R44", "R45", "R46", "R47", "R55", "R60", "R61", "R62")
@rules.rule("R64", "R65", "R66", "R67", "R68", "R69", "R70", "R72", "R73", "R74", "R75", "R76")
@rules.rule("R77", "R78", "R79", "R80", "R81", "R125", "R126", "R127", "R128", "R170", "R171")
@rules.rule("R51", "R142", "R143", "R146", "R147", "R148")
@pytest.mark.timeout(3_600)
def test_the_protocol_keeps_its_promises(tmp_path: Path, is_long: bool):
    """Through any interleaving of requests, lost answers, crashes, damage and jumps of the clock,
    what is promised holds, and the voyage can still be brought to its end."""
    small = template(tmp_path)
    for spare in ("voyage/lib", "voyage/repo.git/hooks"):
        shutil.rmtree(small / spare)
    machine = type("Protocol", (Protocol,), {"template": small})
    voyages = 2_000 if is_long else 50
    length = settings(max_examples=voyages, stateful_step_count=30)
    run_state_machine_as_test(machine, settings=length)
