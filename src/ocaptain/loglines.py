"""Lines of a voyage's logs, as the captain is shown them."""

import json
from datetime import datetime
from typing import NamedTuple, TypedDict

from rich.console import Console
from rich.text import Text

from .times import clock

HUES = ("cyan", "green", "magenta", "yellow", "blue", "bright_red")
"""Ships' colours, in the order in which they are met."""
HANDS = {"captain": "bold", "harbor": "dim"}
"""The same of those that are no ships."""
NAME_WIDTH = 8


class LogEntry(TypedDict):
    """A line as JSON has it."""

    time: str
    ship: str
    task: str | None
    text: str


class LogLine(NamedTuple):
    """A line: when, whose, and what."""

    time: str
    ship: str
    text: str

    @property
    def task(self) -> str | None:
        """The id of the task that it is about."""
        tag, bracket, _ = self.text.partition("] ")
        return tag[1:] if bracket and tag.startswith("[") else None

    def entry(self) -> LogEntry:
        """Return it as JSON has it."""
        return {"time": self.time, "ship": self.ship, "task": self.task, "text": self.text}


def parsed(line: str) -> LogLine:
    """Return the parts of a line `time ship text`, whatever a ship has written there."""
    time, _, rest = line.partition(" ")
    ship, _, text = rest.partition(" ")
    return LogLine(time, ship, text.rstrip())


def as_json(line: str) -> str:
    """Return a line as a line of JSON."""
    return json.dumps(parsed(line).entry())


class LogPrinter:
    """Makes of lines what people read: times on their clock, and a colour for each ship."""

    def __init__(self, *, utc: bool = False) -> None:
        """`utc`: whether times are in UTC instead."""
        self._utc = utc
        self._console = Console(highlight=False)
        self._hues: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def text(self, line: str) -> str:
        """Return a line as it is shown."""
        time, ship, text = parsed(line)
        return f"{self.clock(time)} {self._name(ship)} {text}".rstrip()

    def rendered(self, entry: LogEntry) -> Text:
        """Return the same for rich to show."""
        name = f"{entry['ship']:<{NAME_WIDTH}}"
        clock = self.clock(entry["time"])
        return Text.assemble(clock, " ", (name, self._hue(entry["ship"])), f" {entry['text']}")

    def clock(self, time: str) -> str:
        """Return the time of a line; its date stands before it, unless that is today's."""
        try:
            epoch = datetime.fromisoformat(time).timestamp()
        except (ValueError, OverflowError):
            return time
        return clock(epoch, utc=self._utc, seconds=True)

    def _name(self, ship: str) -> str:
        if ship not in self._names:
            with self._console.capture() as capture:
                name = Text(f"{ship:<{NAME_WIDTH}}", self._hue(ship))
                self._console.print(name, end="", soft_wrap=True)
            self._names[ship] = capture.get()
        return self._names[ship]

    def _hue(self, ship: str) -> str:
        if ship in HANDS:
            return HANDS[ship]
        if ship not in self._hues:
            self._hues[ship] = HUES[len(self._hues) % len(HUES)]
        return self._hues[ship]
