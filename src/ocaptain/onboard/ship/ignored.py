"""What git ignores in a clone though the repository does not say so: what tools leave behind."""

import re
from collections.abc import Iterable
from contextlib import suppress

from .git import Git
from .stock import LINK, Tracked

USUALLY = """\
__pycache__/
*.pyc
node_modules/
.venv/
.pytest_cache/
.DS_Store
"""
FOLDERS = ("__pycache__", "node_modules", ".venv", ".pytest_cache")


def spare(git: Git, tracked: Iterable[Tracked]) -> None:
    """Ignore nothing where the repository itself has such files: new ones there are work too.

    `tracked` is all that it has."""
    spared = places(entry.path for entry in tracked if is_usual(entry))
    exclude = git.directory / "info" / "exclude"
    there = ""
    with suppress(OSError):
        there = exclude.read_text(errors="surrogateescape")
    missing = [line for line in spared if line not in there.splitlines()]
    if missing:
        exclude.parent.mkdir(exist_ok=True)
        text = "\n".join([there.rstrip("\n"), *missing, ""])
        exclude.write_text(text, errors="surrogateescape")


def is_usual(entry: Tracked) -> bool:
    """Whether USUALLY has git ignore what is tracked. To git a submodule is a folder."""
    *folders, name = entry.path.split("/")
    if entry.mode == LINK:
        folders.append(name)
    return name.endswith(".pyc") or name == ".DS_Store" or not set(FOLDERS).isdisjoint(folders)


def places(tracked: Iterable[str]) -> list[str]:
    """Return the lines of gitignore(5) by which nothing is ignored where these files are."""
    lines: dict[str, None] = {}
    for path in tracked:
        parts = path.split("/")
        found = [number for number, part in enumerate(parts[:-1]) if part in FOLDERS]
        if found:
            folder = _quoted("/".join(parts[: found[0] + 1]))
            lines.update(dict.fromkeys([f"!/{folder}/", f"!/{folder}/**"]))
        else:
            kind = "*.pyc" if path.endswith(".pyc") else _quoted(parts[-1])
            lines[f"!/{_quoted('/'.join([*parts[:-1], '']))}{kind}"] = None
    return list(lines)


def _quoted(path: str) -> str:
    return re.sub(r"([\\*?\[])", r"\\\1", path)
