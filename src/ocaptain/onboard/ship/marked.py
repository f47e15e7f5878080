"""Files in which lines of a conflict may be left: finds them, and compares them with before."""

import mmap
import os
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .git import Git, text_of
from .markers import USUAL_SIZE, leftover, markers, separators
from .stock import Change

SIZE_ATTRIBUTE = "conflict-marker-size"
PATHS_AT_ONCE = 500
HEAD_OF_BINARY = 8000
"""Bytes in which git looks for a NUL, to call a file binary."""


class Marked(NamedTuple):
    """A changed file with lines of a conflict, which may be its own."""

    change: Change
    size: int
    """Characters of a marker in it."""
    lines: Counter[bytes]


def find(git: Git, changes: Iterable[Change], in_conflict: Collection[str]) -> list[Marked]:
    """Return the changed files with such lines.

    Those that part the sides of a conflict count only in files that are or were `in_conflict`:
    other texts have such lines, too."""
    files = [change for change in changes if change.mode.startswith("100")]
    sizes = _marker_sizes(git, [change.path for change in files])
    found = []
    for change in files:
        size = sizes.get(change.path, USUAL_SIZE)
        text = _text(git.path / change.path, size)
        lines = markers(text, size)
        if change.path in in_conflict:
            lines += separators(text, size)
        if lines:
            found.append(Marked(change, size, lines))
    return found


def has_new_lines(git: Git, file: Marked, before: Iterable[str]) -> bool:
    """Whether a file has more of such lines than in any of the commits from before."""
    sides = []
    for commit in before:
        for path in {file.change.path, file.change.old_path}:
            done = git.ask("cat-file", "blob", f"{commit}:{path}")
            text = done.stdout.encode(errors="surrogateescape")  # empty if it was not there
            sides.append(markers(text, file.size) + separators(text, file.size))
    return bool(leftover(file.lines, sides))


def _text(path: Path, size: int) -> bytes:
    """Return a file's contents; empty if it is binary, or no file, or has no such lines."""
    with suppress(OSError, ValueError):  # the latter if it is empty
        if stat.S_ISREG(os.lstat(path).st_mode):
            with path.open("rb") as file, _mapped(file) as contents:
                is_binary = b"\0" in contents[:HEAD_OF_BINARY]
                if not is_binary and _may_be_marked(contents, size):
                    return bytes(contents)
    return b""


def _mapped(file: BinaryIO) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _may_be_marked(contents: mmap.mmap, size: int) -> bool:
    return any(contents.find(mark * size) >= 0 for mark in (b"<", b">", b"=", b"|"))


def _marker_sizes(git: Git, paths: Sequence[str]) -> dict[str, int]:
    """Return how long markers are in files of which an attribute says so."""
    folders = {folder for path in paths for folder in Path(path).parents}
    places = [git.path / folder / ".gitattributes" for folder in folders]
    places.append(git.directory / "info" / "attributes")
    if not any(SIZE_ATTRIBUTE in text_of(place) for place in places):
        return {}
    sizes = {}
    for start in range(0, len(paths), PATHS_AT_ONCE):
        some = paths[start : start + PATHS_AT_ONCE]
        done = git.ask("check-attr", "-z", SIZE_ATTRIBUTE, "--", *some)
        fields = done.stdout.split("\0")
        for path, size in zip(fields[0::3], fields[2::3], strict=False):
            if size.isdecimal():
                sizes[path] = int(size)
    return sizes
