"""The inventory, and the scripts that look at a machine and reserve it, on a machine of paper.

tests/integration/test_hosts.py has whole voyages, on machines with users, sshd and sudo.
"""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from ocaptain.config import load
from ocaptain.errors import Failure
from ocaptain.providers.absent import ASK_AGAIN_S
from ocaptain.providers.hosts import SCRIPT_ENVIRONMENT, Hosts, read_script
from ocaptain.providers.inventory import read_inventory

STORAGE = "voyage-0123456789ab-storage"
SHIP = "voyage-0123456789ab-ship0"


def test_an_inventory_is_machines_and_comments(tmp_path):
    """What follows a `#` is none; empty lines are none either."""
    inventory = tmp_path / "hosts"
    inventory.write_text("# mine\nada@build1.example.org\n\nbuild2:2222 # the fast one\ndepot\n")
    assert read_inventory(inventory) == ["ada@build1.example.org", "build2:2222", "depot"]


def test_an_inventory_with_faults_is_refused_with_all_of_them(tmp_path):
    """Every line that names no machine is told, at once, and why."""
    inventory = tmp_path / "hosts"
    inventory.write_text(
        "depot\na,machine\n-oProxyCommand=x # mine\nhost:\nb1 b2\n\nhost:99999\nb:0\n-l\n"
    )
    with pytest.raises(Failure) as caught:
        read_inventory(inventory)
    no_host = "that is no [user@]host[:port]"
    assert str(caught.value).splitlines() == [
        f"{inventory} has lines that name no machine.",
        f"line 2: a,machine: {no_host}",
        f"line 3: -oProxyCommand=x: {no_host}",
        f"line 4: host:: {no_host}",
        "line 5: b1 b2: a line has one machine",
        "line 7: host:99999: a port is a number from 1 to 65535",
        "line 8: b:0: a port is a number from 1 to 65535",
        f"line 9: -l: {no_host}",
    ]


def test_an_inventory_that_is_missing_is_named(tmp_path):
    """So is one that names nobody, and what to do about either."""
    inventory = tmp_path / "new" / "hosts"
    with pytest.raises(Failure) as caught:
        read_inventory(inventory)
    message, hint = str(caught.value).split("\n")
    assert message == f"{inventory}: No such file or directory."
    assert hint.startswith(f"mkdir -p {inventory.parent}  and write a machine a line")
    inventory.parent.mkdir()
    inventory.write_text("# none yet\n")
    with pytest.raises(Failure, match="no machine is in it"):
        read_inventory(inventory)


SSH = """\
#!/bin/sh
case " $* " in *" -G "*)
    exec {ssh} "$@"
esac
echo "$4" >>{folder}/asked
case $4 in *down*)
    echo "ssh: connect to host $4 port 22: Connection timed out" >&2
    exit 255
esac
echo "ocaptain begins"
"""
"""An ssh that notes whom it is to reach, and reaches those whose names say that they are up."""


class Yard:
    """Somebody with an inventory of machines that are made of paper, too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        settings = {"HOME": str(folder), "OCAPTAIN_SSH_CONFIG": str(folder / "config")}
        self.config = replace(load(settings), socket_dir=folder / "run", hosts=folder / "hosts")
        (folder / "config").write_text(
            f"Host *\n UserKnownHostsFile {folder}/known\n GlobalKnownHostsFile none\n"
        )

    def has(self, *machines: str, known: Sequence[str]) -> None:
        """Write the inventory, and the known_hosts."""
        self.config.hosts.write_text("\n".join(machines))
        keys = [f"{machine} ssh-ed25519 AAAA\n" for machine in known]
        (self.folder / "known").write_text("".join(keys))

    def asked(self) -> list[str]:
        """Whom ssh was to reach since the last time that this was looked at."""
        note = self.folder / "asked"
        names = sorted(note.read_text().split()) if note.exists() else []
        note.unlink(missing_ok=True)
        return names


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    """An inventory; its ssh comes before the real one."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ssh").write_text(SSH.format(folder=tmp_path, ssh=shutil.which("ssh")))
    (tmp_path / "bin" / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=":")
    return Yard(tmp_path)


def test_a_machine_that_is_down_is_not_asked_with_each_command(
    yard: Yard, capsys: pytest.CaptureFixture[str]
):
    """It is named in a line all the same, and asked again after a minute, or by `doctor`."""
    yard.has("up", "down1", known=["up", "down1"])
    told = "hosts: down1 is left out: down1 cannot be reached: ssh: connect to host down1 port 22:"
    assert asyncio.run(Hosts(yard.config).list()) == []
    assert yard.asked() == ["down1", "up"]
    assert asyncio.run(Hosts(yard.config).list()) == []
    assert yard.asked() == ["up"]
    assert capsys.readouterr().err == f"{told} Connection timed out\n" * 2
    absent = yard.config.socket_dir / "absent-machines.json"
    kept = json.loads(absent.read_text())
    absent.write_text(json.dumps({**kept, "since": kept["since"] - ASK_AGAIN_S}))
    asyncio.run(Hosts(yard.config).list())
    assert yard.asked() == ["down1", "up"]
    said = asyncio.run(Hosts(yard.config).capacity())
    assert said.startswith(f"1 of 1 machines of {yard.config.hosts} are free; down1 is left out: ")
    assert yard.asked() == ["down1", "up"]
    yard.has("up", "down1", "down2", known=["up", "down1", "down2"])
    asyncio.run(Hosts(yard.config).list())
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "hosts: 2 machines are left out: down2, down1. `ocaptain doctor` says why."


