"""Paths whose changes git was told not to look for, by bits in the index."""

import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from .git import Git

BITS = ("--no-assume-unchanged", "--no-skip-worktree")
PATHS_AT_ONCE = 500


def paths(git: Git) -> set[str]:
    """Return the paths that may have changes which git does not tell of."""
    return set(_paths(git))


def shown(git: Git, spared: Collection[str]) -> Path | None:
    """Make a copy of the index by which git looks for changes, but for what is spared.

    Returns None if the index itself will do."""
    found = sorted(paths(git).difference(spared))
    if not found:
        return None
    index = git.directory / "ocaptain-shown-index"
    shutil.copy2(git.directory / "index", index)
    for start in range(0, len(found), PATHS_AT_ONCE):
        for bit in BITS:
            some = found[start : start + PATHS_AT_ONCE]
            git.run("update-index", bit, "--", *some, index=index)
    return index


def _paths(git: Git) -> Iterator[str]:
    for line in git.paths("ls-files", "-v", "-z"):
        letter, path = line[0], line[2:]
        is_there = os.path.lexists(git.path / path)
        # What a sparse checkout has left out is not deleted.
        if letter == "h" or (letter in "sS" and is_there):
            yield path
