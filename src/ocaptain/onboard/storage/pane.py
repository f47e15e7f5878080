"""What runs in a pane of `shell`: a ship's log as it grows, or an overview of the fleet."""

from __future__ import annotations

import calendar
import json
import signal
import sys
import termios
import time
from contextlib import suppress

from .. import PROTOCOL
from ..loglines import kind_of
from ..text import clean
from .logs import POLL_S, growing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from ..protocol import ShipRecord, ShipStatus, Status
    from .panes import View

PANE_LINES = 1_000
"""How many lines of a log a pane shows at once, at most."""
OVERVIEW_PERIOD_S = 2.0
IDLE_PERIOD_S = 5.0
"""How often the pane of a ship that waits asks what for."""
TIME_LENGTH = len("2026-01-01T00:00:00")
DIM = "2"
COLOURS = {"trouble": "31", "success": "32", "step": "36", "tool": "34", "speech": ""}
STATE_COLOURS = {
    "complete": "32",
    "done": "32",
    "working": "36",
    "reviewing": "36",
    "landing": "36",
    "verifying": "36",
    "limited": "33",
    "paused": "33",
    "halted": "33",
    "failed": "31",
    "stalled": "31",
    "lost": "31",
    "broken": "31",
}
TITLE = "\033]2;{}\033\\"
"""Gives the pane its title."""
WINDOW = "\033k{}\033\\"
"""Gives the window its name, which the status line has."""
START_OVER = "\033[H\033[?7l"
"""Go to the top of the pane, and cut off what is too long for its lines."""
REST_OF_LINE = "\033[K\r\n"
REST_OF_PANE = "\033[J"
BAR = 20


def of_ship(home: Path, view: View, ship: str) -> None:
    """Show the ship's log as it grows, under a title, while storage knows the ship."""
    take_no_keys()
    folder = home / "voyage"
    log = Lines(view)
    state = Voyage(home)
    for lines in growing(folder / "logs" / f"{ship}.log"):
        record: ShipRecord = json.loads((folder / "ships" / f"{ship}.json").read_text())
        sys.stdout.write(TITLE.format(title(ship, record, state.of_idle(record, ship))))
        if view.leads:
            sys.stdout.write(WINDOW.format(state.name()))
        for line in lines[-PANE_LINES:]:
            sys.stdout.write(log.shown(line))
        sys.stdout.flush()
        time.sleep(POLL_S)


def of_fleet(home: Path, view: View) -> None:
    """Show all ships at a glance, anew every two seconds."""
    take_no_keys()
    state = Voyage(home)
    while True:
        seen = state.look(OVERVIEW_PERIOD_S)
        lines = overview(seen, view, time.time())
        shown = REST_OF_LINE.join(lines)
        sys.stdout.write(TITLE.format("overview") + WINDOW.format(state.name()))
        sys.stdout.write(f"{START_OVER}{shown}\033[K{REST_OF_PANE}")
        sys.stdout.flush()
        time.sleep(OVERVIEW_PERIOD_S)


def take_no_keys() -> None:
    """Show nothing of what is typed here, and do not end at Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(termios.error, OSError, ValueError):
        mode = termios.tcgetattr(sys.stdin)
        mode[3] &= ~(termios.ECHO | termios.ICANON)
        termios.tcsetattr(sys.stdin, termios.TCSANOW, mode)


def title(ship: str, record: ShipRecord, state: str) -> str:
    """Return a pane's title: the ship, its state, and its task with its subject.

    tmux takes `#` for the beginning of a style, and two of them for one."""
    parts = [ship, state]
    if record["task"]:
        parts.append(f"{record['task']} {record['subject']}")
    return clean(" · ".join(parts)).replace("#", "##")


class Voyage:
    """The voyage as storage says it is, asked now and then."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._seen: Status | None = None
        self._asked_at = 0.0

    def look(self, period_s: float) -> Status:
        """Return the status, which is asked for if it is older than `period_s`."""
        if self._seen is None or time.monotonic() - self._asked_at > period_s:
            from . import serve  # which the panes of ships at work have no use for

            request = {"protocol": PROTOCOL, "op": "status"}
            seen: Any = serve.respond(self._home, "captain", request)
            self._seen = seen
            self._asked_at = time.monotonic()
        return self._seen

    def name(self) -> str:
        """Return which voyage it is and how it stands, for the status line."""
        seen = self.look(IDLE_PERIOD_S)
        tasks = seen["tasks"]
        done = f"{tasks['completed']} of {tasks['total']} tasks"
        return f"{seen['voyage']}  {seen['state']}  {done}"

    def of_idle(self, record: ShipRecord, ship: str) -> str:
        """Return a ship's state. What one that has nothing to do is called, the voyage decides."""
        if record["state"] != "waiting":
            return record["state"]
        states = {row["id"]: row["state"] for row in self.look(IDLE_PERIOD_S)["ships"]}
        return states.get(ship, record["state"])


