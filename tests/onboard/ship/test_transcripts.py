"""What agents' programs write down, on its way from a ship to storage."""

import gzip
import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ocaptain.onboard.ship.ship import Ship
from ocaptain.onboard.ship.transcripts import Transcripts, lines_from, newest, pack
from tests.support.machine import until
from tests.support.rules import rule
from tests.support.sessions import Start
from tests.support.ship import Harbor, a_ship
from tests.support.storage import Sail, Storage, task

SECRET = "sk-ant-oat01-distinctive"


def line(number: int, text: str = "") -> bytes:
    return json.dumps({"type": "user", "number": number, "text": text}).encode() + b"\n"


def unpacked(packed: bytes) -> list[dict[str, Any]]:
    return [json.loads(each) for each in gzip.decompress(packed).splitlines()]


def of_ship(storage: Storage, ship: str = "ship-0") -> Any:
    """The storage as this ship asks it."""
    return SimpleNamespace(ask=lambda op, **fields: storage.ask(ship, op, **fields))


def kept(storage: Storage) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (storage.folder / "transcripts").glob("*")}


@pytest.fixture
def storage(sail: Sail) -> Storage:
    """Storage where ship-0 has claimed task 1."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    return storage


@pytest.fixture
def ship(storage: Storage, tmp_path: Path) -> Ship:
    home = tmp_path / "home"
    home.mkdir()
    return a_ship(home, of_ship(storage))


@rule("R152")
def test_a_claims_transcript_comes_to_storage_without_secrets(
    storage: Storage, ship: Ship, tmp_path: Path
):
    """In parts if it is long, and of all its conversations; what notes it is gone then."""
    ship.secrets.append(SECRET)
    notes = ship.folder / "transcripts"
    to_storage = Transcripts(notes, ship.storage, ship.secrets, ship.say, part_bytes=100)
    (tmp_path / "a.jsonl").write_bytes(line(1, f"with {SECRET} and {os.urandom(200).hex()}"))
    (tmp_path / "b.jsonl").write_bytes(line(2))
    for name in ("a", "b", "a", "gone"):
        to_storage.note(1, f"{tmp_path}/{name}*.jsonl")
    assert not kept(storage)
    to_storage.send(1)
    [(name, packed)] = kept(storage).items()
    assert name == "1-1.jsonl.gz"
    first, second = unpacked(packed)
    assert first["text"].startswith("with *** and")
    assert second["number"] == 2
    assert not [*notes.iterdir()]
    assert storage.order("task", task="1")["claims"][0]["transcript"] == len(packed)


@rule("R152")
def test_a_helm_that_is_started_anew_brings_what_the_one_before_had_noted(
    storage: Storage, ship: Ship, tmp_path: Path
):
    """So that a transcript outlives the crash of a helm."""
    (tmp_path / "a.jsonl").write_bytes(line(1))
    ship.transcripts.note(1, f"{tmp_path}/a.jsonl")
    anew = a_ship(ship.home, of_ship(storage))
    anew.transcripts.end_all()
    threading.Thread(target=anew.transcripts.keep_sending, daemon=True).start()
    assert until(lambda: kept(storage), 5)


def test_a_transcript_that_storage_does_not_take_is_told_of_and_given_up(tmp_path: Path):
    """It is the log's to say; nothing else goes wrong."""
    harbor = Harbor(transcript={"ok": False, "code": "room", "error": "no room"})
    ship = a_ship(tmp_path, harbor)
    (tmp_path / "a.jsonl").write_bytes(line(1))
    ship.transcripts.note(3, f"{tmp_path}/a.jsonl")
    ship.transcripts.send(3)
    ship.transcripts.send(3)
    assert len(harbor.requests("transcript")) == 1
    assert "the transcript of claim 3 is not kept: no room" in ship.log.read_text()


def test_each_conversation_of_a_session_is_noted(start: Start, monkeypatch, tmp_path: Path):
    """As soon as it has begun, for a helm may die at any time."""
    monkeypatch.setenv("HOME", str(tmp_path))
    session = start("begin(); hear(); result()")
    session.turn("go")
    assert (session.ship.folder / "transcripts" / "1").read_text() == f"{tmp_path}/talk-1.jsonl"


@rule("R153")
def test_of_a_long_transcript_the_end_is_kept_and_the_cut_is_said(tmp_path: Path):
    """Whole lines, within the limit; earlier files give way to later ones."""
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_bytes(b"".join(line(number) for number in range(50)))
    second.write_bytes(b"".join(line(number) for number in range(50, 100)))
    size = first.stat().st_size + second.stat().st_size
    mark, *rest = unpacked(pack([first, second], [], limit=size - 1000))
    numbers = [each["number"] for each in rest]
    assert numbers == [*range(numbers[0], 100)]
    assert 0 < numbers[0] < 50
    whole = b"".join(line(number) for number in range(numbers[0]))
    assert mark == {"type": "ocaptain", "cut_bytes": len(whole)}


def test_a_line_beyond_measure_is_left_out_and_said(tmp_path: Path):
    """A picture, say; what is around it is there. A line that is not whole is not."""
    path = tmp_path / "a"
    path.write_bytes(line(1) + line(2, "x" * 500) + line(3) + b'{"type"')
    one, mark, three = lines_from(path, 0, line_limit=100)
    assert (one, three) == (line(1), line(3))
    assert json.loads(mark) == {"type": "ocaptain", "cut_bytes": len(line(2, "x" * 500))}


def test_links_and_pipes_that_an_agent_has_put_there_are_left_alone(tmp_path: Path):
    """A link might lead to the ship's key; a pipe would hold up whoever reads it."""
    (tmp_path / "key").write_bytes(b"secret\n")
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "key")
    os.mkfifo(tmp_path / "pipe.jsonl")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(OSError, match="symbolic link"):
        [*lines_from(tmp_path / "link.jsonl", 0)]
    began = time.monotonic()
    with pytest.raises(OSError, match="is no file"):
        [*lines_from(tmp_path / "pipe.jsonl", 0)]
    assert time.monotonic() - began < 5
    assert newest(f"{tmp_path}/[pf]*.jsonl") is None
