"""How long the last lines of large logs take, and what the program that reads them holds."""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from ocaptain.fleet.logs import query_of
from ocaptain.onboard import LOG_LIMIT
from ocaptain.onboard.text import utc
from tests.support.machine import Trouble

from . import plans
from .claims import set_up_storage
from .effort import Effort
from .table import Row, Target

SHIPS = 20
"""With a full log each, that is a gigabyte."""
LINES = 10
BATCH = 1_000
"""How many lines have the same time: to write each one's would take minutes."""
TEXT = "[7] Bash: python -m pytest -q tests/test_parser.py && git add -A && git commit -m Parse"


def logs(effort: Effort) -> Iterator[Row]:
    """The last lines of all ships' logs, all of which are full."""
    size = effort.choose(smoke=1_000_000, quick=LOG_LIMIT, full=LOG_LIMIT)
    runs = effort.choose(smoke=1, quick=3, full=9)
    ships = [f"ship-{number}" for number in range(SHIPS)]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        set_up_storage(home, plans.idle(SHIPS), ships)
        for number, ship in enumerate(ships):
            write_log(home / "voyage" / "logs" / f"{ship}.log", size, number)
        samples = [read_end(home) for _ in range(runs)]
    what = f"the last {LINES} lines of {SHIPS * size / 1e9:.2f} GB of logs"
    yield Row(what, [took_s for took_s, _ in samples], "s", Target(1))
    yield Row("… memory of the program (RSS)", [rss for _, rss in samples], "MB", Target(50))


def write_log(path: Path, size: int, number: int) -> None:
    """Write a log of so many bytes, or a little more."""
    began = time.time() - 86_400 + number / SHIPS
    with path.open("w") as log:
        while log.tell() < size:
            began += 0.1
            log.write(f"{utc(began)} {TEXT}\n" * BATCH)


def read_end(home: Path) -> tuple[float, float]:
    """Read the last lines: how long that took, in s, and what the reader held at most, in MB.

    It follows the logs after that, and so is still there to be looked at."""
    query = json.dumps(query_of(tail=LINES, follow=True))
    argv = [sys.executable, "-IS", str(home / "voyage" / "lib"), "logs", query]
    began = time.perf_counter()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        if child.stdout is None:
            raise Trouble("a process without stdout")
        printed = [child.stdout.readline() for _ in range(LINES + 1)]
        took_s = time.perf_counter() - began
        held = most_held(child.pid)
        child.communicate()
    if not all(printed):
        raise Trouble(f"not {LINES} lines: {printed}")
    return took_s, held


def most_held(pid: int) -> float:
    """The most memory that a process has held so far, in MB (VmHWM of proc(5))."""
    status = Path(f"/proc/{pid}/status").read_text()
    [kilobytes] = re.findall(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(kilobytes) * 1024 / 1e6
