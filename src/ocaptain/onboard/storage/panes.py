"""The fleet in tmux: a pane for each ship, with its log as it grows."""

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from ..process import program
from ..text import clean
from .logs import LOOK_S, growing


def show(home: Path, ships: Sequence[str]) -> None:
    """Attach to a tmux session with a pane for each ship, or for the one that `ships` names alone.

    It is the viewer's own, and ends when they leave. It is large, and tiled after each split,
    because a small window has no room for many panes."""
    known = [path.stem for path in (home / "voyage" / "ships").glob("ship-*.json")]
    me, words = f"fleet-{os.getpid()}", list[str]()
    new = f"new-session -d -x 200 -y 50 -s {me}"
    for ship in ships or sorted(known, key=lambda name: (len(name), name)):
        words += [*new.split(), *program(home, "pane", ship)]
        words += f"; select-layout -t {me} tiled ;".split()
        new = f"split-window -t {me}"
    words += f"set -g mouse on ; set -g pane-border-status top ; attach -t {me} ;".split()
    words += f"select-layout -t {me} tiled ; set -t {me} destroy-unattached on".split()
    os.execvp("tmux", ["tmux", "-L", "ocaptain", "-f", os.devnull, *words])


def pane(home: Path, ship: str) -> None:
    """What a pane runs: the log of the ship as it grows, while there is that ship,
    under a title: the ship, its state, and its task with its subject."""
    folder = home / "voyage"
    for lines in growing(folder / "logs" / f"{ship}.log"):
        said = json.loads((folder / "ships" / f"{ship}.json").read_text())
        task = f" · {said['task']} {said['subject']}" if said["task"] else ""
        title = clean(f"{ship} · {said['state']}{task}")
        sys.stdout.write(f"\033]2;{title}\033\\")
        for line in lines[-1000:]:
            print(line[11:19], line.partition(" ")[2])
        sys.stdout.flush()
        time.sleep(LOOK_S)
