import asyncio
import os
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
        "python",
        "Claude's credentials",
        "sshfs and tmux",
        "/dev/fuse",
        "claude",
        "codex",
        "opencode",
        "gemini",
        "claude-acp",
        "git version",
        "git user.name",
        "git user.email",
        "provider",
    ]
    assert found["programs"].found == "ssh, ssh-keygen, git, sshd, findmnt, setpriv"
    assert found["provider"].found == f"0 VMs in {tmp_path}/.local/share/ocaptain/local"
    assert not (tmp_path / ".local").exists()


def test_what_only_local_needs(environ):
    """Where VMs are elsewhere, this machine needs none of their programs."""
    found = findings(environ | {"OCAPTAIN_PROVIDER": "elsewhere"})
    assert found["programs"].found == "ssh, ssh-keygen, git"
    assert not {"/dev/fuse", "claude"} & found.keys()
    assert found["gemini"].remedy == "set GEMINI_API_KEY  (only for plans with the agent gemini)"
    found = findings(environ | {"OCAPTAIN_PROVIDER": "elsewhere", "GEMINI_API_KEY": "AIza"})
    assert found["gemini"].found == "ready"


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
    missing = "missing: ssh, ssh-keygen, git, sshd, findmnt, setpriv"
    packages = "git openssh-client openssh-server util-linux"
    assert found["programs"] == Finding(
        "programs", None, f"{missing} → sudo apt-get install -y {packages}"
    )
    claude = found["claude"]
    assert (claude.found, claude.is_needed) == (None, False)
    assert claude.remedy == (
        "missing: claude → npm install -g @anthropic-ai/claude-code"
        "  (only for plans with the agent claude)"
    )
    assert found["codex"].remedy == (
        "missing: codex-acp → npm install -g @agentclientprotocol/codex-acp; "
        "set CODEX_API_KEY or OPENAI_API_KEY  (only for plans with the agent codex)"
    )
    assert "apt-get install -y sshfs tmux" in found["sshfs and tmux"].remedy


def test_an_unknown_provider_is_found_out(environ):
    """A provider that does not exist is reported with those that do, and what to type."""
    found = findings(environ | {"OCAPTAIN_PROVIDER": "azure"})["provider"]
    assert not found.found
    assert found.remedy == (
        "There is no provider 'azure' here; there is: exedev, hosts, local. → "
        "export OCAPTAIN_PROVIDER=local"
    )


def test_an_ssh_config_that_does_not_parse(environ, tmp_path: Path):
    """ssh's own words say which line it is, before a voyage fails for it."""
    config = tmp_path / "config"
    config.write_text("Host *\n  RemoteCommand tmux\n")
    environ |= {"OCAPTAIN_PROVIDER": "elsewhere", "OCAPTAIN_SSH_CONFIG": str(config)}
    assert findings(environ)["ssh_config"].found == "ssh can read it"
    config.write_text("Host *\n  NoSuchThing yes\n")
    found = findings(environ)["ssh_config"]
    assert not found.found
    assert f"{config}: line 2: Bad configuration option: nosuchthing" in found.remedy


def test_an_old_git(environ, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """One that cannot be kept from somebody's settings is told before it is used."""
    git = tmp_path / "git"
    for version, is_good in (("2.30.2", False), ("2.32.0", True), ("2.47.1.windows.2", True)):
        git.write_text(f"#!/bin/sh\necho git version {version}\n")
        git.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        found = findings(environ)["git version"]
        assert bool(found.found) == is_good
        assert version in (found.found or found.remedy)
