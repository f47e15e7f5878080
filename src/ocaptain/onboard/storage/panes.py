"""The fleet in tmux: an overview, and a pane for each ship."""

from __future__ import annotations

import json
import os
from typing import NamedTuple

from ..process import program

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMMON_TERMINAL = "xterm-256color"
SHIP_COLOURS = ("cyan", "yellow", "magenta", "green", "blue", "red")
TITLE = "#[fg=#{@colour}] #{pane_title} #[default]"
LEAVE = "q leaves; the ships sail on "
ASK = "Leave? The ships sail on. (y/n)"


class View(NamedTuple):
    """How the captain wants to see the fleet."""

    utc_offset_s: int = 0
    """Seconds by which the captain's clocks are ahead of UTC."""
    coloured: bool = True
    leads: bool = False
    """Whether a ship's pane says how the voyage stands, since there is no overview."""

    def as_json(self) -> str:
        """Return it as one word."""
        return json.dumps(self._asdict())


class Pane(NamedTuple):
    """A pane, by the program that runs in it, and its first title with its colour."""

    argv: Sequence[str]
    title: str
    colour: str = "default"


def show(home: Path, view: View, ships: Sequence[str]) -> None:
    """Attach to a tmux session with a pane for each of these ships; or if none is named, with an
    overview and all ships.

    The session is the viewer's own, and ends when they leave."""
    session = f"fleet-{os.getpid()}"
    view = view._replace(leads=bool(ships))
    fleet = [ship_pane(home, view, ship) for ship in ships or known_ships(home)]
    if not ships:
        fleet.insert(0, Pane(program(home, "overview", view.as_json()), "fleet"))
    os.environ["TERM"] = terminal(os.environ.get("TERM", ""))
    os.execvp("tmux", ["tmux", "-L", "ocaptain", "-f", os.devnull, *layout(session, fleet)])


def ship_pane(home: Path, view: View, ship: str) -> Pane:
    """Return the pane of a ship; it has the ship's colour, if there are to be any."""
    number = int(ship.partition("-")[2])
    colour = SHIP_COLOURS[number % len(SHIP_COLOURS)]
    if not view.coloured:
        colour = "default"
    return Pane(program(home, "pane", view.as_json(), ship), ship, colour)


def read_view(view: str) -> View:
    """Read a View from JSON."""
    return View(**json.loads(view))


def terminal(name: str) -> str:
    """Return the name of the viewer's terminal, or of one like it if it is not known here."""
    import curses  # few need it

    try:
        curses.setupterm(name, 1)
    except curses.error:
        return COMMON_TERMINAL
    return name


def known_ships(home: Path) -> list[str]:
    """Return the ships' names, by their numbers."""
    names = [path.stem for path in (home / "voyage" / "ships").glob("ship-*.json")]
    return sorted(names, key=lambda name: (len(name), name))


def layout(session: str, panes: Sequence[Pane]) -> list[str]:
    """Return tmux's arguments for a session with these panes.

    It is large, and tiled after each split, because a small window has no room for many panes. What
    runs in a pane names the window, for the status line, and has no use for keys: so `q` leaves,
    and Ctrl-C asks whether that is meant."""
    tile = ["select-layout", "-t", session, "tiled"]
    commands: list[list[str]] = []
    for pane in panes:
        if not commands:
            new_pane = ["new-session", "-d", "-x", "200", "-y", "50", "-s", session]
        else:
            new_pane = ["split-window", "-t", session]
        commands.append([*new_pane, *pane.argv])
        commands.append(["select-pane", "-t", session, "-T", pane.title])
        commands.append(["set", "-p", "-t", session, "@colour", pane.colour])
        commands.append(tile)
    commands += [
        ["set", "-g", "mouse", "on"],
        ["set", "-g", "pane-border-status", "top"],
        ["set", "-g", "pane-border-format", TITLE],
        ["set", "-g", "allow-rename", "on"],
        ["set", "-g", "status-left", " #W "],
        ["set", "-g", "status-left-length", "60"],
        ["set", "-g", "status-right", LEAVE],
        ["set", "-g", "window-status-format", ""],
        ["set", "-g", "window-status-current-format", ""],
        ["bind", "-n", "q", "detach-client"],
        ["bind", "-n", "C-c", "confirm-before", "-p", ASK, "detach-client"],
        ["select-pane", "-t", f"{session}:.0"],
        ["attach", "-t", session],
        tile,
        ["set", "-t", session, "destroy-unattached", "on"],
    ]
    first, *others = commands
    arguments = [*first]
    for command in others:
        arguments += [";", *command]
    return arguments
