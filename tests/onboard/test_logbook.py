import itertools
import json
import os
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocaptain.onboard import journal, logbook, serve
from tests.onboard.storage import Sail, task

EARLY, LATE = "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Logs of two ships, whose lines alternate in time."""
    for ship, minutes in (("ship-0", "13"), ("ship-1", "24")):
        lines = [f"2026-01-01T00:0{minute}:00.000Z [x] did {minute}\n" for minute in minutes]
        (tmp_path / f"{ship}.log").write_text("".join(lines))
    return tmp_path


def told(lines: list[str]) -> list[str]:
    return [line.rpartition(" ")[2] for line in lines]


def test_a_ship_appends(sail: Sail):
    """What a ship says is added to its own log, and it is told the log's size. (R20)"""
    storage = sail(task("1"))
    first = storage.ask("ship-0", "log", at=0, text=f"{EARLY} one\n")
    second = storage.ask("ship-0", "log", at=first["size"], text=f"{LATE} two é\n")
    path = storage.folder / "logs" / "ship-0.log"
    assert path.read_text() == f"{EARLY} one\n{LATE} two é\n"
    assert second == {"ok": True, "size": path.stat().st_size}


def test_a_line_is_read_up_to_a_length(folder: Path):
    """However long a hostile ship has made it."""
    with (folder / "ship-0.log").open("a") as log:
        log.write(f"{LATE} {'x' * 3_000_000}\n")
    lines = logbook.read(folder, "ship-0", "", 0, False)
    assert max(map(len, lines)) == 5_000 + len(" ship-0")


def test_a_lost_answer_writes_nothing_twice(sail: Sail):
    """The same lines at the same place are there once, also when half of them had arrived. (R20)"""
    storage = sail(task("1"))
    path, line = storage.folder / "logs" / "ship-0.log", f"{EARLY} one\n"
    for _ in range(3):
        assert storage.ask("ship-0", "log", at=0, text=line)["size"] == len(line)
    assert path.read_text() == line
    path.write_text(line + LATE[:9])
    assert storage.ask("ship-0", "log", at=len(line), text=f"{LATE} two\n")["ok"]
    assert path.read_text() == f"{line}{LATE} two\n"


def test_a_helm_that_starts_anew_appends(sail: Sail):
    """A ship that does not know how long its log is, overwrites nothing. (R20)"""
    storage = sail(task("1"))
    path = storage.folder / "logs" / "ship-0.log"
    for text in (f"{EARLY} one\n", f"{LATE} two\n"):
        size = storage.ask("ship-0", "log", at=0, text=text)["size"]
    assert path.read_text() == f"{EARLY} one\n{LATE} two\n"
    assert size == path.stat().st_size
    storage.ask("ship-0", "log", at=10**9, text="three\n")
    assert path.read_text().endswith("two\nthree\n")


@settings(max_examples=50)
@given(
    pieces=st.lists(
        st.tuples(st.text("ab\n", min_size=1, max_size=4), st.integers(1, 3)), max_size=6
    )
)
def test_each_piece_is_there_once(tmp_path_factory: pytest.TempPathFactory, pieces):
    """However often each piece is sent, the log is the pieces one after the other. (R20)"""
    path, size = tmp_path_factory.mktemp("log") / "ship-0.log", 0
    for text, times in pieces:
        size = [serve.append(path, size, text) for _ in range(times)][-1]
    assert (path.read_text() if pieces else "") == "".join(text for text, _ in pieces)


def test_a_log_has_a_limit(tmp_path, monkeypatch):
    """A full log takes no more, and its ship is not made to send the same for ever. (R23)"""
    monkeypatch.setattr(serve, "LOG_LIMIT", 10)
    path = tmp_path / "ship-0.log"
    assert serve.append(path, 0, "12345678\n") == 9
    assert serve.append(path, 9, "12345\n") == 9
    assert path.read_text() == "12345678\n"