class Lines:
    """The lines of a log, on the captain's clock; a date stands before the first of its day."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._date = date(view, time.time())

    def shown(self, line: str) -> str:
        """Return a line as it is shown, and the date before it if that is another."""
        stamp, _, text = line.partition(" ")
        colour = COLOURS[kind_of(text)]
        epoch = seconds(stamp)
        clock = time.strftime("%H:%M:%S", time.gmtime(epoch + self._view.utc_offset_s))
        shown = f"{painted(clock, DIM, self._view)} {painted(text, colour, self._view)}\r\n"
        if date(self._view, epoch) != self._date:
            self._date = date(self._view, epoch)
            shown = f"{painted(self._date, DIM, self._view)}\r\n{shown}"
        return shown


def seconds(stamp: str) -> float:
    """Return a log's time as UNIX time; 0 if it is none."""
    with suppress(ValueError):
        return calendar.timegm(time.strptime(stamp[:TIME_LENGTH], "%Y-%m-%dT%H:%M:%S"))
    return 0.0


def date(view: View, epoch: float) -> str:
    """Return the captain's date at a UNIX time."""
    return time.strftime("%Y-%m-%d", time.gmtime(epoch + view.utc_offset_s))


def painted(text: str, colour: str, view: View) -> str:
    """Return a text in a colour, by its number in ANSI's list, if there are to be any."""
    if not colour or not view.coloured:
        return text
    return f"\033[{colour}m{text}\033[0m"


# The overview


def overview(seen: Status, view: View, now: float) -> list[str]:
    """Return lines that say how the voyage and each of its ships stand at `now` (UNIX time)."""
    tasks = seen["tasks"]
    full = BAR * tasks["completed"] // max(1, tasks["total"])
    lines = [
        f"{seen['voyage']}  {painted(seen['state'], state_colour(seen['state']), view)}",
        painted(clean(seen["objective"]), DIM, view),
        f"{'█' * full}{'░' * (BAR - full)} {tasks['completed']} of {tasks['total']} tasks",
    ]
    if seen["reason"]:
        lines.append(painted(clean(seen["reason"]), state_colour(seen["state"]), view))
    return [*lines, *[ship_line(ship, view, now) for ship in seen["ships"]]]


def ship_line(ship: ShipStatus, view: View, now: float) -> str:
    """Return what a ship is at, and for how long."""
    state = painted(f"{ship['state']:<9}", state_colour(ship["state"]), view)
    age = rough(max(0.0, now - (ship["since"] or now)))
    at = ship["reason"] or f"{ship['task'] or ''} {ship['subject'] or ''}"
    return f"{ship['id']:<7} {state} {age:>4}  {clean(at)}"


def rough(seconds: float) -> str:
    """Return how long that is, in the largest unit of which it has one: 42s, 7m, 47h."""
    for size, unit in ((3_600, "h"), (60, "m")):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return f"{seconds:.0f}s"


def state_colour(state: str) -> str:
    """Return the colour of a state of a ship or a voyage."""
    return STATE_COLOURS.get(state, "")
