"""Stages what an agent has made, in an index beside the agent's own."""

import os
import shutil
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from . import phantoms
from .git import Git, GitFailed
from .stock import RAW, Change, Status, read_changes

UNFINISHED = "Unfinished work, saved by ocaptain"
WORDS_LIMIT = 400
"""Characters of what git says about a path."""

Unaddable = tuple[str, str]
"""A path that git cannot add, and its words."""


class Staging:
    """All that can be added in one clone. The agent's own index stays as it is.

    Methods raise OSError."""

    def __init__(self, git: Git) -> None:
        self.index = git.directory / "ocaptain-index"
        self._git = git

    def stage(
        self, status: Status, leave_out: Sequence[str], source: Path | None = None
    ) -> list[Unaddable]:
        """Stage the tree on top of the agent's index, or of `source`.

        `leave_out` are paths, without a slash at the end. Returns what git refuses."""
        source = source or self._git.directory / "index"
        self.index.with_name(f"{self.index.name}.lock").unlink(missing_ok=True)  # of a killed git
        if source.exists():
            # With its time, by which git knows what was written later.
            shutil.copy2(source, self.index)
        else:
            self.index.unlink(missing_ok=True)
        entries = [entry for entry in status.entries if entry.unstaged != "."]
        entries = [entry for entry in entries if entry.path.rstrip("/") not in leave_out]
        if not entries:
            return []
        refused = []
        if not self._add_all(leave_out):
            refused = self._add([entry.path for entry in entries])
        if any(entry.unstaged == "M" for entry in entries):
            meant = {entry.path for entry in status.entries if entry.staged == "M"}
            phantoms.leave_out(self._git, meant, self.index)
        return refused

    def _add_all(self, leave_out: Sequence[str]) -> bool:
        """Stage the whole tree but some paths. Returns whether git refuses nothing."""
        apart = [f":(top,exclude,literal){path}" for path in leave_out]
        words = ["add", "--all", "--ignore-errors", "--", ".", *apart]
        return self._git.ask(*words, index=self.index).status == 0

    def _add(self, paths: Sequence[str]) -> list[Unaddable]:
        """Stage these paths, those that git can add. Returns the others."""
        words = ["--literal-pathspecs", "add", "--all", "--ignore-errors"]
        done = self._git.ask(*words, *self._from_file(paths), index=self.index)
        if done.status == 0:
            return []
        if len(paths) > 1:
            half = len(paths) // 2
            return self._add(paths[:half]) + self._add(paths[half:])
        if not os.path.lexists(self._git.path / paths[0]):
            return []  # it was there a moment ago
        return [(paths[0], _without_hints(done.stderr))]

    def _from_file(self, paths: Iterable[str]) -> list[str]:
        """Return the options that have git read paths from a file, which may be many."""
        file = self._git.directory / "ocaptain-paths"
        file.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in paths))
        return [f"--pathspec-from-file={file}", "--pathspec-file-nul"]

    def stage_insides(self, repositories: Iterable[str]) -> None:
        """Stage the files of repositories in the tree, as if these were folders."""
        index = self.index.with_name("ocaptain-inner-index")
        for path in repositories:
            index.unlink(missing_ok=True)
            folder = self._git.path / path
            words = ["-C", str(folder), "add", "--all", "--ignore-errors", "."]
            with suppress(GitFailed):
                self._git.run(*words, index=index, tree=folder)
            with suppress(GitFailed):
                tree = self._git.run("write-tree", index=index)
                self._git.run("update-index", "--force-remove", "--", path, index=self.index)
                self._git.run("read-tree", f"--prefix={path}/", tree, index=self.index)

    def tree(self) -> str:
        """Return what was staged last, as a tree of git's."""
        return self._git.run("write-tree", index=self.index)

    def compare(self, commit: str, *words: str) -> list[Change]:
        """Return what differs from a commit to what was staged last."""
        done = self._git.answer("diff-index", "--cached", *RAW, *words, commit, index=self.index)
        return read_changes(done.stdout)


def commit_tree(git: Git, index: Path, parents: Iterable[str]) -> str:
    """Make a commit of what is staged in an index, on no branch, and return it."""
    tree = git.run("write-tree", index=index)
    words = ["commit-tree", tree, "-m", UNFINISHED]
    for parent in parents:
        words += ["-p", parent]
    return git.run(*words)


def _without_hints(error: str) -> str:
    """Return what git says about a path, without its hints."""
    lines = [line for line in error.splitlines() if not line.startswith("hint:")]
    return "\n".join(lines)[-WORDS_LIMIT:]
