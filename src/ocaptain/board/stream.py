"""A voyage that is followed until it ends: as lines of change, or in place on the terminal."""

import json
import time
from collections.abc import Callable
from math import inf

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ocaptain import terminal

from . import glance, rows
from .changes import Change, changes, line
from .watching import Sight, Watcher


async def follow(
    watcher: Watcher,
    use: Callable[[Sight | None, Sight], None],
    is_over: Callable[[Sight], bool],
    timeout: float = inf,
) -> Sight:
    """Call `use` with each sight of a voyage, and the one before, until that is over.

    Returns the last one, also if `timeout` seconds are up."""
    deadline = time.monotonic() + timeout
    before = None
    while True:
        sight = await watcher.look()
        use(before, sight)
        if is_over(sight) or time.monotonic() >= deadline:
            return sight
        before = sight
        await watcher.rest(max(0.0, deadline - time.monotonic()))


def print_lines(before: Sight | None, after: Sight) -> None:
    """Print what has changed for people, a line each."""
    _print(before, after, line)


def print_objects(before: Sight | None, after: Sight) -> None:
    """Print what has changed for programs, an object a line."""
    _print(before, after, json.dumps)


def _print(before: Sight | None, after: Sight, form: Callable[[Change], str]) -> None:
    for change in changes(before, after):
        print(form(change), flush=True)


class Screen(Live):
    """A place on the terminal where each sight replaces the one before."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__(console=console, auto_refresh=False)

    def show(self, _: Sight | None, sight: Sight) -> None:
        """Show a voyage: its head, and as many ships as there is room for."""
        self.update(self.content(sight), refresh=True)

    def leave(self, sight: Sight) -> None:
        """Leave on the terminal what was seen last, as `status` shows it."""
        self.update(terminal.status(sight.shown), refresh=True)

    def content(self, sight: Sight) -> RenderableType:
        """Return what fits the terminal: ships that need a person first, the others counted."""
        now = max(time.time(), sight.looked_at)
        head = glance.head(sight, now)
        ships = sight.status["ships"]
        found = rows.ship_rows(ships, now)
        room = max(1, self.console.height - len(head.renderables) - 4)
        shown = [row.cells for row in found[:room]]
        table = rows.table(rows.SHIP_COLUMNS, shown, self.console.width - 1)
        lines: list[RenderableType] = [head, Text(f"ships  {rows.ship_counts(ships)}"), table]
        if len(found) > room:
            lines.append(Text(f"and {len(found) - room} more", "dim"))
        lines.append("")  # where the terminal puts a ^C, which would move all else up
        return Group(*lines)
