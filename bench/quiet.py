"""What a voyage that is over costs the machine that it is kept on."""

import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ocaptain.onboard.storage.rest import REST_S
from tests.support.captain import Json, Voyage
from tests.support.machine import command_line, serving_sshds, until

from . import plans
from .effort import Effort
from .table import Row, Target
from .world import ENDS_S, new_skipper, until_complete

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
NANOSECONDS = 1e9
MINUTE_S = 60


def quiet(effort: Effort) -> Iterator[Row]:
    """The CPU time of three ships and their storage, once all is complete."""
    ships = effort.choose(smoke=1, quick=3, full=3)
    window_s = effort.choose(smoke=1, quick=30, full=120)
    with new_skipper() as captain:
        voyage = captain.sail(captain.plan_of(plans.apart(ships)), ships)
        until_complete(voyage)
        until(lambda: all_rest(voyage), ENDS_S, "all ships at rest")
        hang_up(voyage)
        at_rest = cpu_during(voyage, window_s) * MINUTE_S / window_s
        asks = cpu_of_asking(voyage) * MINUTE_S / REST_S
    what = f"CPU time a minute of a complete voyage, {ships} ships"
    yield Row(what, [at_rest + asks], "s", Target(0.2))
    yield Row("… of which to ask storage", [asks], "s")


def all_rest(voyage: Voyage) -> bool:
    """Whether storage has told each ship to ask no more for a while."""
    return all("rest" in (ship["reason"] or "") for ship in voyage.status()["ships"])


def hang_up(voyage: Voyage) -> None:
    """End the shared connections, as they end by themselves after a minute without a command.

    What such a process has taken would be missing from then on."""
    run = voyage.captain.root / "run"
    sockets = [path for path in run.rglob("*") if path.is_socket()]
    for vm in voyage.vms:
        sockets += Path("/tmp", f"{voyage.id}-{vm}").glob("oc-*/s")  # noqa: S108 - as ships do
    for path in sockets:
        voyage.captain.sh(["ssh", "-o", f"ControlPath={path}", "-O", "exit", "any"])
    until(lambda: not any(path.exists() for path in sockets), ENDS_S, "no connection is left")
    until(lambda: not any(harbors(voyage, vm) for vm in voyage.vms), ENDS_S, "nobody asks")


def harbors(voyage: Voyage, vm: str) -> set[int]:
    """The processes of harbor's on a VM, or those that have started it from there."""
    return {pid for pid in voyage.pids(vm) if "harbor" in command_line(pid)}


def cpu_during(voyage: Voyage, seconds: float) -> float:
    """The CPU time in seconds that the voyage takes while nothing happens."""
    before = cpu_s(voyage)
    time.sleep(seconds)
    return cpu_s(voyage) - before


def cpu_of_asking(voyage: Voyage) -> float:
    """The CPU time in seconds that it takes if each ship asks once."""
    asked = len(claims(voyage))
    before = cpu_s(voyage)
    for ship in voyage.ships:
        (voyage.home(ship) / "voyage" / "knock").touch()
    until(lambda: len(claims(voyage)) == asked + len(voyage.ships), ENDS_S, "all have asked")
    time.sleep(1)  # for what ends after the answer
    return cpu_s(voyage) - before


def claims(voyage: Voyage) -> list[Json]:
    """The journal's lines of ships that asked for something to do."""
    return [line for line in voyage.journal() if line["op"] == "claim"]


def cpu_s(voyage: Voyage) -> float:
    """The CPU time in seconds that all of a voyage's processes, ended ones too, have taken."""
    pids = set()
    for vm in voyage.vms:
        pids |= voyage.pids(vm) | serving_sshds(voyage.home(vm).parent)
    return sum(taken(pids))


def taken(pids: Iterable[int]) -> Iterator[float]:
    """Yield the CPU time in seconds of each process, with that of children that have ended."""
    for pid in pids:
        process = Path(f"/proc/{pid}")
        with suppress(OSError):
            # proc(5): fields 16 and 17 are cutime and cstime; the name, field 2, may have spaces.
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            yield (int(fields[13]) + int(fields[14])) / TICKS_A_SECOND
            for thread in process.glob("task/*/schedstat"):
                yield int(thread.read_text().split()[0]) / NANOSECONDS
