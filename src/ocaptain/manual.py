"""Where the documents are that messages and help name, such as docs/json.md.

They are not part of what is installed. But it is known what that was made from: a clone, or a
repository that has pages of them.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import Distribution

HERE = Path(__file__).parents[2]
"""The clone, if the program runs from there."""
KIND = "Documentation"
"""What pyproject.toml calls the address of the documents, if they have one."""


def page(name: str) -> str:
    """Return where a document is, such as json.md: a path or a URL."""
    return f"{documents()}/{name}"


def documents(clone: Path = HERE) -> str:
    """Return where all of them are; just "docs", as in the repository, if nobody knows."""
    if (clone / "docs" / "json.md").exists():
        return str(clone / "docs")
    from importlib import metadata  # which takes longer than most of what names a document

    try:
        installed = metadata.distribution("ocaptain")
    except metadata.PackageNotFoundError:
        return "docs"
    return _published(installed) or _of_origin(installed.read_text("direct_url.json")) or "docs"


def _published(installed: "Distribution") -> str:
    """Return the address that the package itself names, if it does."""
    for entry in installed.metadata.get_all("Project-URL") or []:
        kind, _, url = entry.partition(",")
        if kind.strip() == KIND:
            return str(url).strip().rstrip("/")
    return ""


def _of_origin(record: str | None) -> str:
    """Return where the documents are of what was installed. `record` is direct_url.json (PEP 610):
    a folder, or a repository and its commit."""
    from urllib.parse import unquote, urlsplit  # for which no help is to wait

    origin = json.loads(record or "{}")
    url = str(origin.get("url", ""))
    commit = origin.get("vcs_info", {}).get("commit_id")
    if commit and url.startswith("https://"):
        return f"{url.removesuffix('.git')}/blob/{commit}/docs"
    folder = Path(unquote(urlsplit(url).path), "docs")
    return str(folder) if url.startswith("file:") and folder.is_dir() else ""
