import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ocaptain.config import load
from ocaptain.doctor import Finding, examine


@pytest.fixture
def environ(tmp_path: Path) -> Iterator[dict[str, str]]:
    with tempfile.TemporaryDirectory(prefix="oc-", dir="/tmp") as runtime:  # pytest's is too long
        yield {"HOME": str(tmp_path), "OCAPTAIN_PROVIDER": "local", "XDG_RUNTIME_DIR": runtime}


def findings(environ: dict[str, str]) -> dict[str, Finding]:
    return {found.what: found for found in asyncio.run(examine(load(environ)))}


def test_a_machine_that_has_everything(environ, tmp_path):
    """Every program is found, a VM of `local` is made and used, and nothing is left of it."""
    found = findings(environ)
    assert list(found) == [
        "programs",
        "/dev/fuse",
        "claude",
        "Claude's credentials",
        "git user.name",
        "git user.email",
        "provider",
    ]
    assert found["programs"] == Finding(
        "programs", True, "ssh, sshd, sshfs, sftp-server, tmux, git"
    )
    assert found["provider"].ok, found["provider"]
    assert list((tmp_path / ".local/share/ocaptain/local").iterdir()) == []


def test_tokens_are_told_of_but_not_shown(environ):
    """doctor says which credentials are set, and never their values."""
    without = findings(environ)
    assert not without["Claude's credentials"].ok
    found = findings(environ | {"ANTHROPIC_API_KEY": "hush", "GH_TOKEN": "hush"})
    assert found["Claude's credentials"].ok
    assert found["Claude's credentials"].found == "set"
    assert "hush" not in str(found)


def test_what_is_missing_is_one_command_away(environ, monkeypatch, tmp_path):
    """Missing programs are named, with one command that installs the packages of all of them."""
    monkeypatch.setattr("ocaptain.ssh.DAEMONS", "/nonexistent")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(environ)
    packages = "git openssh-client openssh-server sshfs tmux"
    assert found["programs"] == Finding(
        "programs",
        False,
        "lacking: ssh, sshd, sshfs, sftp-server, tmux, git",
        f"sudo apt-get install -y {packages}",
    )
    assert found["claude"] == Finding("claude", False, "lacking", "install Claude Code")
    assert not found["provider"].ok


def test_an_unknown_provider_is_found_out(environ):
    """A provider that does not exist is reported with those that do."""
    found = findings(environ | {"OCAPTAIN_PROVIDER": "azure"})
    assert found["provider"].found == "There is no provider 'azure' here; there is: exedev, local."
