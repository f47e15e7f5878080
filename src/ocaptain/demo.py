"""A small voyage to look at: a real repository, and a plan of eight tasks that need no model."""

import shutil
import tempfile
from pathlib import Path

from .plan import HERE
from .source import git

IDENTITY = ("-c", "user.name=ocaptain demo", "-c", "user.email=demo@localhost")


async def make() -> Path:
    """Make the repository, with the plan in it, and return its path."""
    repo = Path(tempfile.mkdtemp(prefix="ocaptain-demo-"))
    shutil.copytree(HERE / "templates/demo", repo, dirs_exist_ok=True)
    settings = repo / "plan/voyage.json"
    settings.write_text(settings.read_text().replace("REPOSITORY", str(repo)))
    for words in ("init -q -b main", "add -A", "commit -q -m Begin"):
        await git("-C", str(repo), *IDENTITY, *words.split())
    return repo
