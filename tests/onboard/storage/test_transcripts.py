"""What storage takes in and gives out of what agents' programs write down."""

import gzip
import os
from base64 import b64decode, b64encode

import pytest

from ocaptain.onboard import TRANSCRIPT_LIMIT
from ocaptain.onboard.storage.transcripts import PART_BYTES
from tests.support.rules import rule
from tests.support.storage import Json, Sail, Storage, task

PACKED = gzip.compress(b'{"type": "user"}\n')


def send(storage: Storage, ship: str = "ship-0", data: bytes = PACKED, **fields) -> Json:
    part = b64encode(data).decode()
    request = {"claim": 1, "offset": 0, "last": True, "data": part}
    return storage.ask(ship, "transcript", **{**request, **fields})


def give_back(storage: Storage, claim: int) -> None:
    assert storage.ask("ship-0", "release", claim=claim, why="at a loss", fault="agent")["ok"]


@pytest.fixture
def storage(sail: Sail) -> Storage:
    """Storage where ship-0 has claimed task 1."""
    storage = sail(task("1"), task("2"))
    storage.claim("ship-0")
    return storage


@rule("R152")
def test_an_attempt_that_did_not_land_has_its_transcript_too(storage: Storage):
    """The captain gets the last one that there is, or that of the claim that is named."""
    give_back(storage, 1)
    assert send(storage) == {"ok": True, "size": len(PACKED), "kept": True}
    storage.claim("ship-0")
    second = gzip.compress(b"two\n")
    assert send(storage, claim=2, data=second)["kept"]
    last = storage.order("transcript", task="1")
    assert (last["claim"], last["ship"], last["state"]) == (2, "ship-0", "live")
    assert b64decode(last["data"]) == second
    assert last["others"] == [1]
    first = storage.order("transcript", task="1", claim=1)
    assert (b64decode(first["data"]), first["state"]) == (PACKED, "released")
    rows = storage.order("task", task="1")["claims"]
    assert [row["transcript"] for row in rows] == [len(PACKED), len(second)]


def test_a_long_one_goes_in_parts_both_ways(storage: Storage):
    """A part that comes twice is there once; one that begins too far on is told where to go on."""
    long = os.urandom(PART_BYTES + 1_000)
    half = len(long) // 3
    assert send(storage, offset=half, data=b"x")["size"] == 0
    for _ in range(2):
        assert send(storage, data=long[:half], last=False)["size"] == half
    assert storage.order("transcript", task="1")["code"] == "claim"
    assert send(storage, offset=half, data=long[half : 2 * half], last=False)["size"] == 2 * half
    for _ in range(2):
        assert send(storage, offset=2 * half, data=long[2 * half :])["kept"]
    first = storage.order("transcript", task="1")
    second = storage.order("transcript", task="1", offset=PART_BYTES)
    assert b64decode(first["data"]) + b64decode(second["data"]) == long


def test_a_transcript_that_is_whole_is_never_replaced(storage: Storage):
    """Not by its own ship either: an agent may pretend to be its helm."""
    send(storage)
    assert send(storage, data=b"other")["kept"]
    assert b64decode(storage.order("transcript", task="1")["data"]) == PACKED


def test_only_a_ships_own_claims_have_its_transcripts(storage: Storage):
    """Whatever else is in a request, it leads to no other file."""
    for fields in ({"claim": 9}, {"claim": "*"}, {"claim": "../1"}, {"claim": None}):
        assert send(storage, **fields)["code"] == "claim"
    assert send(storage, ship="ship-1")["code"] == "claim"
    assert send(storage, ship="ship-9")["code"] == "ship"
    assert not (storage.folder / "transcripts").exists()


def test_there_is_a_limit_of_size(storage: Storage):
    """Beyond which storage has no room; what is no base64 adds nothing."""
    assert send(storage, offset=TRANSCRIPT_LIMIT)["code"] == "room"
    assert send(storage, data=b"", last=False) == {"ok": True, "size": 0, "kept": False}
    assert storage.ask("ship-0", "transcript", claim=1, data="=!")["size"] == 0
    assert storage.ask("ship-0", "transcript", claim=1, data=["x"])["size"] == 0


def test_others_on_storage_see_no_transcript(storage: Storage):
    """Ships may read what harbor lets anybody read: this is not for them."""
    send(storage)
    folder = storage.folder / "transcripts"
    assert folder.stat().st_mode & 0o77 == 0
    assert (folder / "1-1.jsonl.gz").stat().st_mode & 0o77 == 0


def test_why_there_is_none_is_said(storage: Storage):
    """Of a task that nobody was at, is at, or was at without one; of a claim that is none."""

    def why(**fields) -> str:
        return str(storage.order("transcript", **fields)["error"])

    assert why(task="2") == "nobody has been at task 2 yet"
    assert "ship-0 is at task 1 now" in why(task="1")
    assert why(task="1", claim=7) == "task 1 has no claim 7; its claims are: 1"
    assert "there is no task '7'" in why(task="7")
    give_back(storage, 1)
    assert "none came from ship-0, or its agent (claude) keeps none" in why(task="1")
