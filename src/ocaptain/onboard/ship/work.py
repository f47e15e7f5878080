"""The agent's work in a clone, and its way to the branch."""

import re
import shutil
from collections.abc import Sequence
from tempfile import NamedTemporaryFile

from . import phantoms
from .clone import Clone
from .git import GitFailed

CONFLICT_MARKER = re.compile(rb"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)

# All that is in commits, whatever attributes say.
ALL_OF_COMMITS = ("-p", "-m", "--format=%an%n%ae%n%B", "--text", "--no-textconv", "--no-ext-diff")


class Work:
    """What an agent does in a clone. Methods raise OSError, as the clone's do."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self.git = clone.git

    # The agent's work

    def commit_rest(self, message: str) -> None:
        """Commit whatever the agent left uncommitted, unless that belongs to a rebase."""
        self.clone.mend()
        if not self.is_rebasing():
            meant = phantoms.chosen(self.git)
            self.git.run("add", "--all")
            phantoms.leave_out(self.git, meant)
            if self.git.run("diff", "--cached", "--name-only"):
                self.git.run("commit", "--quiet", "-m", message)

    def is_rebasing(self) -> bool:
        """Whether a rebase has stopped half-way."""
        return (self.git.directory / "rebase-merge").exists()

    def tip(self) -> str:
        """Return the commit with all the work: if a rebase has stopped, what is being rebased."""
        commit = "HEAD"
        if self.is_rebasing():
            commit = (self.git.directory / "rebase-merge" / "orig-head").read_text().strip()
        return self.git.run("rev-parse", commit)

    def contains(self, secrets: Sequence[str], commit: str = "HEAD") -> bool:
        """Whether a commit, or one before it that is not on the branch, holds a secret."""
        if not secrets:
            return False
        keys = [secret.encode() for secret in secrets]
        with NamedTemporaryFile() as log:  # it may be too long for memory
            span = f"{self.clone.upstream}..{commit}"
            self.git.run("log", *ALL_OF_COMMITS, f"--output={log.name}", span)
            return any(key in line for line in log for key in keys)

    def uncommit(self) -> None:
        """Undo the commits, and keep what they changed in the working tree."""
        if self.is_rebasing():
            self.git.run("rebase", "--abort")
        self.git.run("reset", "--quiet", self._fork_point())

    # To the branch

    def rebase(self) -> list[str]:
        """Rebase onto the voyage branch, or go on with that. Returns the paths in conflict."""
        self.clone.fetch()
        if self._has_conflict_markers():
            return self._conflicts()
        try:
            if self.is_rebasing():
                self.git.run("add", "--all")
                self.git.run("rebase", "--continue")
            if self.git.run("rev-list", "--max-count=1", self.clone.upstream, "--not", "HEAD"):
                self._flatten()
                self.git.run("rebase", self.clone.upstream)
        except GitFailed:
            if not self._conflicts():
                raise
        return self._conflicts()

    def push(self, ref: str, secrets: Sequence[str]) -> bool:
        """Push all the work to a work ref. Returns False, and does not, if it holds a secret."""
        return self._push(self.tip(), ref, secrets)

    def save(self, ref: str, secrets: Sequence[str]) -> None:
        """Bring to storage what it has not: commits, and a snapshot of a dirty tree.

        What holds a secret stays here."""
        commit = self.tip() if self.is_rebasing() else self._snapshot()
        if self.git.run("rev-list", "--max-count=1", commit, "--not", "--remotes=origin"):
            self._push(commit, ref, secrets)

    # What these share

    def _fork_point(self) -> str:
        """Return the last commit that HEAD shares with the voyage branch."""
        return self.git.run("merge-base", self.clone.upstream, "HEAD")

    def _has_conflict_markers(self) -> bool:
        files = [self.clone.path / name for name in self._conflicts()]
        return any(CONFLICT_MARKER.search(file.read_bytes()) for file in files if file.is_file())

    def _conflicts(self) -> list[str]:
        words = ["-c", "core.quotePath=off", "diff", "--name-only", "--diff-filter=U"]
        return self.git.run(*words).splitlines()

    def _flatten(self) -> None:
        """Make one commit of a history with merges: a rebase would drop what was done in them."""
        if self.git.run("rev-list", "--max-count=1", "--merges", f"{self.clone.upstream}..HEAD"):
            self.git.run("reset", "--quiet", "--soft", self._fork_point())
            self.git.run("commit", "--quiet", "--allow-empty", "--reuse-message=ORIG_HEAD")

    def _push(self, commit: str, ref: str, secrets: Sequence[str]) -> bool:
        if self.contains(secrets, commit):
            return False
        refs = f"{commit}:refs/heads/{ref}"
        self.git.run_with_storage("push", "--quiet", "--force", "origin", refs)
        self.git.run("update-ref", f"refs/remotes/origin/{ref}", commit)  # what storage has
        return True

    def _snapshot(self) -> str:
        """Make a commit of the tree as it is, on top of HEAD. Returns HEAD if that is the same."""
        index = self.git.directory / "ocaptain-index"  # the agent's own stays as it is
        shutil.copy2(self.git.directory / "index", index)  # git compares its time with files'
        meant = phantoms.chosen(self.git, index)
        self.git.run("add", "--all", index=index)
        phantoms.leave_out(self.git, meant, index)
        tree = self.git.run("write-tree", index=index)
        if tree == self.git.run("rev-parse", "HEAD^{tree}"):
            return "HEAD"
        message = "Unfinished work, saved by ocaptain"
        return self.git.run("commit-tree", tree, "-p", "HEAD", "-m", message)
