"""What there is to start with: this machine and what it lacks, a small plan, the skill that leads
to one, and the demo."""

import os
import shutil
import tempfile
from pathlib import Path

from .config import Config
from .errors import Failure
from .providers import open_provider
from .ssh import git, where

PACKAGES = {"ssh": "openssh-client", "ssh-keygen": "openssh-client", "git": "git"}
"""Programs that a captain runs, and the package of Debian's that has each."""

LOCAL = {"sshd": "openssh-server", "sshfs": "sshfs", "tmux": "tmux"}
"""Those of VMs, which `local` finds on this machine."""

HERE = Path(__file__).parent
IDENTITY = ("-c", "user.name=ocaptain demo", "-c", "user.email=demo@localhost")


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
        return [*found, ("provider", await open_provider(config).look(), "")]
    except Failure as failure:
        return [*found, ("provider", None, " → ".join(str(failure).splitlines()))]


def init(directory: Path) -> None:
    """Write a small plan to start from. Raises Failure if `directory` holds something already."""
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise Failure(f"{directory} exists and is not an empty directory.", "Name a new one.")
    shutil.copytree(HERE / "templates/plan", directory, dirs_exist_ok=True)


def install_skill(home: Path) -> Path:
    """Put the `voyage-plan` skill where Claude Code finds it under `home`; returns its path."""
    target = home / ".claude/skills/voyage-plan"
    shutil.copytree(HERE / "skill", target, dirs_exist_ok=True)
    return target / "SKILL.md"


async def demo() -> Path:
    """Make a real repository with a plan in it, of eight tasks that need no model; its path."""
    repo = Path(tempfile.mkdtemp(prefix="ocaptain-demo-"))
    shutil.copytree(HERE / "templates/demo", repo, dirs_exist_ok=True)
    settings = repo / "plan/voyage.json"
    settings.write_text(settings.read_text().replace("REPOSITORY", str(repo)))
    for words in ("init -q -b main", "add -A", "commit -q -m Begin"):
        await git("-C", str(repo), *IDENTITY, *words.split())
    return repo