def test_no_room_no_logs_and_no_new_tasks(sail: Sail, monkeypatch):
    """With little room left logs and new tasks are refused, claims and landings are not; a task
    that was added in time is still answered for. (R22)"""
    storage = sail(task("1"))
    storage.claim("ship-0")
    given = {"claim": 1, "task": {"subject": "more"}}
    added = storage.ask("ship-0", "add", id="x", **given)
    monkeypatch.setattr(journal, "ROOM", 10**18)
    assert storage.ask("ship-0", "log", at=0, text="x\n")["code"] == "room"
    assert not (storage.folder / "logs" / "ship-0.log").exists()
    assert storage.ask("ship-0", "add", id="y", **given)["code"] == "room"
    assert storage.ask("ship-0", "add", id="x", **given) == added
    assert storage.tasks().keys() == {"1", "2"}
    storage.finish("ship-0")


@pytest.mark.parametrize("at", [None, "x", -5, 1.5, float("nan"), 1e300, [], True, 10**30])
@pytest.mark.parametrize("text", [None, 5, "\x1b[31m\x00\ud800\u202e\x85", ["x"], "x" * 100_000])
def test_hostile_log_requests(sail: Sail, at, text):
    """Whatever a ship sends as a log is answered, and steers no terminal. (R15)"""
    storage = sail(task("1"))
    assert storage.ask("ship-0", "log", at=at, text=text)["ok"]
    body = (storage.folder / "logs" / "ship-0.log").read_text()
    assert all(char.isprintable() or char in "\n\t" for char in body)
    assert len(body) < 20_000


def test_hostile_bytes_are_shown_harmless(tmp_path):
    """Lines that are no UTF-8, or hold control characters, are shown without them. (R101)"""
    (tmp_path / "ship-0.log").write_bytes(f"{EARLY} a\x1b[2Jb".encode() + b"\xff\x00\x9b\n")
    (line,) = logbook.read(tmp_path, "", "", 0, False)
    assert line.startswith(f"{EARLY} ship-0 a")
    assert line.isprintable()


def test_tabs_are_shown(sail: Sail):
    """A tab, which programs print and no terminal minds, is shown as one."""
    storage = sail(task("1"))
    storage.ask("ship-0", "log", at=0, text=f"{EARLY} a\tb\n")
    assert list(logbook.read(storage.folder / "logs", "", "", 0, False)) == [f"{EARLY} ship-0 a\tb"]


def test_logs_are_merged_by_time(folder):
    """Lines of all ships come in the order of their times, each with its ship. (R20)"""
    lines = list(logbook.read(folder, "", "", 0, False))
    assert told(lines) == ["1", "2", "3", "4"]
    assert lines[1] == "2026-01-01T00:02:00.000Z ship-1 [x] did 2"


def test_one_ship_a_pattern_and_the_last_lines(folder):
    """Lines can be chosen by ship, by a pattern, and as the last few of those."""
    assert told(list(logbook.read(folder, "ship-1", "", 0, False))) == ["2", "4"]
    assert told(list(logbook.read(folder, "", "did [13]", 0, False))) == ["1", "3"]
    assert told(list(logbook.read(folder, "", "", 2, False))) == ["3", "4"]
    assert told(list(logbook.read(folder, "", "did [123]", 1, False))) == ["3"]
    assert told(list(logbook.read(folder, "ship-7", "", 0, False))) == []


def test_a_line_that_is_being_written_waits(folder):
    """Half a line is not shown until it is whole."""
    with (folder / "ship-0.log").open("a") as log:
        log.write("2026-01-01T00:09:00.000Z half")
    assert told(list(logbook.read(folder, "", "", 0, False))) == ["1", "2", "3", "4"]


def test_following_shows_what_is_added(folder, monkeypatch):
    """Following shows the last lines, then every new one, of new ships too, until stdin ends."""
    reader, writer = os.pipe()
    monkeypatch.setattr("sys.stdin", os.fdopen(reader))
    followed = logbook.read(folder, "", "", 1, True)
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
    wanted = {"ship": "", "pattern": "3", "tail": 0, "follow": False}
    logbook.main(home, [json.dumps(wanted)])
    assert told(capsys.readouterr().out.splitlines()) == ["3"]
