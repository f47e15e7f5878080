"""What a ship knows of itself, and its log."""

import itertools
import json
import os
import shutil
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from ocaptain.onboard.protocol import LOG_LIMIT
from ocaptain.onboard.ship.channels import Unreachable
from ocaptain.onboard.ship.client import Refused
from ocaptain.onboard.ship.ship import Ship
from tests.support.rules import rule
from tests.support.ship import Harbor, a_ship
from tests.support.storage import VOYAGE, Sail, task
from tests.support.yard import AUTHOR


def sockets_of(ship: Ship) -> Path:
    """The folder of a ship's shared SSH connection."""
    command = ship.storage.command
    option = next(word for word in command if word.startswith("ControlPath="))
    return Path(option.removeprefix("ControlPath=").strip('"')).parent  # as ssh unquotes it


def test_the_words_before_commands_on_storage_come_from_ship_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """`sudo_prefix` stands before harbor and git's own programs there, each word intact."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "voyage").mkdir()
    (tmp_path / "voyage" / "agent_env.json").write_text("{}")
    told = {"ship": "ship-0", "accounts": False}
    told |= {"voyage": {"voyage": VOYAGE, "author": AUTHOR}}
    ways: list[dict[str, list[str]]] = [
        {"sudo_prefix": []},
        {"sudo_prefix": ["sudo", "-u", "ship 0", "login", "-c"]},
    ]
    found = []
    for way in ways:
        (tmp_path / "voyage" / "ship.json").write_text(json.dumps({**told, **way}))
        ship = Ship(tmp_path)
        settings = ship.open_clone(threading.Event()).settings
        packs = [settings[f"remote.origin.{pack}pack"] for pack in ("upload", "receive")]
        found.append([*ship.storage.command[-2:], *packs])
    login = "sudo -u 'ship 0' login -c"
    assert found == [
        ["storage", "harbor", "git-upload-pack", "git-receive-pack"],
        [
            "storage",
            *(f"{login} {word}" for word in ("harbor", "git-upload-pack", "git-receive-pack")),
        ],
    ]
    sockets = sockets_of(ship)
    assert sockets == sockets_of(Ship(tmp_path))  # each helm of a ship's uses the same
    assert sockets.stat().st_mode & 0o777 == 0o700


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
                raise Unreachable("the answer is lost")
            return answer

    there = storage.folder / "logs" / "ship-0.log"
    for text in ("one é", "\x1b[2J\ud800\t\u2028x", "y" * 9_000, "z\n\n" * 20_000):
        helm = a_ship(tmp_path, Faltering())
        helm.say(text, "7")
        with helm.log.open("a") as log:
            log.write("torn")
        for _ in range(3):
            helm.logbook.sent = 0
            helm.send_log()
        whole = helm.log.read_bytes()
        assert there.read_bytes() == whole.removesuffix(b"torn")
    assert b"[7] one \xc3\xa9\ntorn" in whole


@rule("R20")
def test_a_log_goes_along_with_other_requests(sail: Sail, tmp_path: Path, monkeypatch):
    """Also with one that is refused; what went along is not sent again."""
    storage = sail(task("1"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    asked = []

    class Listening:
        """A storage that notes what it is asked."""

        def ask(self, op: str, **fields: Any) -> dict[str, Any]:
            asked.append((op, fields.get("log")))
            return storage.ask("ship-0", op, **fields)

    helm = a_ship(tmp_path, Listening())
    helm.say("one")
    with pytest.raises(Refused):
        helm.storage.beat(7, {})
    helm.say("two")
    helm.storage.claim(lambda: {"agents": ["claude"], "lacks": {}, "credentials": {}})
    helm.send_log()
    there = storage.folder / "logs" / "ship-0.log"
    assert there.read_bytes() == helm.log.read_bytes()
    assert [op for op, _ in asked] == ["beat", "claim"]
    assert ["two" in str(news) for _, news in asked] == [False, True]


@rule("R20")
def test_a_full_disk_does_not_stop_a_ship(tmp_path: Path, monkeypatch):
    """What cannot be written to its log is not; a log at its limit grows no more."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    helm = a_ship(tmp_path, None)
    helm.say("one")
    os.truncate(helm.log, LOG_LIMIT)
    helm.say("two")
    assert helm.log.stat().st_size == LOG_LIMIT
    helm.log = Path("/dev/full")
    helm.say("three")


@rule("R91")
def test_a_ship_goes_on_after_an_agent_has_cleaned_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Without its folder ssh cannot share a connection, and without TMPDIR git cannot be run."""
    place = Path(tempfile.mkdtemp(dir="/tmp"))
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    helm = a_ship(tmp_path, Harbor())
    sockets = sockets_of(helm)
    assert sockets.parent == place
    for gone in (sockets, place):
        shutil.rmtree(gone)
        helm.storage.send_log({"offset": 0, "text": ""})
        assert sockets.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(place)


def test_a_long_tmpdir_is_too_long_for_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Their paths have 107 bytes at most, whatever they are counted in; /tmp will do."""
    place = tmp_path / ("é" * 50)
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    helm = a_ship(tmp_path, None, voyage=f"voyage-{os.getpid()}")
    sockets = sockets_of(helm)
    assert (sockets.parent, sockets.is_dir()) == (Path("/tmp"), True)
    sockets.rmdir()
    assert list(place.iterdir()) == []


@rule("R165")
def test_a_ship_logs_once_which_agents_of_its_voyage_it_cannot_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """A `setup.sh` may install the program yet: then nothing but a credential is lacking."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    helm = a_ship(tmp_path, None, agents=["claude", "shell"])
    for _ in range(2):
        said = helm.abilities()
        assert said["agents"] == ["shell"]
    lack = said["lacks"]["claude"]
    assert lack.startswith(f"claude is not installed on {helm.name}: npm install")
    [logged] = helm.log.read_text().splitlines()
    assert logged.endswith(f"takes no task for the agent claude: {lack}")
    (helm.folder / "setup.sh").write_text("true")
    assert helm.abilities()["lacks"]["claude"].startswith(f"{helm.name} has no credential for it")
    (helm.folder / "agent_env.json").write_text('{"ANTHROPIC_API_KEY": "sk-1"}')
    assert helm.abilities()["agents"] == ["claude", "opencode", "claude-acp", "shell"]
