"""`python -m chaos`: sail, break, audit, and print the tally."""

import argparse
import random
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.__main__ import machine, paragraph
from bench.world import Json, Trouble, World, stop, undisturbed
from ocaptain.onboard import process

from . import orders, reclaim, tasks
from .audit import audit, gather
from .fleet import Fleet
from .storm import Storm
from .tally import Tally, table
from .watch import Watch

CALM_S, PER_TASK_S = 180.0, 4.0
DOCUMENT = Path(__file__).parent.parent / "docs" / "reliability.md"


def main() -> int:
    """Exit status 1 where a promise was broken, 2 where it could not be tried, 130 interrupted."""
    given = arguments()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        with private() as world:
            name, page = reclaimed(world, given) if given.reclaim else run(world, given)
    except KeyboardInterrupt:
        print("chaos: stopped; nothing is left", file=sys.stderr)
        return 130
    except Trouble as trouble:
        print(f"chaos: {trouble}", file=sys.stderr)
        return 2
    if given.write:
        place = re.compile(f"(?<=<!-- script/chaos{name} -->\n).*?(?=<!-- end -->)", re.DOTALL)
        # Once: an empty place would be found again, up to the end of the next.
        DOCUMENT.write_text(place.sub(lambda _: f"\n{page}\n\n", DOCUMENT.read_text(), count=1))
    return 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="script/chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long there are faults")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one after the other")
    parser.add_argument("--ships", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=200, help="of each voyage")
    leases: Json = {"type": float, "nargs": "*", "metavar": "LEASE_S", "default": []}
    why = "instead measure how soon another ship has a dead one's task, with these leases (10 60)"
    parser.add_argument("--reclaim", **leases, help=why)
    parser.add_argument("--write", action="store_true", help=f"into docs/{DOCUMENT.name}")
    given = parser.parse_args()
    given.reclaim = (given.reclaim or [10, 60]) if "--reclaim" in sys.argv else []
    return given


def reclaimed(world: World, given: argparse.Namespace) -> tuple[str, str]:
    """Measure reclaim time: what it is called in the document, and the table."""
    page = f"{paragraph(machine())}\n\n{reclaim.table(world, given.reclaim)}"
    print(page)
    return " --reclaim", page


def run(world: World, given: argparse.Namespace) -> tuple[str, str]:
    """Sail voyages until the time is up, for each seed: the same for the tally. Raises Kept."""
    tallies, repo = dict[int, Tally](), tasks.repository(world)
    for seed in given.seed:
        tally = tallies[seed] = Tally()
        ends = time.monotonic() + given.minutes * 60
        while not tally.violations and (not tally.counted or time.monotonic() < ends):
            sail(world, given, repo, f"{seed}/{tally.counted['voyages']}", ends, tally)
        if tally.violations:
            break
    what = f"{given.ships} ships, {given.minutes:g} minutes of faults for each seed"
    page = f"{paragraph(f'{machine()}; {what}')}\n\n{table(tallies)}"
    print(page)
    for violation in tally.violations:
        print(f"VIOLATION: {violation}")
    if tally.violations:
        raise Kept
    return "", page


def sail(
    world: World, given: argparse.Namespace, repo: str, seed: str, ends: float, tally: Tally
) -> None:
    """One voyage, from its sail to its audit."""
    scratch = Path(tempfile.mkdtemp(prefix="tried-", dir=world.folder))
    listed = tasks.listed(given.tasks, random.Random(seed), scratch)
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
    voyages = world.voyages()
    for voyage in voyages:
        Fleet(world, voyage).abandon()
    process.kill_marked(world.mark)
    local = world.folder / "data" / "ocaptain" / "local"
    temporary = " ".join(f"/tmp/{voyage}-*" for voyage in voyages)  # noqa: S108 - to be typed
    print(f"kept: {local}\nto remove it: rm -rf {world.folder} {temporary}")


if __name__ == "__main__":
    sys.exit(main())
