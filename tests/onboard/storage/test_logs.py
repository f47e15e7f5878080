"""The ships' logs, as the captain reads them."""

import itertools
import json
import os
import re
import sys
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from ocaptain.onboard.protocol import LogQuery
from ocaptain.onboard.storage import logs, parts
from tests.support.rules import rule
from tests.support.storage import Json, Sail, task

EARLY, LATE = "2026-01-01T00:00:01.000Z", "2026-01-01T00:00:02.000Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """~/voyage with the logs of two ships, whose lines alternate in time."""
    folder = tmp_path / "voyage"
    (folder / "logs").mkdir(parents=True)
    for ship, minutes in (("ship-0", "13"), ("ship-1", "24")):
        lines = [f"2026-01-01T00:0{minute}:00.000Z [x] did {minute}\n" for minute in minutes]
        (folder / "logs" / f"{ship}.log").write_text("".join(lines))
    return folder


def query(**changes: Any) -> LogQuery:
    """All lines, or some of them."""
    query: Any = {"ship": "", "task": "", "since": "", "pattern": "", "tail": 0, "follow": False}
    return cast(LogQuery, query | changes)


def last_words(lines: Iterable[str]) -> list[str]:
    """The last word of each line."""
    return [line.rpartition(" ")[2] for line in lines]


def test_a_line_is_read_up_to_a_length(folder: Path):
    """However long a hostile ship has made it."""
    with (folder / "logs" / "ship-0.log").open("a") as log:
        log.write(f"{LATE} {'x' * 3_000_000}\n")
    lines = logs.read(folder, query(ship="ship-0"))
    assert max(map(len, lines)) == 5_000 + len(" ship-0")


@rule("R101")
def test_hostile_bytes_are_shown_harmless(tmp_path):
    """Lines that are no UTF-8, or hold control characters, are shown without them."""
    (tmp_path / "logs").mkdir()
    log = tmp_path / "logs" / "ship-0.log"
    log.write_bytes(f"{EARLY} a\x1b[2Jb".encode() + b"\xff\x00\x9b\n")
    (line,) = logs.read(tmp_path, query())
    assert line.startswith(f"{EARLY} ship-0 a")
    assert line.isprintable()


def test_tabs_are_shown(sail: Sail):
    """A tab, which programs print and no terminal minds, is shown as one."""
    storage = sail(task("1"))
    storage.ask("ship-0", "log", offset=0, text=f"{EARLY} a\tb\n")
    assert list(logs.read(storage.folder, query(ship="ship-0"))) == [f"{EARLY} ship-0 a\tb"]


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
    with (folder / "logs" / "ship-0.log").open("a") as log:
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
            with (folder / "logs" / f"{name}.log").open("a") as log:
                log.write(f"2026-01-01T00:05:00.000Z from {name}\n")

    threading.Timer(0.2, add).start()
    assert sorted(last_words(list(itertools.islice(followed, 2)))) == ["ship-0", "ship-2"]
    os.close(writer)
    assert list(followed) == []
    sys.stdin.close()


def test_the_program_prints(folder, capsys):
    """What the captain runs over SSH takes its arguments as JSON, and first says whether they make
    sense."""
    logs.main(folder.parent, json.dumps(query(pattern="3")))
    answer, *lines = capsys.readouterr().out.splitlines()
    assert json.loads(answer) == {"ok": True}
    assert last_words(lines) == ["3"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"ship": "ship-9"}, "there is no ship 'ship-9'; did you mean ship-1?"),
        ({"ship": "1"}, "there is no ship '1'; did you mean ship-1?"),
        ({"ship": "nobody"}, "there is no ship 'nobody'; to see them: ocaptain status"),
        ({"task": "17"}, "there is no task '17'; to see them: ocaptain tasks"),
    ],
)
def test_a_name_that_there_is_not(folder, capsys, changes: Any, error: str):
    """The answer says so, with the one that was probably meant, and nothing else is printed."""
    logs.main(folder.parent, json.dumps(query(**changes)))
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line)["error"] == error


def test_lines_of_one_task(folder):
    """Those that are marked with just its id, by whomever."""
    with (folder / "logs" / "ship-0.log").open("a") as log:
        log.write(f"{LATE} [x.1] another\n{LATE} names [x] only\n")
    assert last_words(logs.read(folder, query(task="x"))) == ["1", "2", "3", "4"]
    assert last_words(logs.read(folder, query(task="x.1"))) == ["another"]


@pytest.mark.parametrize("tail", [0, 10])
def test_lines_since_a_moment(folder, tail: int):
    """Also in a log that is longer than what is read at once."""
    lines = [f"2026-01-01T01:{n:02}:00.000Z {n} {'x' * 9_000}\n" for n in range(60)]
    (folder / "logs" / "ship-2.log").write_text("".join(lines))
    found = logs.read(folder, query(since="2026-01-01T01:57:00.000Z", tail=tail))
    assert [line.split()[2] for line in found] == ["57", "58", "59"]


def test_the_end_is_the_same_from_either_side(folder):
    """Blocks may end anywhere, and lines of one moment may be in several logs."""
    for ship in ("ship-0", "ship-1", "ship-2"):
        with (folder / "logs" / f"{ship}.log").open("a") as log:
            for number in range(3_000):
                time = f"2026-01-02T00:{number // 100:02}:00.000Z"
                log.write(f"{time} {number} {'y' * (number % 97)}\n")
    everything = [*logs.read(folder, query())]
    assert len(everything) == 9_004
    for tail in (1, 17, 8_000, 20_000):
        assert [*logs.read(folder, query(tail=tail))] == everything[-tail:]
    assert [*logs.read(folder, query(tail=5, pattern=" 1[0-9]{3} y+$"))] == [
        line for line in everything if re.search(" 1[0-9]{3} y+$", line)
    ][-5:]


def test_the_end_of_a_large_log_needs_little(folder):
    """Whoever wants the last lines does not wait for all to be read."""
    log = folder / "logs" / "ship-0.log"
    with log.open("wb") as file:
        file.truncate(10 << 30)  # a hole, which to read would take seconds
        file.seek(0, 2)
        file.write(f"\n{EARLY} a\n{LATE} b\n{LATE} c\n".encode())
    assert last_words(logs.read(folder, query(ship="ship-0", tail=2))) == ["b", "c"]


def test_orders_are_among_the_lines(sail: Sail):
    """Who ordered what, when and why; and what harbor did of its own accord."""
    storage = sail(task("1"), task("2"), max_attempts=1)
    orders: list[tuple[str, Json]] = [
        ("pause", {"why": "lunch"}),
        ("resume", {}),
        ("hail", {"ship": "ship-0", "text": "mind\nthe gap"}),
        ("hail", {"text": "all of you"}),
        ("edit_task", {"fields": {"subject": "More"}}),
        ("edit_task", {"fields": {"subject": "Much more"}, "task": "3"}),
        ("edit_task", {"fields": {"blockedBy": ["3"]}, "task": "2"}),
        ("update_ships", {"lost": ["ship-2"], "add": 1, "force": True}),
        ("relieve", {"ship": "ship-3"}),
        ("sink", {"ships": ["ship-1"], "why": "money"}),
    ]
    for op, fields in orders:
        storage.now += 1
        storage.order(op, by="ada@home", id=f"{storage.now}", **fields)
    storage.claim("ship-0")
    storage.order("release", task="3", by="ada@home")
    storage.claim("ship-0")
    storage.ask("ship-0", "release", claim=2, fault="error", why="no luck")
    storage.order("retry", task="3", by="ada@home")
    storage.order("retry", task="verify", by="ada@home")
    storage.order("halt", by="ada@home")
    lines = [line.split(" ", 1)[1] for line in logs.read(storage.folder, query())]
    assert lines[2:] == [
        "captain ada@home pauses the voyage: lunch",
        "captain ada@home resumes the voyage",
        "captain ada@home hails ship-0: mind the gap",
        "captain ada@home hails ship-0, ship-1, ship-2: all of you",
        "captain [3] ada@home adds it: More",
        "captain [3] ada@home edits it: Much more",
        "captain [2] ada@home edits it: Do 2",
        "captain ada@home lets ship-2 go",
        "captain ada@home adds ship-3",
        "captain ada@home relieves ship-3",
        "captain ada@home sinks ship-1: money",
        "captain [3] ada@home takes it from ship-0",
        "harbor [3] is set aside after 1 attempt, the last: no luck",
        "captain [3] ada@home brings it back",
        "captain ada@home halts the voyage",
    ]
    times = [line.split()[0] for line in logs.read(storage.folder, query(ship="captain"))]
    assert times[2:4] == ["1970-01-12T13:46:41.000Z", "1970-01-12T13:46:42.000Z"]
    assert lines[1] == "captain the voyage begins, with 2 tasks and 3 ships"
    assert [*logs.read(storage.folder, query(ship="ship-0"))] == []
    of_task = logs.read(storage.folder, query(task="3", tail=1))
    assert [line.split(" ", 1)[1] for line in of_task] == [lines[15]]


def test_orders_before_the_journal_began_anew(sail: Sail):
    """Its older parts are read if somebody wants to know what was before."""
    storage = sail(task("1"))
    storage.order("pause", by="ada", id="1")
    with (journal := storage.journal()).locked():
        journal.sum_up()
    [part] = parts.plain_parts(journal)
    parts.compress(part)
    storage.now += 1
    storage.order("resume", by="ada", id="2")
    for tail in (0, 2):
        *_, pause, resume = logs.read(storage.folder, query(tail=tail))
        assert (pause.split(" ", 1)[1], resume.split(" ", 1)[1]) == (
            "captain ada pauses the voyage",
            "captain ada resumes the voyage",
        )


def test_what_became_of_claims_and_of_the_voyage(sail: Sail):
    """harbor says whom it took a task from, and when the voyage is complete."""
    storage = sail(task("1"))
    storage.claim("ship-0")
    storage.pass_time(70)
    storage.finish("ship-1")
    storage.verify("ship-1")
    lines = [line.split(" ", 1)[1] for line in logs.read(storage.folder, query(ship="harbor"))]
    assert lines == [
        "harbor [1] is taken from ship-0: ship-0 was not heard from in time",
        "harbor the voyage is verifying",
        "harbor the voyage is complete",
    ]
