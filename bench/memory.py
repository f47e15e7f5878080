"""What ships and storage hold in memory, as the kernel has it.

PSS (proc(5), smaps_rollup) counts a page that several processes share as a fraction for each: on
this one machine ships share the interpreter, on VMs they do not, so helm's RSS is shown too.
"""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support.captain import Voyage
from tests.support.machine import serving_sshds, until

from . import plans
from .effort import Effort
from .table import Row, Target
from .world import ENDS_S, new_skipper


@dataclass
class Peak:
    """The most that a ship was seen to hold, in MB (of a million bytes)."""

    helm_pss: float = 0.0
    helm_rss: float = 0.0
    all_pss: float = 0.0

    def look(self, voyage: Voyage, ship: str) -> None:
        """Take in what the ship holds now."""
        helms = voyage.helms(ship)
        self.helm_pss = max(self.helm_pss, held(helms, "Pss"))
        self.helm_rss = max(self.helm_rss, held(helms, "Rss"))
        self.all_pss = max(self.all_pss, held(voyage.pids(ship), "Pss"))


def memory(effort: Effort) -> Iterator[Row]:
    """The most that helms and storage were seen to hold, while ships work, land and wait."""
    ships = effort.choose(smoke=2, quick=16, full=16)
    tasks = plans.apart(effort.choose(smoke=2, quick=16, full=48), 2)
    storage_peak = 0.0
    with new_skipper() as captain:
        voyage = captain.sail(captain.plan_of(tasks), ships)
        peaks = {ship: Peak() for ship in voyage.ships}

        def look_until_complete() -> bool:
            nonlocal storage_peak
            for ship, peak in peaks.items():
                peak.look(voyage, ship)
            storage_peak = max(storage_peak, held_by_storage(voyage))
            return voyage.is_complete()

        until(look_until_complete, ENDS_S, "the end of the voyage")
    helm_pss = [peak.helm_pss for peak in peaks.values()]
    helm_rss = [peak.helm_rss for peak in peaks.values()]
    all_pss = [peak.all_pss for peak in peaks.values()]
    yield Row("memory of a ship's helm (PSS)", helm_pss, "MB", Target(40))
    yield Row("… its RSS", helm_rss, "MB")
    yield Row("… with ssh, sshfs and its agent (PSS)", all_pss, "MB")
    yield Row(f"memory of storage with {ships} ships (PSS)", [storage_peak], "MB")


def held_by_storage(voyage: Voyage) -> float:
    """What all of storage holds, in MB."""
    sshds = serving_sshds(voyage.home().parent)
    return held(voyage.pids("storage") | sshds, "Pss")


def held(pids: Iterable[int], key: str) -> float:
    """Memory of processes in MB, of those that have not ended; `key` is Pss or Rss."""
    kilobytes = 0
    for pid in pids:
        with suppress(OSError):
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
            amounts = [line.split()[1] for line in rollup.splitlines() if line.startswith(key)]
            kilobytes += int(amounts[0])
    return kilobytes * 1024 / 1e6
