"""What this machine lacks, and the command that mends it."""

import os

from .config import Config
from .errors import Failure
from .providers import open_provider
from .source import git
from .ssh import where

PACKAGES = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "git": "git"}
"""Programs that a captain runs, and the package of Debian's that has each."""

LOCAL = {"sshd": "openssh-server", "sshfs": "sshfs", "tmux": "tmux"}
"""Those of VMs, which `local` finds on this machine."""


Finding = tuple[str, str | None, str]
"""What was looked at, what is there and, for where that is nothing, what to type."""


async def examine(config: Config) -> list[Finding]:
    """Look at all that ocaptain needs here."""
    unset, here = config.lacks("claude"), config.provider == "local"
    found: list[Finding] = [
        _programs(PACKAGES | LOCAL if here else PACKAGES),
        ("Claude's credentials", None if unset else "set", unset or ""),
    ]
    if here:
        fuse = "usable" if os.access("/dev/fuse", os.R_OK | os.W_OK) else None
        found.append(("/dev/fuse", fuse, "not usable → sudo chmod 666 /dev/fuse"))
        found.append(("claude", where("claude"), "lacking → install Claude Code"))
    for key in ("user.name", "user.email") if where("git") else ():
        value = await git("config", key, strict=False)
        found.append((f"git {key}", value, f"not set → git config --global {key} …"))
    try:
        return [*found, ("provider", await open_provider(config).look(), "")]
    except Failure as failure:
        return [*found, ("provider", None, " → ".join(str(failure).splitlines()))]


def _programs(packages: dict[str, str]) -> Finding:
    missing = [name for name in packages if not where(name)]
    install = " ".join(sorted({packages[name] for name in missing}))
    remedy = f"lacking: {', '.join(missing)} → sudo apt-get install -y {install}"
    return ("programs", None if missing else ", ".join(packages), remedy)
