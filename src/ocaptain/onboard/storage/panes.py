"""The fleet in tmux: a pane for each ship, with its log as it grows."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..process import program
from ..protocol import ShipRecord
from ..text import clean
from .logs import POLL_S, growing

COMMON_TERMINAL = "xterm-256color"
PANE_LINES = 1_000
"""How many lines of a log a pane shows at once, at most."""


def show(home: Path, ships: Sequence[str]) -> None:
    """Attach to a tmux session with a pane for each of these ships, or of all if none is named.

    The session is the viewer's own, and ends when they leave."""
    session = f"fleet-{os.getpid()}"
    programs = [program(home, "pane", ship) for ship in ships or known_ships(home)]
    os.environ["TERM"] = terminal(os.environ.get("TERM", ""))
    os.execvp("tmux", ["tmux", "-L", "ocaptain", "-f", os.devnull, *layout(session, programs)])


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


def layout(session: str, programs: Sequence[Sequence[str]]) -> list[str]:
    """Return tmux's arguments for a session with a pane for each program.

    It is large, and tiled after each split, because a small window has no room for many panes."""
    tile = ["select-layout", "-t", session, "tiled"]
    commands: list[list[str]] = []
    for argv in programs:
        if not commands:
            new_pane = ["new-session", "-d", "-x", "200", "-y", "50", "-s", session]
        else:
            new_pane = ["split-window", "-t", session]
        commands.append([*new_pane, *argv])
        commands.append(tile)
    commands += [
        ["set", "-g", "mouse", "on"],
        ["set", "-g", "pane-border-status", "top"],
        ["attach", "-t", session],
        tile,
        ["set", "-t", session, "destroy-unattached", "on"],
    ]
    first, *others = commands
    arguments = [*first]
    for command in others:
        arguments += [";", *command]
    return arguments


def pane(home: Path, ship: str) -> None:
    """Show the ship's log as it grows, under a title, while storage knows the ship."""
    folder = home / "voyage"
    for lines in growing(folder / "logs" / f"{ship}.log"):
        record: ShipRecord = json.loads((folder / "ships" / f"{ship}.json").read_text())
        sys.stdout.write(f"\033]2;{title(ship, record)}\033\\")
        for line in lines[-PANE_LINES:]:
            clock = line[11:19]
            print(clock, line.partition(" ")[2])
        sys.stdout.flush()
        time.sleep(POLL_S)


def title(ship: str, record: ShipRecord) -> str:
    """Return a pane's title: the ship, its state, and its task with its subject."""
    parts = [ship, record["state"]]
    if record["task"]:
        parts.append(f"{record['task']} {record['subject']}")
    return clean(" · ".join(parts))
