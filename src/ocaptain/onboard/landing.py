"""Git on a ship: its clone, what becomes of the agent's work there, and the way to the branch."""

import contextlib
import os
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import process

GIT = "git -c core.hooksPath=/dev/null -c core.editor=true -c commit.gpgSign=false"
GIT += " -c gc.auto=0 -c maintenance.auto=false -c fetch.recurseSubmodules=false"
OUT_OF_REACH = ("Could not read from remote", "storage has no room", "unexpected disconnect")
JUNK = "__pycache__/\n*.pyc\nnode_modules/\n.venv/\n.pytest_cache/\n.DS_Store\n"
UNHIDDEN = ("--text", "--no-textconv", "--no-ext-diff")  # whatever attributes say


class GitFailed(Exception):
    """A git command failed; the message is what it said."""


class Clone:
    """A ship's own clone of the shared repository, at `path`.

    `ssh` is the command line that reaches storage, `settings` git's for whoever works in the clone.
    Methods raise GitFailed; what needs storage waits for it until `give_up` is set. `guard` is held
    while refs and index are being moved about."""

    def __init__(self, path: Path, branch: str, ssh: str, settings: Mapping[str, str]) -> None:
        self.path, self.branch, self.ssh, self.settings = path, branch, ssh, settings
        self.guard, self.give_up = threading.Lock(), threading.Event()
        self._saved = ""
        # A git of the agent's leaves it behind when it is killed.
        self._lock_file = path / ".git" / "index.lock"

    def git(self, *words: str, **env: str) -> str:
        """Run git in the clone, untouched by the repository's own hooks; what it printed."""
        given = {"GIT_SSH_COMMAND": self.ssh, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        # Should the agent delete .git, no repository further up is taken for the clone.
        given["GIT_CEILING_DIRECTORIES"] = str(self.path.parent)
        done = process.run([*GIT.split(), "-C", str(self.path), *words], env={**given, **env})
        if done.status:
            raise GitFailed((done.err or done.out).strip()[-2000:])
        return done.out.strip()

    def remote(self, *words: str) -> str:
        """Run a git command that needs storage, again while storage is out of reach."""
        pause = 1.0
        while True:
            try:
                return self.git(*words)
            except GitFailed as failure:
                out_of_reach = any(sign in str(failure) for sign in OUT_OF_REACH)
                if not out_of_reach or self.give_up.wait(pause):
                    raise
            pause = min(pause * 2, 30.0)

    # Beginning

    def make(self) -> None:
        """Clone anew; what was there goes."""
        aside = self.path.with_name(f"workspace.{os.urandom(4).hex()}")
        if self.path.exists():
            self.path.rename(aside)
        self.path.mkdir()
        self.remote("clone", "--quiet", "storage:repo.git", ".")
        for key, value in self.settings.items():
            self.git("config", key, value)
        (self.path / ".git" / "info" / "exclude").write_text(JUNK)
        shutil.rmtree(aside, ignore_errors=True)

    def begin(self, ref: str) -> None:
        """Start a fresh branch `ref` at the voyage branch's head; ignored files stay."""
        with self.guard:
            for half_way in ("rebase-merge", "rebase-apply"):
                shutil.rmtree(self.path / ".git" / half_way, ignore_errors=True)
            self._lock_file.unlink(missing_ok=True)
            self.remote("fetch", "--quiet", "origin", self.branch)
            self.git("checkout", "--quiet", "--force", "-B", ref, self.upstream)
            self.git("clean", "--quiet", "-ffd")
            self._saved = self.head()

    def take_over(self, ref: str) -> None:
        """Go on from a wreck."""
        with self.guard:
            self.remote("fetch", "--quiet", "origin", ref)
            self.git("reset", "--quiet", "--hard", "FETCH_HEAD")

    @property
    def upstream(self) -> str:
        """The voyage branch, as last fetched."""
        return f"refs/remotes/origin/{self.branch}"

    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    # The agent's work

    def commit_rest(self, message: str) -> None:
        """Commit whatever the agent left uncommitted; a rebase it has resolved goes on with it."""
        with self.guard:
            self._lock_file.unlink(missing_ok=True)
            if self.rebasing():
                self._resolve()
                return
            self.git("add", "--all")
            if self.git("diff", "--cached", "--name-only"):
                self.git("commit", "--quiet", "-m", message)

    def rebasing(self) -> bool:
        """Whether a rebase has stopped half-way."""
        return (self.path / ".git" / "rebase-merge").exists()

    def _resolve(self) -> None:
        """Go on with a rebase, unless a file still has conflict markers."""
        if not any(self._has_markers(path) for path in self.conflicts().splitlines()):
            self.git("add", "--all")
            with contextlib.suppress(GitFailed):
                self.git("rebase", "--continue")

    def _has_markers(self, path: str) -> bool:
        file = self.path / path
        lines = file.read_bytes().splitlines() if file.is_file() else []
        return any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in lines)

    def commits(self) -> list[str]:
        """Commits that are not on the voyage branch as last fetched."""
        return self.git("rev-list", f"{self.upstream}..HEAD").split()

    def contains(self, secrets: Sequence[str]) -> bool:
        """Whether any commit that is not on the branch holds one of these values."""
        new = f"{self.upstream}..HEAD"
        told = (
            self.git("log", "-p", "-m", "--format=%an%n%ae%n%B", *UNHIDDEN, new) if secrets else ""
        )
        return any(secret in told for secret in secrets)

    def uncommit(self) -> None:
        """Undo the commits, and keep what they changed in the working tree."""
        with self.guard:
            self.git("reset", "--quiet", self.git("merge-base", self.upstream, "HEAD"))

    # To the branch

    def rebase(self) -> str:
        """Rebase onto the voyage branch; the paths in conflict, empty where there are none."""
        with self.guard:
            self.remote("fetch", "--quiet", "origin", self.branch)
            upstream = self.git("rev-parse", self.upstream)
            if self.git("merge-base", upstream, "HEAD") != upstream:
                try:
                    self.git("rebase", "--quiet", upstream)
                except GitFailed:
                    if not self.rebasing():
                        raise
            return self._skip_the_empty()

    def conflicts(self) -> str:
        """Paths in conflict, one a line."""
        return self.git("-c", "core.quotePath=off", "diff", "--name-only", "--diff-filter=U")

    def _skip_the_empty(self) -> str:
        """Go on where a rebase stopped because nothing is left of a commit; paths in conflict."""
        while self.rebasing() and not self.conflicts():
            with contextlib.suppress(GitFailed):
                self.git("rebase", "--skip")
        return self.conflicts() if self.rebasing() else ""

    def tidy(self) -> None:
        """Make the tree what HEAD says it is."""
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "-ffd")

    def push(self, ref: str, commit: str) -> None:
        """Push a commit to the claim's work ref."""
        with self.guard:
            self.remote("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{ref}")

    def save(self, ref: str, secrets: Sequence[str], *, dirty: bool) -> None:
        """Bring to storage what is not there: commits, and with `dirty` a snapshot of the tree."""
        if self.rebasing() or self.guard.locked():
            return
        head = self.head()
        if (dirty or head != self._saved) and not self.contains(secrets):
            self.push(ref, self._snapshot(secrets) if dirty else head)
            self._saved = head

    def _snapshot(self, secrets: Sequence[str]) -> str:
        """A commit of the tree as it is, on top of HEAD; HEAD where they are the same."""
        index = str(self.path / ".git" / "ocaptain-index")
        Path(f"{index}.lock").unlink(missing_ok=True)  # left by a crash
        self.git("read-tree", "HEAD", GIT_INDEX_FILE=index)
        self.git("add", "--all", GIT_INDEX_FILE=index)
        tree, head = self.git("write-tree", GIT_INDEX_FILE=index), self.head()
        patch = self.git("diff", *UNHIDDEN, head, tree)
        if not patch or any(secret in patch for secret in secrets):
            return head
        return self.git("commit-tree", tree, "-p", head, "-m", "Unfinished work, saved by ocaptain")
