"""The live board: how soon it is there, and what it costs while nobody touches it."""

import fcntl
import os
import pty
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from tests.support.captain import OCAPTAIN, Captain
from tests.support.machine import PROC, until

from . import plans
from .effort import Effort
from .table import Row, Target
from .world import new_skipper

ROWS, COLUMNS = 50, 200
TICKS = os.sysconf("SC_CLK_TCK")
PAINTED = b"sailed "
"""What the board shows once it has seen the voyage."""
CPU_FIELDS = slice(11, 15)
"""Of /proc/PID/stat after the name, proc(5): what a process has used, and its ended children."""


class Screen:
    """A terminal that a board is on, and what was written there."""

    def __init__(self, captain: Captain, voyage: str) -> None:
        self.began = time.perf_counter()
        self._near, far = pty.openpty()
        fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.child = subprocess.Popen(
            [str(OCAPTAIN), "status", "--watch", voyage],
            env={**captain.env, "TERM": "xterm-256color"},
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)
        self.painted_at = 0.0
        Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        shown = b""
        with suppress(OSError):  # the board has ended
            while data := os.read(self._near, 1 << 16):
                shown += data
                if not self.painted_at and PAINTED in shown:
                    self.painted_at = time.perf_counter()

    def press(self, key: str) -> None:
        """Press a key."""
        os.write(self._near, key.encode())

    def cpu_s(self) -> float:
        """Seconds of CPU that the board and its ssh commands have used."""
        stat = (PROC / str(self.child.pid) / "stat").read_text()
        fields = stat.rpartition(")")[2].split()
        return sum(map(int, fields[CPU_FIELDS])) / TICKS


@contextmanager
def shown(captain: Captain, voyage: str) -> Iterator[Screen]:
    """A board of a voyage, which has seen it, and which is left in the end."""
    screen = Screen(captain, voyage)
    try:
        until(lambda: screen.painted_at, 60, "the board")
        yield screen
        screen.press("q")
        screen.child.wait(30)
    finally:
        screen.child.kill()
        screen.child.wait()


def board(effort: Effort) -> Iterator[Row]:
    """From `ocaptain status --watch` to the first sight, and the CPU of a minute."""
    ships = effort.choose(smoke=1, quick=3, full=10)
    tasks = plans.idle(effort.choose(smoke=10, quick=200, full=200))
    rest_s = effort.choose(smoke=2.0, quick=20.0, full=60.0)
    paints = []
    with new_skipper() as captain:
        voyage = captain.sail(captain.plan_of(tasks), ships).id
        for _ in range(effort.choose(smoke=1, quick=3, full=7)):
            with shown(captain, voyage) as screen:
                paints.append(screen.painted_at - screen.began)
        with shown(captain, voyage) as screen:
            before = screen.cpu_s()
            time.sleep(rest_s)
            used = screen.cpu_s() - before
    yield Row(f"the board's first paint, {ships} ships", paints, "s", Target(1.5))
    yield Row("CPU of the board that nobody touches", [used / rest_s * 60], "s/min", Target(4))
