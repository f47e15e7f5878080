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
    return {finding.subject: finding for finding in asyncio.run(examine(load(environ)))}


def test_a_machine_that_has_everything(environ, tmp_path):
    """Every program is found, also those that VMs need here, and nothing is made to find out."""
    found = findings(environ)
    assert list(found) == [
        "programs",
        "Claude's credentials",
        "/dev/fuse",
        "claude",
        "git user.name",
        "git user.email",
        "provider",
    ]
    assert found["programs"].found == "ssh, ssh-keygen, git, sshd, sshfs, tmux"
    assert found["provider"].found == f"0 VMs in {tmp_path}/.local/share/ocaptain/local"
    assert not (tmp_path / ".local").exists()


def test_what_only_local_needs(environ):
    """Where VMs are elsewhere, this machine needs none of their programs."""
    found = findings(environ | {"OCAPTAIN_PROVIDER": "elsewhere"})
    assert found["programs"].found == "ssh, ssh-keygen, git"
    assert not {"/dev/fuse", "claude"} & found.keys()


def test_tokens_are_told_of_but_not_shown(environ):
    """doctor says which credentials are set and could be some, and never their values."""
    without = findings(environ)["Claude's credentials"]
    assert not without.found
    assert "`claude setup-token`" in without.remedy
    token = "sk-ant-api03-hush-5Kd92"
    found = findings(environ | {"ANTHROPIC_API_KEY": token, "GH_TOKEN": "hush"})
    assert found["Claude's credentials"].found == "set"
    assert "hush" not in str(found)
    found = findings(environ | {"ANTHROPIC_API_KEY": token, "ANTHROPIC_AUTH_TOKEN": "hush"})
    told = found["Claude's credentials"].found
    assert told
    assert "ANTHROPIC_AUTH_TOKEN and ANTHROPIC_API_KEY are both set" in told
    assert "ANTHROPIC_AUTH_TOKEN is short" in told
    assert "hush" not in str(found)
    found = findings(environ | {"CLAUDE_CODE_OAUTH_TOKEN": "hush"})
    assert not found["Claude's credentials"].found
    assert "hush" not in str(found)


def test_what_is_missing_is_one_command_away(environ, monkeypatch, tmp_path):
    """Missing programs are named, with one command that installs the packages of all of them."""
    monkeypatch.setattr("ocaptain.process.DAEMONS", "/nonexistent")
    monkeypatch.setenv("PATH", str(tmp_path))
    found = findings(environ)
    missing = "missing: ssh, ssh-keygen, git, sshd, sshfs, tmux"
    packages = "git openssh-client openssh-server sshfs tmux"
    assert found["programs"] == Finding(
        "programs", None, f"{missing} → sudo apt-get install -y {packages}"
    )
    assert found["claude"] == Finding(
        "claude", None, "missing → npm install -g @anthropic-ai/claude-code"
    )


def test_an_unknown_provider_is_found_out(environ):
    """A provider that does not exist is reported with those that do, and what to type."""
    found = findings(environ | {"OCAPTAIN_PROVIDER": "azure"})["provider"]
    assert not found.found
    assert found.remedy == (
        "There is no provider 'azure' here; there is: exedev, hosts, local. → "
        "export OCAPTAIN_PROVIDER=local"
    )
