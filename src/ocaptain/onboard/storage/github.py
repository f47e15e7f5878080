"""The git host that storage may have a token for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from .journal import Journal

GITHUB = "https://github.com/"
GITHUB_API = "https://api.github.com/repos/"


def credentials(journal: Journal) -> Path:
    """Return where git's credential helper keeps the token, if storage has one."""
    return journal.folder / "credentials"


def credential(token: str) -> str:
    """Return a token as git-credential-store(1) reads it."""
    return f"https://x-access-token:{token}@github.com\n"


def read_token(journal: Journal) -> str:
    """Return the git host's token, from `https://USER:TOKEN@HOST`."""
    login = credentials(journal).read_text().rpartition("@")[0]
    return login.rpartition(":")[2]
