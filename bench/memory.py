"""What ships and storage hold in memory, as the kernel has it.

PSS (proc(5), smaps_rollup) counts a page that several processes share as a fraction for each: on
this one machine ships share the interpreter, on VMs they do not, so helm's RSS is shown too.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from ocaptain.onboard import process

from . import plans
from .table import Row, Target
from .world import World, until

SHIPS = 16


def memory(world: World, quick: bool) -> Iterator[Row]:
    """The most that helms and storage were seen to hold, while ships work, land and wait."""
    tasks = plans.apart(SHIPS if quick else 3 * SHIPS, 2)
    voyage = world.sail(world.plan(tasks), SHIPS).id
    most: dict[str, float] = defaultdict(float)

    def look() -> bool:
        for what, held in holdings(world, voyage):
            most[what] = max(most[what], held)
        return world.completed(voyage)

    until("the end of the voyage", look)
    ships = [f"ship{n}" for n in range(SHIPS)]
    yield Row("memory of a ship's helm (PSS)", [most[f"{s} Pss"] for s in ships], "MB", Target(40))
    yield Row("… its RSS", [most[f"{s} Rss"] for s in ships], "MB")
    yield Row("… with ssh, sshfs and its agent (PSS)", [most[s] for s in ships], "MB")
    yield Row(f"memory of storage with {SHIPS} ships (PSS)", [most["storage"]], "MB")


def holdings(world: World, voyage: str) -> Iterator[tuple[str, float]]:
    """What there is on each VM now, in MB: by its name all of it, and of helm Pss and Rss."""
    for number in range(SHIPS):
        ship = f"ship{number}"
        pids = process.marked(f"OCAPTAIN_VM={voyage}-{ship}")
        yield ship, sum(held(pid, "Pss") for pid in pids)
        for key in ("Pss", "Rss"):
            yield f"{ship} {key}", sum(held(pid, key) for pid in pids if runs_helm(pid))
    storage = f"{voyage}-storage"
    pids = process.marked(f"OCAPTAIN_VM={storage}") | serving(world.home(storage).parent)
    yield "storage", sum(held(pid, "Pss") for pid in pids)


def held(pid: int, key: str) -> float:
    """Memory of a process in MB (of a million bytes), 0 where it has ended."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{key}:"):
                return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def runs_helm(pid: int) -> bool:
    """Whether a process is a helm."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().find(b"/voyage/lib\0helm") > 0
    return False


def serving(vm: Path) -> set[int]:
    """The sshd processes that serve a VM: they have its log open."""
    found = set()
    for comm in Path("/proc").glob("[0-9]*/comm"):
        with suppress(OSError):
            if comm.read_text().startswith("sshd") and vm / "sshd.log" in opened(comm.parent):
                found.add(int(comm.parent.name))
    return found


def opened(process_folder: Path) -> Iterable[Path]:
    """Files that a process has open."""
    return [fd.readlink() for fd in (process_folder / "fd").iterdir()]
