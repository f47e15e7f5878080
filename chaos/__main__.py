"""`python -m chaos`: sail, break, audit, and print the tally."""

import argparse
import random
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench.conditions import machine, paragraph
from bench.world import Skipper, stop_on_signals, undisturbed
from tests.support.captain import clear_away, make_captain
from tests.support.machine import Trouble

from . import orders, reclaim, tasks
from .audit import audit, gather
from .lookout import Lookout
from .storm import Storm
from .tally import Tally, table
from .victim import Victim, have_disks_fill

CALM_S = 180.0
PER_TASK_S = 4.0
"""How long a voyage may take to its end once there are no more faults: at least, and for each task
that is left."""
DEADLY_VERIFICATIONS = (0, 1, 2)
"""How often `verify.sh` first takes its ship down."""
DOCUMENT = Path(__file__).parent.parent / "docs" / "reliability.md"


class Kept(Exception):
    """There is something to be looked at."""


def main() -> int:
    """Exit status 1 if a promise was broken, 2 if it could not be tried, 130 if interrupted."""
    options = arguments()
    stop_on_signals()
    try:
        with new_skipper() as captain:
            if options.reclaim is None:
                page = batter(captain, options)
            else:
                page = measure_reclaim(captain, options.reclaim or [10, 60])
    except KeyboardInterrupt:
        print("chaos: stopped; nothing is left", file=sys.stderr)
        return 130
    except Trouble as trouble:
        print(f"chaos: {trouble}", file=sys.stderr)
        return 2
    if options.write:
        write(page, "" if options.reclaim is None else " --reclaim")
    return 0


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="script/chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="how long there are faults")
    parser.add_argument("--seed", type=int, nargs="+", default=[1], help="one after the other")
    parser.add_argument("--ships", type=int, default=8)
    parser.add_argument("--tasks", type=int, default=200, help="of each voyage")
    parser.add_argument(
        "--checks",
        choices=("half", "all", "none"),
        default="half",
        help="which plans have a check (%(default)s)",
    )
    parser.add_argument(
        "--reclaim",
        type=float,
        nargs="*",
        metavar="LEASE_S",
        help="instead measure how soon another ship has a dead one's task, "
        "with these leases (10 60)",
    )
    parser.add_argument("--write", action="store_true", help=f"into docs/{DOCUMENT.name}")
    return parser.parse_args()


def write(page: str, option: str, document: Path = DOCUMENT) -> None:
    """Put a page into a document, in the place of the one there."""
    place = re.compile(f"(?<=<!-- script/chaos{option} -->\n).*?(?=<!-- end -->)", re.DOTALL)
    # Once: an empty place would be found again, up to the end of the next.
    document.write_text(place.sub(lambda _: f"\n{page}\n\n", document.read_text(), count=1))


def measure_reclaim(captain: Skipper, leases_s: list[float]) -> str:
    """Measure reclaim time, and return the page about it."""
    page = f"{paragraph(machine())}\n\n{reclaim.table(captain, leases_s)}"
    print(page)
    return page


def batter(captain: Skipper, options: argparse.Namespace) -> str:
    """Sail voyages until the time is up, for each seed, and return the page about it. Raises Kept
    if a promise was broken."""
    repo = tasks.repository(captain)
    have_disks_fill(captain)
    tallies: dict[int, Tally] = {}
    for seed in options.seed:
        tallies[seed] = Tally()
        ends = time.monotonic() + options.minutes * 60
        while not tallies[seed].counted or time.monotonic() < ends:
            number = tallies[seed].counted["voyages"]
            run = Run(captain, repo, f"{seed}/{number}", tallies[seed], ends)
            is_checked = has_check(options.checks, seed + number)
            run.sail(options.tasks, options.ships, is_checked=is_checked)
            if tallies[seed].violations:
                show(options, tallies)
                raise Kept
    return show(options, tallies)


def has_check(which: str, number: int) -> bool:
    """Whether the plan of a voyage has a check."""
    return which == "all" or (which == "half" and number % 2 == 1)


def show(options: argparse.Namespace, tallies: dict[int, Tally]) -> str:
    """Print the page about what was done so far, and return it."""
    setting = f"{options.ships} ships, {options.minutes:g} minutes of faults for each seed"
    page = f"{paragraph(f'{machine()}; {setting}')}\n\n{table(tallies)}"
    print(page)
    for tally in tallies.values():
        for violation in tally.violations:
            print(f"VIOLATION: {violation}")
    return page


