"""The ships' logs, as the captain reads them: as lines, and in tmux, a pane per ship.

A log is one line per event: UTC time, a space, the text.
"""

import json
import os
import re
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from .process import program
from .text import clean

LOOK_S = 0.3


def main(home: Path, argv: list[str]) -> None:
    """Print log lines; `argv[0]` has the arguments of `read`, as a JSON object."""
    for line in read(home / "voyage" / "logs", **json.loads(argv[0])):
        print(line, flush=True)


def growing(path: Path) -> Iterator[list[str]]:
    """The lines of a log, fit for a terminal: those that came whole since the last look, each time;
    for ever."""
    while not path.exists():
        yield []
    with path.open("rb") as log:
        rest = b""
        while True:
            *whole, rest = (rest + log.read()).split(b"\n")
            # No longer than ten times what helm writes.
            yield [clean(line[:5_000].decode("utf-8", "replace"), keep="\t") for line in whole]


def read(folder: Path, ship: str, pattern: str, tail: int, follow: bool) -> Iterator[str]:
    """Lines `time ship text` of one ship or all (""), by time: those that match a pattern, and of
    those there are the last `tail`, or all (0); with `follow` without end."""
    logs: dict[str, Iterator[list[str]]] = {}
    while True:
        for path in folder.glob(f"{ship or '*'}.log"):
            logs.setdefault(path.stem, growing(path))
        new = [line.replace(" ", f" {name} ", 1) for name in logs for line in next(logs[name])]
        found = [line for line in new if re.search(pattern, line)]
        yield from sorted(found, key=lambda line: line.partition(" ")[0])[-tail:]
        if not follow or select.select([sys.stdin], [], [], LOOK_S)[0]:
            return  # the end of stdin: nobody reads on
        tail = 0


# In tmux


def show(home: Path, argv: list[str]) -> None:
    """Attach to a tmux session with a pane for each ship, or for the one that `argv` names alone.

    It is the viewer's own, and ends when they leave. It is large, and tiled after each split,
    because a small window has no room for many panes."""
    known = [path.stem for path in (home / "voyage" / "ships").glob("ship-*.json")]
    me, words = f"fleet-{os.getpid()}", list[str]()
    new = f"new-session -d -x 200 -y 50 -s {me}"
    for ship in argv or sorted(known, key=lambda name: (len(name), name)):
        words += [*new.split(), *program(home, "logbook.pane", ship)]
        words += f"; select-layout -t {me} tiled ;".split()
        new = f"split-window -t {me}"
    words += f"set -g mouse on ; set -g pane-border-status top ; attach -t {me} ;".split()
    words += f"select-layout -t {me} tiled ; set -t {me} destroy-unattached on".split()
    os.execvp("tmux", ["tmux", "-L", "ocaptain", "-f", os.devnull, *words])


def pane(home: Path, argv: list[str]) -> None:
    """What a pane runs: the log of the ship `argv[0]` as it grows, while there is that ship,
    under a title: the ship, its state, and its task with its subject."""
    folder, ship = home / "voyage", argv[0]
    for lines in growing(folder / "logs" / f"{ship}.log"):
        said = json.loads((folder / "ships" / f"{ship}.json").read_text())
        task = f" · {said['task']} {said['subject']}" if said["task"] else ""
        title = clean(f"{ship} · {said['state']}{task}")
        sys.stdout.write(f"\033]2;{title}\033\\")
        for line in lines[-1000:]:
            print(line[11:19], line.partition(" ")[2])
        sys.stdout.flush()
        time.sleep(LOOK_S)
