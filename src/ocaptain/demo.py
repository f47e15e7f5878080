"""A small voyage to look at: a real repository, and a plan of eight tasks that need no model."""

import json
import shutil
import tempfile
from pathlib import Path

from .errors import Failure
from .ssh import clean, run

PLAN = Path(__file__).parent / "templates" / "demo"
IDENTITY = ["-c", "user.name=ocaptain demo", "-c", "user.email=demo@localhost"]


async def make() -> Path:
    """Make the repository, with the plan in it, and return its path."""
    repo = Path(tempfile.mkdtemp(prefix="ocaptain-demo-"))
    (repo / "README.md").write_text("# A poem\n\nPrinted by a fleet.\n")
    shutil.copytree(PLAN, repo / "plan")
    settings = repo / "plan" / "voyage.json"
    settings.write_text(json.dumps({**json.loads(settings.read_text()), "repo": str(repo)}))
    for words in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "Begin"]):
        done = await run(["git", "-C", str(repo), *IDENTITY, *words])
        if done.status:
            raise Failure(f"git {words[0]} failed in {repo}: {clean(done.err).strip()}")
    return repo
