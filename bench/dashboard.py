"""The dashboard of a large voyage: how soon it is there, and what it costs while nobody touches it.

The page is in a real browser without a window, and the server is `ocaptain dashboard`. Ships of the
voyage beat all the time, as 100 ships do.
"""

import itertools
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support.browser import Tab, opened
from tests.support.captain import Captain, Voyage
from tests.support.dashboard import typed
from tests.support.machine import PROC, until
from tests.support.pictures import Drawn

from .effort import Effort
from .growth import LEASE_S, Fleet
from .past import live_through, planned
from .quiet import taken
from .table import Row, Target
from .world import new_skipper

BEAT_S = LEASE_S / 6
SETTLED_S = 3.0
"""How long a page that was opened is left alone, in seconds, before it is measured."""
PAINTED = """
new MutationObserver((_, observer) => {
  if (document.querySelectorAll(".lane-name").length < %d) return;
  observer.disconnect();
  requestAnimationFrame(() => setTimeout(() => { window.paintedAt = performance.now(); }));
}).observe(document, { childList: true, subtree: true });
"""
"""Notes when the frame was over that had a lane for each ship: ms since the tab was sent there."""
CHANGED = """() => {
  const figure = () => document.querySelector(".figure .value").textContent;
  const before = figure();
  window.changedAt = 0;
  new MutationObserver((_, observer) => {
    if (figure() === before) return;
    observer.disconnect();
    requestAnimationFrame(() => setTimeout(() => { window.changedAt = Date.now(); }));
  }).observe(document, { childList: true, subtree: true });
}"""
"""Notes when the frame was over in which another number of completed tasks was there: UNIX ms."""


def dashboard(effort: Effort) -> Iterator[Row]:
    """From a tab to its first sight, from a landing to the page, and the CPU time of a minute."""
    tasks = effort.choose(smoke=10, quick=1000, full=1000)
    ships = effort.choose(smoke=2, quick=100, full=100)
    tabs = effort.choose(smoke=1, quick=5, full=9)
    landings = effort.choose(smoke=1, quick=5, full=15)
    rest_s = effort.choose(smoke=1.0, quick=20.0, full=60.0)
    drawn = Drawn(tasks, ships, tasks // 2)
    size = f"{tasks:,} tasks, {ships} ships"
    with new_skipper() as captain:
        voyage = captain.sail(captain.plan_of(planned(drawn)))
        fleet = live_through(voyage, drawn)
        landing, others = fleet.ships[:landings], fleet.ships[landings:]
        with typed(captain, voyage.id) as address, opened() as browser, beating(fleet, others):
            script = PAINTED % ships
            paints = []
            for _ in range(tabs):
                with browser.tab(address, script=script) as tab:
                    paints.append(when(tab, "paintedAt"))
            with browser.tab(address, script=script) as tab:
                paints.append(when(tab, "paintedAt"))
                # The first had to wait for what the server had yet to read.
                yield Row(f"the dashboard's first paint: {size}", paints[1:], "s", Target(1))
                time.sleep(SETTLED_S)
                changes = [change(fleet, ship, tab) for ship in landing]
                yield Row("… a landing is on the page", changes, "s", Target(1.5))
                yield from at_rest(captain, voyage, rest_s)


def change(fleet: Fleet, ship: str, tab: Tab) -> float:
    """Seconds from when a ship asked to land until the page said so."""
    tab.page.evaluate(CHANGED)
    began = time.time()
    fleet.land(ship)
    return when(tab, "changedAt") - began


def when(tab: Tab, name: str) -> float:
    """The time, in seconds, that the page notes by that name, once it has."""
    noted = until(lambda: tab.page.evaluate(f"window.{name}"), what=name)
    return float(noted) / 1e3


def at_rest(captain: Captain, voyage: Voyage, rest_s: float) -> Iterator[Row]:
    """The share of a core that the server and the browser take, and beside that storage."""
    before = cpu_s(captain, voyage)
    time.sleep(rest_s)
    after = cpu_s(captain, voyage)
    server, browser, storage = [
        (now - then) / rest_s * 100 for now, then in zip(after, before, strict=True)
    ]
    what = "… CPU of the dashboard and its browser that nobody touches"
    yield Row(what, [server + browser], "%", Target(10))
    yield Row("… of which the server", [server], "%")
    yield Row("… CPU of storage that tells it", [storage], "%")


def cpu_s(captain: Captain, voyage: Voyage) -> tuple[float, float, float]:
    """The CPU time in seconds of the server and its ssh, of the browser, and of storage."""
    own = pids_with(f"HOME={captain.home}\0")
    browser = {pid for pid in descendants() if "chrom" in name_of(pid)}
    storage = voyage.pids("storage")
    return sum(taken(own)), sum(taken(browser)), sum(taken(storage))


def pids_with(text: str) -> set[int]:
    """Processes that have a text in their environment."""
    found = set()
    for path in PROC.glob("[0-9]*"):
        with suppress(OSError):
            if text.encode() in (path / "environ").read_bytes():
                found.add(int(path.name))
    return found


def descendants() -> set[int]:
    """Processes that descend from this one."""
    parents = {}
    for path in PROC.glob("[0-9]*"):
        with suppress(OSError):
            fields = (path / "stat").read_text().rpartition(")")[2].split()
            parents[int(path.name)] = int(fields[1])
    found = {os.getpid()}
    while new := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= new
    return found


def name_of(pid: int) -> str:
    """What a process is called."""
    with suppress(OSError):
        return (PROC / str(pid) / "comm").read_text()
    return ""


@contextmanager
def beating(fleet: Fleet, ships: list[str]) -> Iterator[None]:
    """Have ships beat in turn, as often as all of the fleet's do: each in a sixth of a lease."""
    is_over = threading.Event()

    def beat() -> None:
        for ship in itertools.cycle(ships):
            if is_over.wait(BEAT_S / len(fleet.ships)):
                return
            fleet.beat(ship)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()
