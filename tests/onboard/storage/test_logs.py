"""The ships' logs, as the captain reads them."""

import itertools
import json
import os
import sys
import threading
from collections.abc import Iterable
from pathlib import Path

import pytest

from ocaptain.onboard.protocol import LogQuery
from ocaptain.onboard.storage import logs
from tests.support.rules import rule
from tests.support.storage import Sail, task

EARLY, LATE = "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Logs of two ships, whose lines alternate in time."""
    for ship, minutes in (("ship-0", "13"), ("ship-1", "24")):
        lines = [f"2026-01-01T00:0{minute}:00.000Z [x] did {minute}\n" for minute in minutes]
        (tmp_path / f"{ship}.log").write_text("".join(lines))
    return tmp_path


def query(ship: str = "", pattern: str = "", tail: int = 0, follow: bool = False) -> LogQuery:
    """All lines, or some of them."""
    return {"ship": ship, "pattern": pattern, "tail": tail, "follow": follow}


def last_words(lines: Iterable[str]) -> list[str]:
    """The last word of each line."""
    return [line.rpartition(" ")[2] for line in lines]


def test_a_line_is_read_up_to_a_length(folder: Path):
    """However long a hostile ship has made it."""
    with (folder / "ship-0.log").open("a") as log:
        log.write(f"{LATE} {'x' * 3_000_000}\n")
    lines = logs.read(folder, query(ship="ship-0"))
    assert max(map(len, lines)) == 5_000 + len(" ship-0")


@rule("R101")
def test_hostile_bytes_are_shown_harmless(tmp_path):
    """Lines that are no UTF-8, or hold control characters, are shown without them."""
    (tmp_path / "ship-0.log").write_bytes(f"{EARLY} a\x1b[2Jb".encode() + b"\xff\x00\x9b\n")
    (line,) = logs.read(tmp_path, query())
    assert line.startswith(f"{EARLY} ship-0 a")
    assert line.isprintable()


def test_tabs_are_shown(sail: Sail):
    """A tab, which programs print and no terminal minds, is shown as one."""
    storage = sail(task("1"))
    storage.ask("ship-0", "log", offset=0, text=f"{EARLY} a\tb\n")
    assert list(logs.read(storage.folder / "logs", query())) == [f"{EARLY} ship-0 a\tb"]


@rule("R20")
def test_logs_are_merged_by_time(folder):
    """Lines of all ships come in the order of their times, each with its ship."""
    lines = list(logs.read(folder, query()))
    assert last_words(lines) == ["1", "2", "3", "4"]
    assert lines[1] == "2026-01-01T00:02:00.000Z ship-1 [x] did 2"


def test_one_ship_a_pattern_and_the_last_lines(folder):
    """Lines can be chosen by ship, by a pattern, and as the last few of those."""
    assert last_words(logs.read(folder, query(ship="ship-1"))) == ["2", "4"]
    assert last_words(logs.read(folder, query(pattern="did [13]"))) == ["1", "3"]
    assert last_words(logs.read(folder, query(tail=2))) == ["3", "4"]
    assert last_words(logs.read(folder, query(pattern="did [123]", tail=1))) == ["3"]
    assert last_words(logs.read(folder, query(ship="ship-7"))) == []


def test_a_line_that_is_being_written_waits(folder):
    """Half a line is not shown until it is whole."""
    with (folder / "ship-0.log").open("a") as log:
        log.write("2026-01-01T00:09:00.000Z half")
    assert last_words(logs.read(folder, query())) == ["1", "2", "3", "4"]


def test_following_shows_what_is_added(folder, monkeypatch):
    """Following shows the last lines, then every new one, of new ships too, until stdin ends."""
    reader, writer = os.pipe()
    monkeypatch.setattr("sys.stdin", os.fdopen(reader))
    followed = logs.read(folder, query(tail=1, follow=True))
    assert last_words([next(followed)]) == ["4"]

    def add() -> None:
        for name in ("ship-0", "ship-2"):
            with (folder / f"{name}.log").open("a") as log:
                log.write(f"2026-01-01T00:05:00.000Z from {name}\n")

    threading.Timer(0.2, add).start()
    assert sorted(last_words(list(itertools.islice(followed, 2)))) == ["ship-0", "ship-2"]
    os.close(writer)
    assert list(followed) == []
    sys.stdin.close()


def test_the_program_prints(folder, capsys):
    """What the captain runs over SSH takes its arguments as JSON."""
    home = folder / "home"
    (home / "voyage" / "logs").mkdir(parents=True)
    for log in folder.glob("*.log"):
        log.rename(home / "voyage" / "logs" / log.name)
    logs.main(home, json.dumps(query(pattern="3")))
    assert last_words(capsys.readouterr().out.splitlines()) == ["3"]
