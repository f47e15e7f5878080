"""VMs and keys of exe.dev, as its lobby speaks of them.

tests/integration/test_exedev.py has whole voyages, on a stand-in for exe.dev.
"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocaptain.config import load
from ocaptain.errors import Failure
from ocaptain.onboard import text
from ocaptain.process import Result
from ocaptain.providers import StorageAccess
from ocaptain.providers.exedev import Exedev, check_added_key
from ocaptain.providers.exedev_lobby import Lobby
from ocaptain.ssh import VM, Ssh
from tests.support.odd import FEW, written
from tests.support.rules import rule

STORAGE = "voyage-0123456789ab-storage"
SHIP = "voyage-0123456789ab-ship0"
KEY = f"ssh-ed25519 AAAA {SHIP}"


def test_a_key_is_for_what_the_lobby_says_alone():
    """Its name has to be the key's comment, and one of its permissions the VM."""
    name = KEY.split()[2]
    check_added_key({"name": name, "permissions": {"vm": STORAGE}}, "ship-0", KEY, STORAGE)
    for answer in (
        {"name": name, "permissions": {}},
        {"name": name, "permissions": {"vm": f"{STORAGE}2"}},
        {"name": "another", "permissions": {"vm": STORAGE}},
        {},
    ):
        with pytest.raises(Failure, match="does not say that ship-0's key is for"):
            check_added_key(answer, "ship-0", KEY, STORAGE)


@pytest.fixture
def sent(monkeypatch, tmp_path) -> list[str]:
    """What is sent to a lobby that knows no --vm."""
    commands: list[str] = []

    async def answer(_ssh: Ssh, _host: str, command: str, **_: object) -> Result:
        commands.append(command)
        if "--vm" in command:
            return Result(1, b'{"error": "flag provided but not defined: -vm"}', b"")
        added = b'{"name": "voyage-0123456789ab-ship0", "permissions": {"tag": "%s"}}'
        return Result(0, added % b"voyage-0123456789ab", b"")

    known = tmp_path / "known"
    known.write_text("exe.dev ssh-ed25519 AAAA\n")
    (tmp_path / "config").write_text(f"Host *\n UserKnownHostsFile {known}\n")
    monkeypatch.setattr(Ssh, "run", answer)
    return commands


def test_an_old_lobby_gets_the_key_for_the_tag(sent, tmp_path):
    """The ship then logs in as the login user, and becomes itself by sudo."""
    environ = {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "OCAPTAIN_SSH_CONFIG": str(tmp_path / "config"),
    }
    exedev = Exedev(load(environ))
    storage = VM(STORAGE, (("HostName", "h"), ("Port", "22"), ("ProxyJump", "gate")), "")
    access = asyncio.run(exedev.authorize_key(storage, "ship-0", KEY))
    by_sudo = ("sudo", "-nu", "ship-0", "/usr/local/lib/ocaptain/login", "-c")
    address = (("HostName", "h"), ("Port", "22"), ("User", "ship-0"))
    assert access == StorageAccess(address, by_sudo)
    assert [command.split()[3] for command in sent] == [
        f"--vm={STORAGE}",
        "--tag=voyage-0123456789ab",
    ]


def answering(monkeypatch: pytest.MonkeyPatch, **answers: Any) -> Exedev:
    """A provider whose lobby answers commands by the first word of each."""

    async def answer(_ssh: Ssh, _host: str, command: str, **_: object) -> Result:
        return Result(0, json.dumps(answers[command.split()[0].replace("-", "_")]).encode(), b"")

    async def opened(_self: Lobby) -> Ssh:
        return Ssh(Path())

    monkeypatch.setattr(Ssh, "run", answer)
    monkeypatch.setattr(Lobby, "_open", opened)
    return Exedev(load({"HOME": "/nowhere", "OCAPTAIN_PROVIDER": "exedev"}))


@rule("R132")
@pytest.mark.parametrize("way", [{}, {"ssh_dest": None}, {"ssh_dest": "-oProxyCommand=x"}])
def test_a_vm_that_the_lobby_gives_no_way_to_bars_no_other(monkeypatch, way):
    """It is listed, says itself that it cannot be reached, and can be destroyed; so it is with keys
    and VMs of other names, or of none."""
    rows = [{"vm_name": SHIP, **way}, LS["vms"][0], {"vm_name": None}, {}]
    keys = [{"name": SHIP}, {"name": None}, {}]
    exedev = answering(monkeypatch, ls={"vms": rows}, rm={}, ssh_key={"ssh_keys": keys})
    ship, storage = asyncio.run(exedev.list())
    assert (ship.name, storage.name) == (SHIP, STORAGE)
    assert "does not say how ssh reaches it" in dict(ship.options)["ProxyCommand"]
    assert dict(storage.options)["HostName"] == f"{STORAGE}.exe.xyz"
    assert asyncio.run(exedev.destroy([SHIP])) == {}


LS = {
    "vms": [
        {
            "vm_name": STORAGE,
            "ssh_dest": f"me@{STORAGE}.exe.xyz",
            "ssh_port": 22,
            "status": "running",
            "image": "x",
        }
    ]
}
KEYS = {"ssh_keys": [{"name": SHIP, "permissions": f"'{STORAGE}'"}]}
ADDED = {"name": "comment", "permissions": f"{{'vms': ['{STORAGE}']}}"}
CALLS: dict[str, tuple[Any, Any]] = {
    "list": (LS, lambda lobby: lobby.list()),
    "capacity": (LS, lambda lobby: lobby.capacity(1)),
    "create": (LS["vms"][0], lambda lobby: lobby.create(STORAGE)),
    "keys": (KEYS, lambda lobby: lobby.destroy([SHIP])),
    "authorize_key": (
        ADDED,
        lambda lobby: lobby.authorize_key(VM(STORAGE, (), ""), "ship-0", "a b comment"),
    ),
}


@rule("R106")
@pytest.mark.parametrize("call", CALLS)
@FEW
@given(data=st.data(), status=st.sampled_from([0, 0, 1, 255]))
def test_whatever_the_lobby_says_the_captain_is_told_so(call: str, data, status, monkeypatch):
    """Any answer to any question is understood, or a failure that names exe.dev."""
    sound, ask = CALLS[call]
    said, err = data.draw(written(sound)), data.draw(st.binary(max_size=20))

    async def answer(*_: Any, **__: Any) -> Result:
        return Result(status, said, err)

    async def opened(_self: Lobby) -> Ssh:
        return Ssh(Path())

    monkeypatch.setattr(Ssh, "run", answer)
    monkeypatch.setattr(Lobby, "_open", opened)
    lobby = Exedev(load({"HOME": "/nowhere", "OCAPTAIN_PROVIDER": "exedev"}), running_s=0)
    told = "exe.dev"
    try:
        asyncio.run(ask(lobby))
    except Failure as failure:
        told = str(failure)
    assert "exe.dev" in told
    assert text.clean(told, "\n\t") == told
