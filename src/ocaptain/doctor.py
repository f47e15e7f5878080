"""What this machine lacks, and the command that mends it."""

import getpass
import os
import secrets
import sys
import tempfile
from collections.abc import Awaitable
from dataclasses import dataclass
from pathlib import Path

from .config import Config
from .errors import Failure
from .onboard.agents import AGENTS
from .providers import open_provider
from .providers.local import Local
from .ssh import Remote, Unreachable, prepare, run, where

PACKAGES = {"ssh": "openssh-client", "sshd": "openssh-server", "sshfs": "sshfs"}
PACKAGES |= {"sftp-server": "openssh-server", "tmux": "tmux", "git": "git"}
"""Programs that are run, and the package of Debian's that has each."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what is there, and what to type where that will not do."""

    what: str
    ok: bool
    found: str
    remedy: str = ""


async def examine(config: Config, *, deep: bool = False) -> list[Finding]:
    """Look at all that ocaptain needs here; `deep` tries a VM of `local` out, whatever is set."""
    fuse = os.access("/dev/fuse", os.R_OK | os.W_OK)
    lacking = AGENTS["claude"].missing(config.agent_env)
    findings = [
        _programs(),
        Finding("/dev/fuse", fuse, "usable" if fuse else "lacking", "sudo chmod 666 /dev/fuse"),
        Finding(
            "claude", bool(where("claude")), where("claude") or "lacking", "install Claude Code"
        ),
        Finding("Claude's credentials", not lacking, lacking or "set"),
    ]
    for key in ("user.name", "user.email") if where("git") else ():
        value = (await run(["git", "config", key])).out.decode().strip()
        remedy = f"git config --global {key} …"
        findings.append(Finding(f"git {key}", bool(value), value or "lacking", remedy))
    return [*findings, await _attempt("provider", _try_out(config, deep=deep))]


def _programs() -> Finding:
    missing = [name for name in PACKAGES if not where(name)]
    if not missing:
        return Finding("programs", True, ", ".join(PACKAGES))
    install = "brew install" if sys.platform == "darwin" else "sudo apt-get install -y"
    remedy = " ".join([install, *sorted({PACKAGES[name] for name in missing})])
    return Finding("programs", False, f"lacking: {', '.join(missing)}", remedy)


async def _attempt(what: str, trial: Awaitable[str]) -> Finding:
    try:
        return Finding(what, True, await trial)
    except Failure as failure:
        found, _, remedy = str(failure).partition("\n")
        return Finding(what, False, found, remedy)


async def _try_out(config: Config, *, deep: bool) -> str:
    """Open the provider; for `local`, or if `deep`, make a VM here, use it, and destroy it."""
    open_provider(config)
    if config.provider != "local" and not deep:
        return config.provider
    local, name = Local(config), f"voyage-{secrets.token_hex(6)}-ship0"
    try:
        vm = await local.create(name)
        with tempfile.TemporaryDirectory() as folder:
            ssh = prepare(Path(folder), [vm], user_config=None, sockets=config.run_dir())
            await ssh.run(name, Remote("true"), timeout=30)
            await ssh.close(name)
    except Unreachable as failure:
        # sshd refuses a locked account in no other way, and says why to its log alone.
        said = str(failure).partition("\n")[0]
        raise Failure(said, f"If it is locked: sudo usermod -p '*' {getpass.getuser()}") from None
    finally:
        await local.destroy([name])
    return "local: a VM was made, used and destroyed"
