"""The fleet in tmux on storage: one pane per ship, made when somebody wants to look."""

import json
import os
import shlex
import sys
import time
from pathlib import Path

from . import process
from .logbook import LOOK_S, Lines
from .text import clean

OPTIONS = (
    "set -g pane-border-status top ; set -g pane-border-format ' #{pane_title} ' ; set -g mouse on"
)


def main(home: Path, argv: list[str]) -> int:
    """`show [SHIP]`: attach to the session, on all ships or one. `pane SHIP`: what a pane runs."""
    if argv[0] == "pane":
        pane(home / "voyage", argv[1])
    voyage = json.loads((home / "voyage" / "voyage.json").read_text())
    tmux, ships = ["tmux", "-L", voyage["voyage"]], voyage["ships"]
    python = [sys.executable, "-IS", str(home / "voyage" / "lib"), "panes.main", "pane"]
    commands = focusing(ships, argv[1] if len(argv) > 1 else None)
    if process.run([*tmux, "has-session"]).status:
        commands = building(ships, python) + commands
    for command in commands:
        process.run([*tmux, *command])
    os.execvp("tmux", [*tmux, "attach-session"])


def building(ships: list[str], python: list[str]) -> list[list[str]]:
    """The tmux commands that make the session: large, and tiled after each split, because a small
    window has no room for many panes."""
    commands = [["new-session", "-d", "-s", "fleet", "-x", "200", "-y", "50", *python, ships[0]]]
    commands.append(shlex.split(OPTIONS))
    for ship in ships[1:]:
        commands += [["split-window", *python, ship], ["select-layout", "tiled"]]
    return commands


def focusing(ships: list[str], ship: str | None) -> list[list[str]]:
    """The tmux commands that show one ship's pane alone, or all panes."""
    unzoom = ["if-shell", "-F", "#{window_zoomed_flag}", "resize-pane -Z"]
    if ship not in ships:
        return [unzoom]
    pane_id = f"fleet:0.{ships.index(ship)}"
    return [unzoom, ["select-pane", "-t", pane_id], ["resize-pane", "-Z", "-t", pane_id]]


def pane(folder: Path, ship: str) -> None:
    """Show a ship's log as it grows, under a title that names its task; for ever."""
    log = Lines(folder / "logs" / f"{ship}.log")
    while True:
        sys.stdout.write(f"\033]2;{title(folder, ship)}\033\\")
        for line in log.new()[-1000:]:
            print(line[11:19], line.partition(" ")[2])
        sys.stdout.flush()
        time.sleep(LOOK_S)


def title(folder: Path, ship: str) -> str:
    """The ship, its state, and its task with its subject."""
    try:
        said = json.loads((folder / "ships" / f"{ship}.json").read_text())
    except (OSError, ValueError):
        return f"{ship} · not heard from yet"
    task = f" · {said['task']} {said['subject']}" if said["task"] else ""
    return clean(f"{ship} · {said['state']}{task}")
