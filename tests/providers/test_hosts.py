"""The inventory, and the scripts that look at a machine and reserve it, on a machine of paper.

tests/integration/test_hosts.py has whole voyages, on machines with users, sshd and sudo.
"""

import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from ocaptain.errors import Failure
from ocaptain.providers.hosts import SCRIPT_ENVIRONMENT, read_inventory, read_script

STORAGE = "voyage-0123456789ab-storage"
SHIP = "voyage-0123456789ab-ship0"


def test_an_inventory_is_machines_and_comments(tmp_path):
    """What follows a `#` is none; empty lines are none either."""
    inventory = tmp_path / "hosts"
    inventory.write_text("# mine\nada@build1.example.org\n\nbuild2:2222 # the fast one\ndepot\n")
    assert read_inventory(inventory) == ["ada@build1.example.org", "build2:2222", "depot"]


def test_an_inventory_with_faults_is_refused_with_all_of_them(tmp_path):
    """Everything that is no machine is named, at once."""
    inventory = tmp_path / "hosts"
    inventory.write_text("depot\na,machine\n-oProxyCommand=x\nhost:\n")
    with pytest.raises(Failure, match=r"no \[user@\]host\[:port\]: a,machine, -oProxyCommand=x, h"):
        read_inventory(inventory)


def test_an_inventory_that_is_missing_is_named(tmp_path):
    """So is where to read what one is."""
    with pytest.raises(Failure) as caught:
        read_inventory(tmp_path / "hosts")
    message, hint = str(caught.value).split("\n")
    assert message == f"{tmp_path}/hosts: No such file or directory."
    assert hint == "See docs/providers.md."


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
