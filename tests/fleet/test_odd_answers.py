"""Whatever storage answers, the captain is told whose it is, and the terminal is safe."""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import example, given
from hypothesis import strategies as st

import ocaptain.fleet.fetch
import ocaptain.fleet.find
from ocaptain.cli import cli
from ocaptain.config import Config
from ocaptain.errors import Failure
from ocaptain.onboard.text import clean
from ocaptain.process import Result
from ocaptain.ssh import VM, Ssh
from tests.support.documented import example as documented
from tests.support.odd import DEEP, FEW, JSON, written
from tests.support.rules import rule
from tests.support.storage import RECORD, VOYAGE, Json

STORAGE = f"{VOYAGE}-storage"


class Fleet:
    """A provider with one voyage."""

    python, accounts = "python3", False

    def __init__(self, *_: Any) -> None:
        """Like any other, it is called with the settings."""

    async def list(self) -> list[VM]:
        return [VM(STORAGE, (), ""), VM(f"{VOYAGE}-ship0", (), "")]

    async def destroy(self, _: Any) -> dict[str, str]:
        return {}

    async def capacity(self, more: int = 0) -> str:
        return f"Room for {more}"


async def just_one(config: Config) -> list[Config]:
    """Only the provider that is named is set up."""
    return [config]


@pytest.fixture
def captain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, bytes]]:
    """Somebody who types, and what storage answers: to one request, or to everything."""
    said: dict[str, bytes] = {}

    async def answer(_self: Ssh, _vm: str, _remote: str, **how: Any) -> Result:
        op = json.loads(how.get("stdin") or "{}").get("op")
        return Result(0, said.get(op) or said.get("said", b""), b"")

    async def no_git(*_: Any, **__: Any) -> str:
        return ""

    for name in [name for name in os.environ if name.startswith(("OCAPTAIN_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(Ssh, "run", answer)
    monkeypatch.setattr(ocaptain.fleet.fetch, "git", no_git)
    monkeypatch.setattr(ocaptain.fleet.fetch, "try_git", no_git)
    monkeypatch.setattr(ocaptain.fleet.find, "open_provider", Fleet)
    monkeypatch.setattr(ocaptain.fleet.find, "set_up", just_one)
    with tempfile.TemporaryDirectory(prefix="ocf-", dir="/tmp") as run:  # tmp_path is too long
        monkeypatch.setenv("XDG_RUNTIME_DIR", run)
        yield said


VERBS = ["status", "status --json", "voyages", "wait --timeout 0", "tasks", "fetch", "pause"]
NO_ANSWERS = st.binary() | JSON.map(lambda value: json.dumps(value).encode())
REFUSALS = st.fixed_dictionaries({"ok": st.just(False)}, optional={"code": JSON, "error": JSON})


@rule("R106")
@pytest.mark.parametrize("verb", VERBS)
@FEW
@given(said=NO_ANSWERS | REFUSALS.map(lambda value: json.dumps(value).encode()))
@example(said=DEEP.encode())
def test_whatever_storage_says_instead_of_an_answer_the_captain_is_told(
    captain: dict[str, bytes], verb: str, said: bytes
):
    """What is no answer of harbor's is a failure that names the storage, and no bug of ours; what
    is shown steers no terminal."""
    captain["said"] = said
    done = CliRunner().invoke(cli, verb.split())
    told = done.output + str(done.exception or "")
    assert done.exception is None or isinstance(done.exception, Failure), done
    assert VOYAGE in told or b'"ok": false' in said
    assert clean(told, "\n\t") == told


STATUS, ORDER = documented("status"), documented("pause")
VOYAGE_RECORD = {
    "voyage": {**RECORD, "agent": "shell", "agents": ["shell"]},
    "artifacts": {"spec.md": "x"},
    "ships": ["ship-0"],
}
SOUND: dict[str, Json] = {
    "status": STATUS,
    "tasks": {"tasks": documented("tasks")},
    "unfetched": {
        "start": "8c1f0b6a4d",
        "head": "8c1f0b6a4d",
        "commits": 2,
        "wrecks": {"work/1-1": "8c1f0b6a4d"},
    },
    "fetched": {},
    "voyage_record": VOYAGE_RECORD,
    "update_ships": {**ORDER, "lost": [], "kept": [], "new": []},
    "hail": {**ORDER, "ships": ["ship-0"]},
    "fsck": documented("fsck"),
    "pause": ORDER,
    "resume": ORDER,
}
READERS = {
    "status": ["status", "status --json", "voyages", "wait --timeout 0", "resume", "hail Hello"],
    "tasks": ["tasks", "tasks --json", "tasks --status failed"],
    "unfetched": ["fetch", "sink -s -f"],
    "voyage_record": ["reinforce"],
    "update_ships": ["reinforce"],
    "hail": ["hail Hello"],
    "fsck": ["fsck", "fsck --json"],
    "pause": ["pause", "pause --json"],
}


@rule("R106")
@pytest.mark.parametrize(("op", "verb"), [(op, verb) for op in READERS for verb in READERS[op]])
@FEW
@given(data=st.data())
def test_whatever_is_wrong_with_an_answer_the_captain_is_told_whose_it_is(
    captain: dict[str, bytes], op: str, verb: str, data: st.DataObject
):
    """A key that is missing, and a value that cannot be, is no bug of ours; what is shown steers no
    terminal."""
    sound = {each: {"ok": True, **SOUND[each]} for each in SOUND}
    captain.update({each: json.dumps(sound[each]).encode() for each in sound})
    captain[op] = data.draw(written(sound[op]))
    done = CliRunner().invoke(cli, verb.split())
    told = done.output + str(done.exception or "")
    assert isinstance(done.exception, Failure | SystemExit | None), done
    assert not isinstance(done.exception, Failure) or VOYAGE in told
    assert clean(told, "\n\t") == told


@rule("R106")
@pytest.mark.parametrize("name", ["storage", "ship-0/../../x", "ship-", "ship-0\n", "../ship-0"])
def test_a_ship_that_storage_names_is_one(captain: dict[str, bytes], name: str):
    """Its name becomes a part of paths, and its VM gets tokens: nothing else will do."""
    captain.update({op: json.dumps({"ok": True, **SOUND[op]}).encode() for op in SOUND})
    captain["update_ships"] = json.dumps({"ok": True, **ORDER, "new": [name]}).encode()
    done = CliRunner().invoke(cli, ["reinforce", "-n", "1"])
    assert isinstance(done.exception, Failure)
    assert f"{STORAGE} gave no answer: Expected `str` matching regex" in str(done.exception)


def test_an_answer_of_another_version_is_no_reason_to_sink_the_voyage(captain: dict[str, bytes]):
    """Its storage is well, and that version has all of its work home yet."""
    captain.update({op: json.dumps({"ok": True, **SOUND[op]}).encode() for op in SOUND})
    captain["status"] = b'{"ok": true}'
    done = CliRunner().invoke(cli, ["status"])
    assert isinstance(done.exception, Failure)
    told = str(done.exception)
    assert f"{STORAGE} gave no answer: Object missing required field" in told
    assert "If it was sailed with another version of ocaptain: use that one." in told
    assert "sink" not in told