class Run:
    """One voyage, from its sail to its audit; faults end at `ends` (of time.monotonic)."""

    def __init__(self, captain: Skipper, repo: Path, seed: str, tally: Tally, ends: float) -> None:
        self.captain = captain
        self.repo = repo
        self.seed = seed
        self.tally = tally
        self.ends = ends
        self.scratch = Path(tempfile.mkdtemp(prefix="tried-", dir=captain.root))

    def sail(self, task_count: int, ships: int, *, is_checked: bool) -> None:
        """Do it all. What is wrong is added to the tally; then the voyage is not sunk."""
        listed = tasks.listed(task_count, random.Random(self.seed), self.scratch)
        name = f"chaos-{self.seed}".replace("/", "-")
        deadly = random.Random(f"{self.seed}/verify").choice(DEADLY_VERIFICATIONS)
        verify = tasks.deadly_verify(deadly, self.scratch)
        check = tasks.noting_check(self.scratch) if is_checked else None
        plan = tasks.plan(self.captain, listed, self.repo, name, verify, check)
        victim = Victim(self.captain, self.captain.sail(plan, ships).id)
        say(f"{victim.id} is under way, seed {self.seed}, {'with' if check else 'without'} a check")
        lookout = Lookout(victim)
        self.weather(victim, lookout)
        lookout.look()
        tell_failures(victim, lookout)
        planned = {task["id"]: task["id"] for task in listed}
        green = tasks.green_commits(self.scratch) if is_checked else None
        evidence = gather(lookout, planned | victim.added, green)
        self.tally.add(evidence)
        self.tally.violations += audit(evidence)
        if not self.tally.violations:
            self.captain.sink_all()

    def weather(self, victim: Victim, lookout: Lookout) -> None:
        """Break what can be broken while the voyage goes on, and wait for its end."""

        def answer() -> None:
            orders.answer(victim, self.scratch, lookout.last_status)

        def is_over() -> bool:
            return time.monotonic() > self.ends or victim.is_complete()

        with lookout:
            Storm(victim, self.seed, say, self.tally.faults).rage(is_over, answer)
            self.wait_for_end(victim, answer)

    def wait_for_end(self, victim: Victim, answer: Callable[[], None]) -> None:
        """Wait for a voyage to end by itself, or with what the captain does if it has failed."""
        say("no more faults")
        left = sum(task["status"] != "completed" for task in victim.tasks().values())
        ends = time.monotonic() + CALM_S + PER_TASK_S * left
        while not victim.is_complete():
            if time.monotonic() > ends:
                fault = f"{victim.id} did not end by itself, with {left} tasks to do"
                self.tally.violations.append(fault)
                return
            time.sleep(1)
            answer()


def tell_failures(victim: Victim, lookout: Lookout) -> None:
    """Log each kind of question and order that failed, once."""
    unanswered = [look.done for look in lookout.looks if look.status is None]
    failed = [done for done in victim.ordered if done.status != 0]
    for failure in sorted({f"{done.words[0]}: {done.err.strip()}" for done in unanswered + failed}):
        say(f"could not be had: {failure}")


def say(text: str) -> None:
    """Log what is done, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


@contextmanager
def new_skipper() -> Iterator[Skipper]:
    """A captain of whom nothing is left afterwards, unless there is something to be looked at."""
    captain = make_captain(Path(tempfile.mkdtemp(prefix="occ-")), Skipper, {})
    try:
        yield captain
    except Kept:
        with undisturbed():
            keep(captain)
        sys.exit(1)
    except BaseException:
        with undisturbed():
            captain.leave()
            clear_away(captain)
        raise
    with undisturbed():
        captain.leave()
        clear_away(captain)


def keep(captain: Skipper) -> None:
    """End all that runs, and say where the files are."""
    voyages = [folder.name.removesuffix("-storage") for folder in captain.vms.glob("*-storage")]
    for voyage in voyages:
        Victim(captain, voyage).abandon()
    temporary = " ".join(f"/tmp/{voyage}-*" for voyage in voyages)  # noqa: S108 - to be typed
    print(f"kept: {captain.vms}\nto remove it: rm -rf {captain.root} {temporary}")


if __name__ == "__main__":
    sys.exit(main())
