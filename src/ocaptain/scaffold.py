"""What there is to start with: a small plan, the skill that leads to one, and the demo."""

import shutil
import tempfile
from pathlib import Path

from .errors import Failure
from .git import git

PACKAGE = Path(__file__).parent
IDENTITY = ("-c", "user.name=ocaptain demo", "-c", "user.email=demo@localhost")


def init(directory: Path) -> None:
    """Write a small plan to start from. Raises Failure if `directory` holds something already."""
    if directory.exists() and not _is_empty_directory(directory):
        raise Failure(f"{directory} exists and is not an empty directory.", hint="Name a new one.")
    shutil.copytree(PACKAGE / "templates/plan", directory, dirs_exist_ok=True)


def write_config(path: Path) -> None:
    """Write a config.toml in which every setting is commented out. Raises Failure if one is there.

    Nobody else can read it: tokens may be put into it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise Failure(f"{path} exists.", hint="ocaptain config  shows what it sets.") from None
    except OSError as why:
        raise Failure(f"{path} cannot be written: {why.strerror}.") from None
    path.write_text((PACKAGE / "templates/config.toml").read_text())


def _is_empty_directory(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def install_skill(home: Path) -> Path:
    """Put the `voyage-plan` skill where Claude Code finds it under `home`. Returns its path."""
    target = home / ".claude/skills/voyage-plan"
    shutil.copytree(PACKAGE / "skill", target, dirs_exist_ok=True)
    return target / "SKILL.md"


async def demo() -> Path:
    """Make a repository with a plan of eight tasks that need no model. Returns its path."""
    repo = Path(tempfile.mkdtemp(prefix="ocaptain-demo-"))
    shutil.copytree(PACKAGE / "templates/demo", repo, dirs_exist_ok=True)
    settings = repo / "plan/voyage.json"
    settings.write_text(settings.read_text().replace("REPOSITORY", str(repo)))
    await git("-C", str(repo), "init", "-q", "-b", "main")
    await git("-C", str(repo), "add", "-A")
    await git("-C", str(repo), *IDENTITY, "commit", "-q", "-m", "Begin")
    return repo
