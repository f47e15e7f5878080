"""What this machine lacks, and the command that mends it."""

import getpass
import os
import secrets
import sys
from typing import NamedTuple

from .config import Config
from .errors import Failure
from .onboard.agents import AGENTS
from .providers import open_provider
from .providers.local import Local
from .source import git
from .ssh import Remote, Unreachable, prepare, where

PACKAGES = {"ssh": "openssh-client", "sshd": "openssh-server", "sshfs": "sshfs"}
PACKAGES |= {"sftp-server": "openssh-server", "tmux": "tmux", "git": "git"}
"""Programs that are run, and the package of Debian's that has each."""


class Finding(NamedTuple):
    """One thing that was looked at: what is there, and what to type where that will not do."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


async def examine(config: Config, *, deep: bool = False) -> list[Finding]:
    """Look at all that ocaptain needs here; `deep` tries a VM of `local` out, whatever is set."""
    fuse = "usable" if os.access("/dev/fuse", os.R_OK | os.W_OK) else None
    unset = AGENTS["claude"].missing(config.agent_env)
    findings = [
        _programs(),
        _look("/dev/fuse", fuse, "sudo chmod 666 /dev/fuse"),
        _look("claude", where("claude"), "install Claude Code"),
        Finding("Claude's credentials", not unset, unset or "set"),
    ]
    for key in ("user.name", "user.email") if where("git") else ():
        value = await git("config", key, strict=False)
        findings.append(_look(f"git {key}", value, f"git config --global {key} …"))
    return [*findings, await _provider(config, deep=deep)]


def _look(what: str, found: str | None, remedy: str, otherwise: str = "lacking") -> Finding:
    return Finding(what, True, found) if found else Finding(what, False, otherwise, remedy)


def _programs() -> Finding:
    missing = [name for name in PACKAGES if not where(name)]
    install = "brew install" if sys.platform == "darwin" else "sudo apt-get install -y"
    remedy = " ".join([install, *sorted({PACKAGES[name] for name in missing})])
    found = None if missing else ", ".join(PACKAGES)
    return _look("programs", found, remedy, f"lacking: {', '.join(missing)}")


async def _provider(config: Config, *, deep: bool) -> Finding:
    """Whether the provider answers and, for `local` or if `deep`, a VM can be made and used."""
    here = deep or config.provider == "local"
    try:
        said = await open_provider(config).look()
        if not here:
            return Finding("provider", True, said)
        await _try_out(config)
        return Finding("provider", True, "local: a VM was made, used and destroyed")
    except Failure as failure:
        found, _, remedy = str(failure).partition("\n")
        if here and isinstance(failure, Unreachable):
            # sshd refuses a locked account in no other way, and says why to its log alone.
            remedy = f"If it is locked: sudo usermod -p '*' {getpass.getuser()}"
        return Finding("provider", False, found, remedy)


async def _try_out(config: Config) -> None:
    local, name = Local(config), f"voyage-{secrets.token_hex(6)}-ship0"
    try:
        vm = await local.create(name)
        ssh = prepare(local.root / name, [vm], user_config=None, sockets=config.run_dir())
        await ssh.run(name, Remote("true"), timeout=30)
        await ssh.close(name)
    finally:
        await local.destroy([name])
