"""The ships' logs, as the captain reads them: as lines, and in tmux, a pane per ship.

A log is one line per event: UTC time, a space, the text.
"""

import json
import os
import re
import select
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from .text import clean

LOOK_S = 0.3
OPTIONS = "set -g mouse on\nset -g pane-border-status top\n"


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
        for path in folder.glob("*.log"):
            if ship in ("", path.stem):
                logs.setdefault(path.stem, growing(path))
        new = [line.replace(" ", f" {name} ", 1) for name in logs for line in next(logs[name])]
        found = [line for line in new if re.search(pattern, line)]
        yield from sorted(found, key=lambda line: line.partition(" ")[0])[-tail:]
        if not follow or select.select([sys.stdin], [], [], LOOK_S)[0]:
            return  # the end of stdin: nobody reads on
        tail = 0


# In tmux


def show(home: Path, argv: list[str]) -> None:
    """Attach to the fleet's tmux session: one pane per ship, or, by `argv`, one ship's alone.

    tmux reads the configuration, which makes the session, only where no server of this voyage runs
    yet. Each attaching unzooms and tiles anew."""
    voyage = json.loads((home / "voyage" / "voyage.json").read_text())
    ships, config = voyage["ships"], home / "voyage" / "tmux.conf"
    config.write_text(configuration(ships, [sys.executable, "-IS", str(home / "voyage" / "lib")]))
    zoom = [f"resize-pane -Z -t fleet:0.{ships.index(ship)}" for ship in argv if ship in ships]
    command = " ; ".join(["attach-session -t fleet", "select-layout tiled", *zoom])
    os.execvp("tmux", ["tmux", "-L", voyage["voyage"], "-f", str(config), *command.split()])


def configuration(ships: list[str], python: list[str]) -> str:
    """What makes the session: large, and tiled after each split, because a small window has no room
    for many panes."""
    panes = [shlex.join([*python, "logbook.pane", ship]) for ship in ships]
    splits = [f"split-window -t fleet {pane}\nselect-layout -t fleet tiled\n" for pane in panes[1:]]
    return OPTIONS + f"new-session -d -s fleet -x 200 -y 50 {panes[0]}\n" + "".join(splits)


def pane(home: Path, argv: list[str]) -> None:
    """What a pane runs: the log of the ship `argv[0]` as it grows, under a title, for ever."""
    for lines in growing(home / "voyage" / "logs" / f"{argv[0]}.log"):
        sys.stdout.write(f"\033]2;{title(home / 'voyage' / 'ships', argv[0])}\033\\")
        for line in lines[-1000:]:
            print(line[11:19], line.partition(" ")[2])
        sys.stdout.flush()
        time.sleep(LOOK_S)


def title(folder: Path, ship: str) -> str:
    """The ship, its state, and its task with its subject."""
    with suppress(OSError, ValueError, LookupError, TypeError, RecursionError):
        said = json.loads((folder / f"{ship}.json").read_text())
        task = f" · {said['task']} {said['subject']}" if said["task"] else ""
        return clean(f"{ship} · {said['state']}{task}")
    return f"{ship} · not heard from yet"
