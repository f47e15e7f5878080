"""What harbor's disk can do to it: a crash between any two writes, and no room left."""

import compileall
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.crashes import Act, assert_whole_or_not_at_all
from tests.support.disk import Disk, small_disk
from tests.support.moored import Moored, moored
from tests.support.rules import rule
from tests.support.storage import Json, Sail, Storage, assert_sound, git, task


def a_claim(storage: Storage) -> Act:
    """A ship's first claim."""
    return lambda it: it.claim("ship-1")


def a_claim_that_sweeps(storage: Storage) -> Act:
    """A claim that finds another's expired, and gets its task."""
    storage.claim("ship-0")
    storage.pass_time(59)
    storage.now += 10
    return lambda it: it.claim("ship-1")


def a_release_that_sets_aside(storage: Storage) -> Act:
    """The last attempt at a task fails."""
    number = storage.claim("ship-0")["claim"]
    told = {"claim": number, "why": "broken", "fault": "agent", "id": "once"}
    return lambda it: it.ask("ship-0", "release", **told)


def an_addition(storage: Storage) -> Act:
    """An agent adds a task."""
    number = storage.claim("ship-0")["claim"]
    told = {"claim": number, "task": {"subject": "More"}, "id": "once"}
    return lambda it: it.ask("ship-0", "add", **told)


def verification(storage: Storage) -> Json:
    """The claim of the verification, once all tasks are completed."""
    storage.finish("ship-0")
    storage.finish("ship-0")
    return storage.claim("ship-0")


def a_green_verification(storage: Storage) -> Act:
    """verify.sh has passed: the voyage is complete."""
    claim = verification(storage)
    told = {"claim": claim["claim"], "commit": claim["head"], "id": "once"}
    return lambda it: it.ask("ship-0", "land", **told)


def a_red_verification(storage: Storage) -> Act:
    """verify.sh has failed: there is a repair task."""
    told = {"claim": verification(storage)["claim"], "why": "red", "fault": "agent", "id": "once"}
    return lambda it: it.ask("ship-0", "release", **told)


def a_halt(storage: Storage) -> Act:
    """The captain ends every claim."""
    storage.claim("ship-0")
    storage.claim("ship-1")
    return lambda it: it.order("halt", by="Ann@laptop", id="once")


CALLS = (
    a_claim,
    a_claim_that_sweeps,
    a_release_that_sets_aside,
    an_addition,
    a_green_verification,
    a_red_verification,
    a_halt,
)


@rule("R1")
@pytest.mark.parametrize("prepare", CALLS, ids=lambda call: call.__name__)
def test_a_crash_anywhere_in_a_call_leaves_all_of_it_or_nothing(sail: Sail, tmp_path, prepare):
    """Killed at any single step, a change has happened wholly or not at all; asked again, it is
    there once."""
    storage = sail(task("1"), task("2", "1"), max_attempts=1)
    assert_whole_or_not_at_all(storage, prepare(storage), tmp_path)


# No room


@dataclass(frozen=True)
class Cargo:
    """A voyage's storage on a small disk, and a ship with a claim and a commit."""

    disk: Disk
    fleet: Moored
    clone: Path
    claim: Json
    head: str

    def ask(self, op: str, ship: str = "ship-0", **more: Any) -> Json | None:
        """The answer to what ships ask about the claim; None where there is none."""
        about = {
            "claim": self.claim["claim"],
            "commit": self.head,
            "base_commit": self.claim["head"],
        }
        told = {**about, "task": {"subject": "More"}, "offset": 0, "text": "x" * 9000, **more}
        with suppress(json.JSONDecodeError):
            return self.fleet.ask(ship, op, **told)
        return None

    def push(self, what: str, *, ok: bool) -> str:
        """Push to the claim's work ref; what git says."""
        words = ("push", "-q", "origin", f"+{what}:refs/heads/{self.claim['ref']}")
        return self.fleet.git("ship-0", "-C", str(self.clone), *words, ok=ok)


@pytest.fixture
def cargo(tmp_path: Path) -> Iterator[Cargo]:
    """Two tasks, of which one is claimed; the code is compiled."""
    tasks, clone = [task("1"), task("2")], tmp_path / "clone"
    with small_disk(tmp_path / "disk") as disk, moored(disk.place, tasks, max_attempts=9) as fleet:
        compileall.compile_dir(fleet.storage.folder / "lib", quiet=2)
        fleet.git("ship-0", "clone", "-q", fleet.url, str(clone))
        git(clone, "commit", "-qm", "Work", "--allow-empty")
        head = fleet.git("ship-0", "-C", str(clone), "rev-parse", "HEAD").strip()
        yield Cargo(disk, fleet, clone, fleet.ask("ship-0", "claim", run_id="run"), head)


@rule("R22")
def test_where_there_is_little_room_only_what_a_voyage_needs_is_taken(cargo: Cargo):
    """Logs, pushes and new tasks are refused; claims, beats and landings are not."""
    cargo.push("HEAD", ok=True)
    cargo.disk.leave(400_000_000)
    assert "storage has no room for pushes" in cargo.push("HEAD~", ok=False)
    refused = [cargo.ask(op, id="little") for op in ("log", "add")]
    assert [answer and answer["code"] for answer in refused] == ["room", "room"]
    taken = [cargo.ask("beat"), cargo.ask("claim", "ship-1", run_id="run"), cargo.ask("land")]
    assert all(answer and answer["ok"] for answer in taken)


@rule("R11")
def test_a_full_disk_tears_nothing(cargo: Cargo):
    """Calls have no answer then, and change all or nothing; once there is room the same requests
    are answered, and the voyage comes to its end."""
    cargo.push("HEAD", ok=True)
    for room in (0, 4096, 8192, 12288, 0):
        cargo.disk.leave(room)
        answers = [cargo.ask(op) for op in ("beat", "land")]
        answers.append(cargo.ask("claim", "ship-1", run_id=f"run-{room}"))
        assert room or answers == [None] * 3
        cargo.push("HEAD~", ok=False)
        cargo.disk.clear()
        assert_sound(cargo.fleet.storage)
    assert cargo.ask("land") == {"ok": True, "head": cargo.head, "next": None}
    assert cargo.ask("log") == {"ok": True, "size": 9000}
    for ship in ("ship-1", "ship-0"):
        mine = cargo.fleet.ask(ship, "claim", run_id="last")
        commit = None if mine["task"] else cargo.head
        assert cargo.fleet.ask(ship, "land", claim=mine["claim"], commit=commit)["ok"]
    assert cargo.fleet.ask("ship-0", "claim", run_id="last")["state"] == "complete"
    assert_sound(cargo.fleet.storage)
    assert cargo.fleet.storage.head() == cargo.head


def test_code_that_did_not_fit_the_disk_is_compiled_again(tmp_path: Path):
    """A first call that finds no room for Python's own cache spoils no later one."""
    with small_disk(tmp_path / "disk") as disk, moored(disk.place, [task("1")]) as fleet:
        for room in (0, 4096, 20_000):
            disk.leave(room)
            fleet.run(
                "ship-0", "harbor", stdin=b'{"protocol": 1, "op": "claim", "run_id": "run"}\n'
            )
        disk.clear()
        claim = fleet.ask("ship-0", "claim", run_id="run")
        assert (
            fleet.ask("ship-0", "land", claim=claim["claim"], commit=claim["head"])["code"] == "ref"
        )
