"""When storage is mounted on a ship, and how; tests/integration has what an agent sees of it."""

import tempfile
from pathlib import Path

import pytest

from ocaptain.onboard.ship.mount import keep_mounted
from ocaptain.onboard.ship.ship import Ship
from tests.support.machine import put
from tests.support.rules import rule
from tests.support.ship import a_ship

NOTE = '#!/bin/sh\necho "${0##*/} $*" >>"$HOME/calls"\n'
"""A program that notes how it was called."""
END_TWICE = f"""{NOTE}
if [ -e "$HOME/ended" ]; then rm -- "$0"; fi
: >"$HOME/ended"
echo "broken pipe" >&2
exit 1
"""
"""An sshfs that ends, and after the second time is not there any more."""


@pytest.fixture
def ship(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ship:
    """A ship on a machine whose programs, besides a few, are those that a test puts there."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "rm").symlink_to("/bin/rm")
    return a_ship(tmp_path)


def add_program(ship: Ship, name: str, script: str = NOTE) -> None:
    """Put a program on the ship's machine."""
    path = ship.home / "bin" / name
    put(path, script)
    path.chmod(0o755)


def calls(ship: Ship) -> list[list[str]]:
    """What the ship's programs were called with, by words."""
    return [line.split() for line in (ship.home / "calls").read_text().splitlines()]


@rule("R89")
def test_without_sshfs_a_ship_goes_on_and_says_what_is_missing(ship: Ship):
    """It returns at once, and the log has what the agent does not see."""
    keep_mounted(ship)
    assert "sshfs is missing: the agent sees no task list, artifacts and logs" in (
        ship.log.read_text()
    )


@rule("R89")
def test_storage_is_mounted_again_whenever_that_ends(ship: Ship):
    """What is left of the mount before is taken off first, and the log has why each ended."""
    add_program(ship, "fusermount3")
    add_program(ship, "sshfs", END_TWICE)
    keep_mounted(ship, retry_s=0)
    place = str(ship.folder / "storage")
    assert [(words[0], words[-1]) for words in calls(ship)] == [
        ("fusermount3", place),
        ("sshfs", place),
    ] * 2
    assert ship.log.read_text().count("sshfs ended: broken pipe") == 2


@rule("R89")
@pytest.mark.timeout(30)
def test_a_mount_that_cannot_be_made_yet_is_tried_again_soon(ship: Ship):
    """A ship that is up before storage is gets its view of storage within moments."""
    add_program(ship, "fusermount3")
    add_program(ship, "sshfs", END_TWICE)
    keep_mounted(ship)  # with the pauses that ships make
    assert ship.log.read_text().count("sshfs ended: broken pipe") == 2


def test_storage_is_mounted_read_only_and_uncached_by_the_ships_own_ssh(ship: Ship):
    """An agent cannot write there, sees no stale files, and a lost connection is made again."""
    add_program(ship, "fusermount3")
    add_program(ship, "sshfs", END_TWICE)
    keep_mounted(ship, retry_s=0)
    _, in_foreground, _, config, _, options, source, _ = calls(ship)[1]
    assert in_foreground == "-f"
    assert (config, source) == (str(ship.folder / "ssh_config"), "storage:")
    wanted = {"ro", "reconnect", "dir_cache=no", "attr_timeout=0", "entry_timeout=0"}
    assert wanted <= {*options.split(",")}


def test_a_ship_with_accounts_installs_sshfs_and_mounts_harbors_home(ship: Ship):
    """Its own account on storage is not the one that has the voyage."""
    ship.accounts = True
    add_program(ship, "sudo", f'{NOTE}mv "$HOME/bin/later" "$HOME/bin/sshfs"\n')
    (ship.home / "bin" / "mv").symlink_to("/bin/mv")
    add_program(ship, "fusermount3")
    add_program(ship, "later", END_TWICE)
    keep_mounted(ship, retry_s=0)
    [installed, *_] = calls(ship)
    assert installed[:2] == ["sudo", "-n"]
    assert calls(ship)[-1][-2:] == ["storage:/home/harbor", str(ship.folder / "storage")]
