"""What there is to start with: a small plan, the skill that leads to one, and the demo."""

import shutil
import tempfile
from pathlib import Path

from .errors import Failure
from .git import git

HERE = Path(__file__).parent
IDENTITY = ("-c", "user.name=ocaptain demo", "-c", "user.email=demo@localhost")


def init(directory: Path) -> None:
    """Write a small plan to start from. Raises Failure if `directory` holds something already."""
    if directory.exists() and not (directory.is_dir() and not any(directory.iterdir())):
        raise Failure(f"{directory} exists and is not an empty directory.", hint="Name a new one.")
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
