"""Looks at this machine, and says what it lacks."""

import os
import platform
import re
from pathlib import Path
from typing import NamedTuple

from .config import Config
from .errors import Failure
from .git import try_git
from .process import run, where
from .providers import open_provider
from .ssh import clean

PACKAGES = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "git": "git"}
"""Programs that a captain runs, and the package of Debian's that has each."""

LOCAL_PACKAGES = {"sshd": "openssh-server", "sshfs": "sshfs", "tmux": "tmux"}
"""Programs of VMs, which `local` finds on this machine."""

OLDEST_GIT = (2, 32)
"""The first that can be kept from the captain's own settings (GIT_CONFIG_GLOBAL)."""

FUSE = Path("/dev/fuse")


class Finding(NamedTuple):
    """What was looked at and what is there; if that is None, what is wrong and what to type."""

    subject: str
    found: str | None
    remedy: str


async def examine(config: Config) -> list[Finding]:
    """Look at all that ocaptain needs here."""
    is_local = config.provider == "local"
    findings = [
        _programs(PACKAGES | LOCAL_PACKAGES if is_local else PACKAGES),
        Finding("python", platform.python_version(), ""),
        _credentials(config),
    ]
    if is_local:
        findings.append(_fuse())
        findings.append(_claude())
    elif where("ssh"):
        findings.append(await _ssh_config(config))
    if where("git"):
        findings.append(await _git_version())
        findings.append(await _git_setting("user.name", "Your Name"))
        findings.append(await _git_setting("user.email", "you@example.com"))
    findings.append(await _provider(config))
    return findings


def _programs(packages: dict[str, str]) -> Finding:
    missing = [name for name in packages if not where(name)]
    if not missing:
        return Finding("programs", ", ".join(packages), "")
    install = " ".join(sorted({packages[name] for name in missing}))
    remedy = f"missing: {', '.join(missing)} → sudo apt-get install -y {install}"
    return Finding("programs", None, remedy)


def _credentials(config: Config) -> Finding:
    lacking = config.lacks("claude")
    found = "; ".join(["set", *config.doubts("claude")])
    return Finding("Claude's credentials", None if lacking else found, lacking or "")


async def _ssh_config(config: Config) -> Finding:
    """See whether ssh can read what it is configured by: machines are reached by that."""
    argv = ["ssh", "-G", "localhost"]
    if config.ssh_config:
        argv = ["ssh", "-F", str(config.ssh_config), "-G", "localhost"]
    result = await run(argv)
    if result.status == 0:
        return Finding("ssh_config", "ssh can read it", "")
    complaint = clean(result.err).strip().partition("\n")[0]
    return Finding("ssh_config", None, f"{complaint} → mend that")


async def _git_version() -> Finding:
    version = (await try_git("version")).removeprefix("git version ")
    numbers = [int(number) for number in re.findall(r"\d+", version)]
    if tuple(numbers[:2]) >= OLDEST_GIT:
        return Finding("git version", version, "")
    oldest = ".".join(map(str, OLDEST_GIT))
    return Finding("git version", None, f"{version} is older than {oldest} → install a newer one")


def _fuse() -> Finding:
    if os.access(FUSE, os.R_OK | os.W_OK):
        return Finding(str(FUSE), "usable", "")
    if FUSE.exists():
        return Finding(str(FUSE), None, f"not yours to use → sudo chmod 666 {FUSE}")
    return Finding(str(FUSE), None, "missing → sudo modprobe fuse")


def _claude() -> Finding:
    remedy = "missing → npm install -g @anthropic-ai/claude-code"
    return Finding("claude", where("claude"), remedy)


async def _git_setting(key: str, example: str) -> Finding:
    value = await try_git("config", key)
    return Finding(f"git {key}", value or None, f"not set → git config --global {key} '{example}'")


async def _provider(config: Config) -> Finding:
    try:
        return Finding("provider", await open_provider(config).capacity(), "")
    except Failure as failure:
        return Finding("provider", None, " → ".join(str(failure).splitlines()))
