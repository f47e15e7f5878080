"""`python -m chaos`: sail, break, audit, and print the tally."""

import argparse
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.__main__ import machine
from bench.world import Json, Trouble, World, stop, undisturbed
from ocaptain.onboard import process

from . import orders, reclaim, tasks
from .audit import Evidence, audit, gather
from .fleet import Fleet
from .storm import Storm
from .watch import Watch

CALM_S, PER_TASK_S = 180.0, 4.0


@dataclass
class Tally:
    """What was done to how much, and what came of it."""

    counted: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, found: Evidence) -> None:
        """Take in a voyage that has been audited."""
        claims = found.final["claims"].values()
        start, head = found.lines[0]["set"]["meta"]["head"], found.final["meta"]["head"]
        refs = found.fleet.work_refs()
        landed = {
            f"refs/heads/work/{c['task']}-{c['number']}" for c in claims if c["state"] == "landed"
        }
        self.counted["voyages"] += 1
        self.counted["tasks completed"] += len(found.final["tasks"])
        self.counted["claims"] += len(claims)
        for state in sorted({claim["state"] for claim in claims}):
            self.counted[f"… {state}"] += sum(claim["state"] == state for claim in claims)
        self.counted["wrecks"] += len(refs.keys() - landed)
        self.counted["commits"] += int(found.fleet.git("rev-list", "--count", f"{start}..{head}"))
        self.counted["looks at status"] += len(found.watch.looks)
        self.counted["… unanswered"] += sum(look.seen is None for look in found.watch.looks)
        self.counted["orders"] += len(found.fleet.ordered)
        self.counted["… that failed"] += sum(done.status != 0 for done in found.fleet.ordered)

    def text(self) -> str:
        """The tally, as two tables for a document."""
        rows = [
            *self.counted.items(),
            ("faults", self.faults.total()),
            ("violations", len(self.violations)),
        ]
        counted = "\n".join(f"| {what} | {number:,} |" for what, number in rows)
        faults = "\n".join(f"| {kind} | {number} |" for kind, number in sorted(self.faults.items()))
        return f"{heads('what', 'how many')}{counted}\n\n{heads('fault', 'times')}{faults}"


def heads(*words: str) -> str:
    """The head of a table."""
    return f"| {' | '.join(words)} |\n|{' --- |' * len(words)}\n"


def main() -> int:
    """Exit status 1 where a promise was broken, 2 where it could not be tried, 130 interrupted."""
    more = (
        "--reclaim measures how soon another ship has a dead one's task, for these leases (10, 60)"
    )
    parser = argparse.ArgumentParser(prog="script/chaos", description=__doc__, epilog=more)
    parser.add_argument("--minutes", type=float, default=10, help="how long there are faults")
    parser.add_argument("--seed", type=int, default=1, help="chooses the faults")
    parser.add_argument("--ships", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=200, help="of each voyage")
    leases: Json = {"type": float, "nargs": "*", "metavar": "LEASE_S", "help": "see below"}
    parser.add_argument("--reclaim", **leases)
    given = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        with private() as world:
            if given.reclaim is not None:
                rows = reclaim.table(world, given.reclaim or (10, 60))
                print(f"{machine()}\n\n{rows}")
                return 0
            return run(world, given)
    except KeyboardInterrupt:
        return 130
    except Trouble as trouble:
        print(f"chaos: {trouble}", file=sys.stderr)
        return 2


def run(world: World, given: argparse.Namespace) -> int:
    """Sail voyages until the time is up; exit status."""
    tally, ends = Tally(), time.monotonic() + given.minutes * 60
    repo = tasks.repository(world)
    while not tally.violations and (not tally.counted or time.monotonic() < ends):
        number = tally.counted["voyages"]
        sail(world, given, repo, f"{given.seed}/{number}", ends, tally)
    print(
        f"seed {given.seed}, {given.minutes:g} minutes of faults, {given.ships} ships; {machine()}"
    )
    print(f"\n{tally.text()}")
    for violation in tally.violations:
        print(f"VIOLATION: {violation}")
    if tally.violations:
        raise Kept
    return 0


def sail(
    world: World, given: argparse.Namespace, repo: str, seed: str, ends: float, tally: Tally
) -> None:
    """One voyage, from its sail to its audit."""
    scratch = Path(tempfile.mkdtemp(prefix="tried-", dir=world.folder))
    listed = tasks.listed(given.tasks, random.Random(seed), scratch)
    (scratch / "antidote").touch()
    fleet = Fleet(world, world.sail(tasks.plan(world, listed, repo), given.ships).id)
    say(f"{fleet.id} is under way, seed {seed}")
    with Watch(fleet) as watch:

        def captain() -> None:
            orders.answer(fleet, scratch, watch.last)

        def over() -> bool:
            return time.monotonic() > ends or world.completed(fleet.id)

        Storm(fleet, seed, say, tally.faults).rage(over, captain)
        end(fleet, captain, tally)
    watch.look()
    unanswered = [look.done for look in watch.looks if look.seen is None]
    failed = [done for done in fleet.ordered if done.status]
    for told in sorted({f"{done.words[0]}: {done.err.strip()}" for done in unanswered + failed}):
        say(f"could not be had: {told}")
    found = gather(fleet, watch, {task["id"]: task["id"] for task in listed} | fleet.added)
    tally.add(found)
    tally.violations += audit(found)
    if not tally.violations:
        world.sink()


def end(fleet: Fleet, captain: Callable[[], object], tally: Tally) -> None:
    """Wait for a voyage to end by itself, or with what the captain does where it has failed."""
    say("no more faults")
    left = sum(task["status"] != "completed" for task in fleet.tasks().values())
    ends = time.monotonic() + CALM_S + PER_TASK_S * left
    while not fleet.world.completed(fleet.id):
        if time.monotonic() > ends:
            tally.violations.append(f"{fleet.id} did not end by itself, with {left} tasks to do")
            return
        time.sleep(1)
        captain()


def say(text: str) -> None:
    """Log what is done, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Kept(Exception):
    """There is something to be looked at."""


@contextmanager
def private() -> Iterator[World]:
    """A world that is gone afterwards, with all that ran in it, unless it is to be looked at."""
    folder = Path(tempfile.mkdtemp(prefix="occ-"))
    world = World(folder)
    try:
        yield world
    except Kept:
        with undisturbed():
            keep(world)
        sys.exit(1)
    except BaseException:
        with undisturbed():
            remove(world)
        raise
    remove(world)


def remove(world: World) -> None:
    """End all that runs, and remove all files."""
    world.sink()
    shutil.rmtree(world.folder)


def keep(world: World) -> None:
    """End all that runs, and say where the files are."""
    for voyage in world.voyages():
        Fleet(world, voyage).abandon()
    process.kill_marked(world.mark)
    local = world.folder / "data" / "ocaptain" / "local"
    print(f"kept: {local}\nto remove it: rm -rf {world.folder} /tmp/voyage-*")


if __name__ == "__main__":
    sys.exit(main())
