"""This machine, and what it lacks."""

import os

from .config import Config
from .errors import Failure
from .git import git
from .process import where
from .providers import open_provider

PACKAGES = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "git": "git"}
"""Programs that a captain runs, and the package of Debian's that has each."""

LOCAL = {"sshd": "openssh-server", "sshfs": "sshfs", "tmux": "tmux"}
"""Those of VMs, which `local` finds on this machine."""


async def examine(config: Config) -> list[tuple[str, str | None, str]]:
    """Look at all that ocaptain needs here: what was looked at, what is there and, for where that
    is nothing, what to type."""
    unset, here = config.lacks("claude"), config.provider == "local"
    packages = PACKAGES | LOCAL if here else PACKAGES
    missing = [name for name in packages if not where(name)]
    install = " ".join(sorted({packages[name] for name in missing}))
    remedy = f"lacking: {', '.join(missing)} → sudo apt-get install -y {install}"
    found = [("programs", None if missing else ", ".join(packages), remedy)]
    found.append(("Claude's credentials", None if unset else "set", unset or ""))
    if here:
        fuse = "usable" if os.access("/dev/fuse", os.R_OK | os.W_OK) else None
        found.append(("/dev/fuse", fuse, "not usable → sudo chmod 666 /dev/fuse"))
        found.append(("claude", where("claude"), "lacking → install Claude Code"))
    for key in ("user.name", "user.email") if where("git") else ():
        value = await git("config", key, strict=False)
        found.append((f"git {key}", value, f"not set → git config --global {key} …"))
    try:
        return [*found, ("provider", await open_provider(config).capacity(), "")]
    except Failure as failure:
        return [*found, ("provider", None, " → ".join(str(failure).splitlines()))]
