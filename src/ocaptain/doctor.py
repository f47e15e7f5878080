"""Looks at this machine, and says what it lacks."""

import os
import platform
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict

from . import needs
from .config import Config
from .errors import Failure
from .git import try_git
from .process import run, where
from .providers import open_provider
from .ssh import clean

OLDEST_GIT = (2, 32)
"""The first that can be kept from the captain's own settings (GIT_CONFIG_GLOBAL)."""

OTHERS = ("codex", "opencode", "gemini", "claude-acp")
"""Agents that are looked at besides Claude Code."""

FUSE = Path("/dev/fuse")

FOR_CLAUDE = "  (only for plans with the agent claude)"
FOR_AGENTS = "  (only for agents to see the task list)"
FOR_COMFORT = "  (only for agents to see the task list, and for `ocaptain shell`)"


class FindingJson(TypedDict):
    """A line of `doctor --json`."""

    subject: str
    found: str | None
    remedy: str | None
    needed: bool


class Finding(NamedTuple):
    """What was looked at and what is there; if that is None, what is wrong and what to type."""

    subject: str
    found: str | None
    remedy: str
    is_needed: bool = True
    """Whether no voyage can do without it."""

    def as_json(self) -> FindingJson:
        """Return it as `doctor --json` prints it."""
        return {
            "subject": self.subject,
            "found": self.found,
            "remedy": None if self.found else self.remedy,
            "needed": self.is_needed,
        }


async def examine(config: Config) -> list[Finding]:
    """Look at all that ocaptain needs here."""
    is_local = config.provider == "local"
    findings = [
        _programs({**needs.CAPTAIN, **needs.LOCAL} if is_local else needs.CAPTAIN),
        Finding("python", platform.python_version(), ""),
        _credentials(config),
    ]
    if is_local:
        findings.append(_comforts())
        findings.append(_fuse())
        findings.append(_claude())
    findings += [_agent(name, config) for name in OTHERS]
    if not is_local and where("ssh"):
        findings.append(await _ssh_config(config))
    if where("git"):
        findings.append(await _git_version())
        findings.append(await _git_setting("user.name", "Your Name"))
        findings.append(await _git_setting("user.email", "you@example.com"))
    findings.append(await _provider(config))
    return findings


def _programs(packages: Mapping[str, str]) -> Finding:
    fault = needs.missing(packages)
    return Finding("programs", None if fault else ", ".join(packages), fault)


def _comforts() -> Finding:
    fault = needs.missing(needs.LOCAL_COMFORTS)
    remedy = f"{fault}{FOR_COMFORT}" if fault else ""
    found = None if fault else "there"
    return Finding("sshfs and tmux", found, remedy, is_needed=False)


def _credentials(config: Config) -> Finding:
    lacking = config.lacks("claude")
    found = "; ".join(["set", *config.doubts("claude")])
    remedy = f"{lacking}{FOR_CLAUDE}" if lacking else ""
    return Finding("Claude's credentials", None if lacking else found, remedy, is_needed=False)


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
    remedy = f"missing → sudo modprobe fuse{FOR_AGENTS}"
    if FUSE.exists():
        remedy = f"not yours to use → sudo chmod 666 {FUSE}{FOR_AGENTS}"
    return Finding(str(FUSE), None, remedy, is_needed=False)


def _agent(name: str, config: Config) -> Finding:
    """See what an agent lacks: on `local` its program, which has to be here, and its credential."""
    program = needs.missing_agent(name) if config.provider == "local" else ""
    lacks = [lack for lack in (program, config.lacks(name)) if lack]
    remedy = f"{'; '.join(lacks)}  (only for plans with the agent {name})" if lacks else ""
    return Finding(name, None if lacks else "ready", remedy, is_needed=False)


def _claude() -> Finding:
    fault = needs.missing_agent("claude")
    remedy = f"{fault}{FOR_CLAUDE}" if fault else ""
    return Finding("claude", where("claude"), remedy, is_needed=False)


async def _git_setting(key: str, example: str) -> Finding:
    value = await try_git("config", key)
    remedy = f"not set → git config --global {key} '{example}'  (or commits are ocaptain's)"
    return Finding(f"git {key}", value or None, remedy, is_needed=False)


async def _provider(config: Config) -> Finding:
    try:
        return Finding("provider", await open_provider(config).capacity(), "")
    except Failure as failure:
        return Finding("provider", None, " → ".join(str(failure).splitlines()))
