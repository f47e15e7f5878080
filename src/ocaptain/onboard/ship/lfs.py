"""Large files of Git LFS: the branch has pointers, and a server has the objects."""

import re
import shutil
from collections.abc import Iterator
from typing import NamedTuple

from .git import Git, GitFailed
from .stock import read_entries

POINTER_LIMIT = 1024
"""Bytes that a pointer has at most, by its specification."""
POINTER = re.compile(r"version https?://.*\noid sha256:([0-9a-f]{64})\n", re.DOTALL)


class Faults(NamedTuple):
    """Paths in HEAD, new against the branch, that would be of no use to others."""

    whole: list[str]
    """Committed with their contents, where a pointer belongs."""
    stranded: list[str]
    """Pointers to objects that could not be brought to the server."""


def is_here() -> bool:
    """Whether this ship has Git LFS."""
    return shutil.which("git-lfs") is not None


def faults(git: Git, upstream: str) -> Faults:
    """Bring new objects to the server that the repository names; return what is wrong then.

    HEAD is what the index has. Raises OSError."""
    new = list(_new_entries(git, upstream))
    objects = {path: _object(git, blob) for path, blob in new}
    whole = [path for path, object_id in objects.items() if object_id is None]
    pointers = {path: object_id for path, object_id in objects.items() if object_id}
    if pointers and _push(git, list(pointers.values())):
        return Faults(whole, [])
    return Faults(whole, list(pointers))


def _new_entries(git: Git, upstream: str) -> Iterator[tuple[str, str]]:
    """Yield path and blob of each large file that the branch has not, by any name."""
    entries = git.paths("ls-files", "--stage", "-z", "--", ":(attr:filter=lfs)")
    if not entries:
        return
    known = git.run("ls-tree", "-r", upstream)
    for entry in read_entries(entries):
        if f" blob {entry.blob}\t" not in known:
            yield entry.path, entry.blob


def _object(git: Git, blob: str) -> str | None:
    """Return the id of the object that a pointer names, empty for an empty file.

    Returns None if the blob is no pointer."""
    size = int(git.run("cat-file", "-s", blob))
    if size == 0:
        return ""
    if size >= POINTER_LIMIT:
        return None
    found = POINTER.match(git.run("cat-file", "blob", blob) + "\n")
    return found[1] if found else None


def _push(git: Git, objects: list[str]) -> bool:
    """Whether the objects could be brought to a server that is no ship's storage."""
    try:
        if _server(git):
            git.run_as_user("lfs", "push", "--object-id", "origin", *objects)
            return True
    except GitFailed:
        pass
    return False


def _server(git: Git) -> str:
    """Return the URL of the server, empty if nobody has named one."""
    in_tree = ("config", "--file", str(git.path / ".lfsconfig"))
    for words in (("config",), in_tree):
        for key in ("lfs.pushurl", "lfs.url"):
            if url := git.run(*words, "--default", "", key):
                return url
    return ""
