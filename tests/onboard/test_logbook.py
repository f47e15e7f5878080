import itertools
import json
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.protocol import LogQuery
from ocaptain.onboard.ship import client
from ocaptain.onboard.ship import ship as ships
from ocaptain.onboard.storage import journal, logs, serve
from tests.support.rules import rule
from tests.support.ship import a_ship
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


def told(lines: list[str]) -> list[str]:
    return [line.rpartition(" ")[2] for line in lines]


@rule("R20")
def test_a_ship_appends(sail: Sail):
    """What a ship says is added to its own log, and it is told the log's size."""
    storage = sail(task("1"))
    first = storage.ask("ship-0", "log", offset=0, text=f"{EARLY} one\n")
    second = storage.ask("ship-0", "log", offset=first["size"], text=f"{LATE} two é\n")
    path = storage.folder / "logs" / "ship-0.log"
    assert path.read_text() == f"{EARLY} one\n{LATE} two é\n"
    assert second == {"ok": True, "size": path.stat().st_size}


def test_a_line_is_read_up_to_a_length(folder: Path):
    """However long a hostile ship has made it."""
    with (folder / "ship-0.log").open("a") as log:
        log.write(f"{LATE} {'x' * 3_000_000}\n")
    lines = logs.read(folder, query(ship="ship-0"))
    assert max(map(len, lines)) == 5_000 + len(" ship-0")


@rule("R20")
def test_a_ship_that_does_not_know_the_size_is_told_it(sail: Sail):
    """As a helm that starts anew: nothing is written twice, and nothing is left out."""
    storage = sail(task("1"))
    path, text = storage.folder / "logs" / "ship-0.log", f"{EARLY} one\n{LATE} two\n"
    for at in (0, 0, 5, 10**9):
        assert storage.ask("ship-0", "log", offset=at, text=text)["size"] == len(text)
    assert path.read_text() == text


@rule("R20")
def test_a_ships_log_is_brought_to_storage(sail: Sail, tmp_path: Path, monkeypatch):
    """Line by line, the same on both sides: over lost answers, a helm that starts anew, a line
    half-written by a crash, and whatever an agent prints."""
    storage = sail(task("1"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    class Faltering:
        """A storage whose third answer to a helm is lost."""

        def __init__(self) -> None:
            self.answers = itertools.count(1)

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            answer = storage.ask("ship-0", op, **fields)
            if next(self.answers) == 3:
                raise client.Unreachable("the answer is lost")
            return answer

    there = storage.folder / "logs" / "ship-0.log"
    for text in ("one é", "\x1b[2J\ud800\t\u2028x", "y" * 9_000, "z\n\n" * 20_000):
        helm = a_ship(tmp_path, Faltering())
        helm.say(text, "7")
        with helm.log.open("a") as log:
            log.write("torn")
        for _ in range(3):
            helm.send_log(0)
        whole = helm.log.read_bytes()
        assert there.read_bytes() == whole.removesuffix(b"torn")
    assert b"[7] one \xc3\xa9\ntorn" in whole


@rule("R20")
def test_a_full_disk_does_not_stop_a_ship(tmp_path: Path, monkeypatch):
    """What cannot be written to its log is not; a log at its limit grows no more."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    helm = a_ship(tmp_path, None)
    helm.say("one")
    size = helm.log.stat().st_size
    monkeypatch.setattr(ships, "LOG_LIMIT", size)
    helm.say("two")
    assert helm.log.stat().st_size == size
    helm.log = Path("/dev/full")
    helm.say("three")


def test_a_log_has_a_limit(sail: Sail):
    """A full log takes no more, and its ship is told so."""
    storage = sail(task("1"))
    first, second = {"offset": 0, "text": "12345678\n"}, {"offset": 9, "text": "12345\n"}
    assert serve.append_log(storage.journal(), "ship-0", first, limit=10)["size"] == 9
    assert serve.append_log(storage.journal(), "ship-0", second, limit=10)["code"] == "room"
    assert (storage.folder / "logs" / "ship-0.log").read_text() == "12345678\n"


@rule("R22")
def test_no_room_no_logs_and_no_new_tasks(sail: Sail, monkeypatch):
    """With little room left logs and new tasks are refused, claims and landings are not; a task
    that was added in time is still answered for."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    given = {"claim": 1, "task": {"subject": "more"}}
    added = storage.ask("ship-0", "add", id="x", **given)
    monkeypatch.setattr(journal, "ROOM", 10**18)
    assert storage.ask("ship-0", "log", offset=0, text="x\n")["code"] == "room"
    assert (storage.folder / "logs" / "ship-0.log").read_text() == ""
    assert storage.ask("ship-0", "add", id="y", **given)["code"] == "room"
    assert storage.ask("ship-0", "add", id="x", **given) == added
    assert storage.tasks().keys() == {"1", "2"}
    storage.finish("ship-0")


@rule("R15")
@pytest.mark.parametrize("at", [None, "x", -5, 1.5, float("nan"), 1e300, [], True, 10**30])
@pytest.mark.parametrize("text", [None, 5, "\x1b[31m\x00\ud800\u202e\x85", ["x"], "x" * 100_000])
def test_hostile_log_requests(sail: Sail, at, text):
    """Whatever a ship sends as a log is answered, and steers no terminal."""
    storage = sail(task("1"))
    assert storage.ask("ship-0", "log", offset=at, text=text)["ok"]
    body = (storage.folder / "logs" / "ship-0.log").read_text()
    assert all(char.isprintable() or char in "\n\t" for char in body)
    assert len(body) < 20_000


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
    assert told(lines) == ["1", "2", "3", "4"]
    assert lines[1] == "2026-01-01T00:02:00.000Z ship-1 [x] did 2"


def test_one_ship_a_pattern_and_the_last_lines(folder):
    """Lines can be chosen by ship, by a pattern, and as the last few of those."""
    assert told(list(logs.read(folder, query(ship="ship-1")))) == ["2", "4"]
    assert told(list(logs.read(folder, query(pattern="did [13]")))) == ["1", "3"]
    assert told(list(logs.read(folder, query(tail=2)))) == ["3", "4"]
    assert told(list(logs.read(folder, query(pattern="did [123]", tail=1)))) == ["3"]
    assert told(list(logs.read(folder, query(ship="ship-7")))) == []


def test_a_line_that_is_being_written_waits(folder):
    """Half a line is not shown until it is whole."""
    with (folder / "ship-0.log").open("a") as log:
        log.write("2026-01-01T00:09:00.000Z half")
    assert told(list(logs.read(folder, query()))) == ["1", "2", "3", "4"]


def test_following_shows_what_is_added(folder, monkeypatch):
    """Following shows the last lines, then every new one, of new ships too, until stdin ends."""
    reader, writer = os.pipe()
    monkeypatch.setattr("sys.stdin", os.fdopen(reader))
    followed = logs.read(folder, query(tail=1, follow=True))
    assert told([next(followed)]) == ["4"]

    def add() -> None:
        for name in ("ship-0", "ship-2"):
            with (folder / f"{name}.log").open("a") as log:
                log.write(f"2026-01-01T00:05:00.000Z from {name}\n")

    threading.Timer(0.2, add).start()
    assert sorted(told(list(itertools.islice(followed, 2)))) == ["ship-0", "ship-2"]
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
    assert told(capsys.readouterr().out.splitlines()) == ["3"]