def test_if_no_machine_can_be_used_that_is_a_failure(yard: Yard):
    """Why is said of each, and what to type about those that ssh does not know."""
    yard.has("down1", "new:2222", "newer", known=["down1"])
    for ask in (Hosts(yard.config).capacity, Hosts(yard.config).list):
        with pytest.raises(Failure) as caught:
            asyncio.run(ask())
        said = str(caught.value).splitlines()
        assert said[0] == f"No machine of {yard.config.hosts} can be used."
        assert said[1:3] == [
            "new:2222 is left out: your ssh does not know its host key",
            "newer is left out: your ssh does not know its host key",
        ]
        assert said[3].startswith("down1 is left out: down1 cannot be reached: ssh: connect to")
        show = "{ ssh-keyscan -p 2222 new; ssh-keyscan -p 22 newer; } >keys; ssh-keygen -lf keys"
        assert said[4].startswith(f"To know these host keys: {show}  shows the fingerprints. ")
    yard.has("new:2222", "newer", known=[])
    with pytest.raises(Failure, match=r"any machine of .*: new:2222, newer\nTo know"):
        asyncio.run(Hosts(yard.config).list())


class Paper(NamedTuple):
    """A machine whose folders are all below one, so that scripts need no root."""

    root: Path

    def run(self, *scripts: str, name: str = "", path: str = "/usr/bin:/bin") -> str:
        """What scripts print, one after the other, as `Hosts` runs them."""
        text = "".join(read_script(script) for script in scripts)
        words = ["/bin/sh", "-c", text, "sh", f"{self.root}/login/", name]
        environ = {
            "PATH": path,
            "SHIP_HOMES": f"{self.root}/ships",
            "HARBOR": f"{self.root}/harbor",
            "WORLD_WRITABLE": f"{self.root}/tmp {self.root}/missing",
        }
        done = subprocess.run(words, env=environ, capture_output=True, text=True, check=True)
        return done.stdout.strip()


@pytest.fixture
def paper(tmp_path: Path) -> Paper:
    (tmp_path / "login").mkdir()
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp").chmod(0o1777)
    return Paper(tmp_path)


def test_a_machine_is_reserved_once(paper):
    """Whoever comes second is told who was first."""
    assert paper.run("look") == ""
    assert paper.run("reserve", "look", name=STORAGE) == STORAGE
    assert paper.run("reserve", "look", name=SHIP) == STORAGE
    assert paper.run("look") == STORAGE


def test_a_machine_that_lacks_programs_is_not_free(paper, tmp_path):
    """They are named, before anybody sails there; whose it is goes first."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("git", "readlink", "ls"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    old = programs / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    lacking = "no tar\nno python3 of 3.10 or newer"
    assert paper.run("look", path=str(programs)) == lacking
    old.unlink()
    assert paper.run("look", path=str(programs)) == lacking
    assert paper.run("reserve", "look", name=STORAGE) == STORAGE
    assert paper.run("look", path=str(programs)) == STORAGE


@pytest.mark.parametrize("place", ["login/voyage", "harbor"])
def test_a_machine_that_is_somebody_elses_is_left_alone(paper, place):
    """What is in our way is told, and nothing is reserved."""
    (paper.root / place).mkdir()
    assert paper.run("reserve", "look", name=STORAGE) == f"{paper.root}/{place}"
    assert not (paper.root / "ships/reserved").exists()


def test_reserving_writes_down_how_folders_were(paper):
    """What is run at the release gives them their modes back, and removes those that were made."""
    paper.run("reserve", name=STORAGE)
    (paper.root / "tmp").chmod(0o1707)
    (paper.root / "missing").mkdir()
    subprocess.run(["sh", "-e", paper.root / "ships/reopen.sh"], check=True)
    assert (paper.root / "tmp").stat().st_mode & 0o7777 == 0o1777
    assert not (paper.root / "missing").exists()


def test_another_voyages_machine_is_not_released(paper):
    """A release for a name that the machine does not have does nothing at all."""
    paper.run("reserve", name=STORAGE)
    assert paper.run("release", name=SHIP) == ""
    assert paper.run("look") == STORAGE


@pytest.mark.parametrize("script", ["look", "reserve", "release"])
def test_scripts_are_given_what_they_read(script):
    """Each name in capitals in a script is one that `Hosts` sets."""
    names = {variable.partition("=")[0] for variable in SCRIPT_ENVIRONMENT}
    used = set(re.findall(r"\$([A-Z_]+)", read_script(script)))
    assert used
    assert used <= names
