"""Git on a ship: its clone, what becomes of the agent's work there, and the way to the branch."""

import contextlib
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from . import process

SETTINGS = ("core.hooksPath=/dev/null", "core.editor=true", "commit.gpgSign=false", "gc.auto=0")
OUT_OF_REACH = ("Could not read from remote", "storage has no room", "unexpected disconnect")
JUNK = "__pycache__/\n*.pyc\nnode_modules/\n.venv/\n.pytest_cache/\n.DS_Store\n"


class GitFailed(Exception):
    """A git command failed; the message is what it said."""


class Clone:
    """A ship's own clone of the shared repository, at `path`.

    `ssh` is the command line that reaches storage, `settings` git's for whoever works in the clone.
    Methods raise GitFailed. `guard` is held while refs and index are being moved about."""

    def __init__(self, path: Path, branch: str, ssh: str, settings: Mapping[str, str]) -> None:
        self.path, self.branch, self.ssh, self.settings = path, branch, ssh, settings
        self.guard = threading.Lock()
        self._pushed = self._saved = ""

    def git(self, *words: str, cwd: Path | None = None, **env: str) -> str:
        """Run git in the clone, untouched by the repository's own hooks; what it printed."""
        settings = [word for setting in SETTINGS for word in ("-c", setting)]
        given = {"GIT_SSH_COMMAND": self.ssh, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        where = str(cwd or self.path)
        done = process.run(["git", "-C", where, *settings, *words], env={**given, **env})
        if done.status:
            raise GitFailed((done.err or done.out).strip()[-2000:])
        return done.out.strip()

    # Beginning

    def exists(self) -> bool:
        """Whether there is a clone that git takes for one."""
        try:
            return bool(self.git("rev-parse", "--verify", "refs/remotes/origin/" + self.branch))
        except GitFailed:
            return False

    def make(self) -> None:
        """Clone anew; what was there goes."""
        aside = self.path.with_name("workspace.old")
        shutil.rmtree(aside, ignore_errors=True)
        if self.path.exists():
            self.path.rename(aside)
        self.git("clone", "--quiet", "storage:repo.git", str(self.path), cwd=self.path.parent)
        for key, value in self.settings.items():
            self.git("config", key, value)
        (self.path / ".git" / "info" / "exclude").write_text(JUNK)
        shutil.rmtree(aside, ignore_errors=True)

    def begin(self, ref: str) -> None:
        """Start a fresh branch `ref` at the voyage branch's head; ignored files stay."""
        with self.guard:
            shutil.rmtree(self.path / ".git" / "rebase-merge", ignore_errors=True)
            self._unlock()
            self.git("fetch", "--quiet", "origin", self.branch)
            self.git("checkout", "--quiet", "--force", "-B", ref, self.upstream)
            self.git("clean", "--quiet", "-ffd")
            self._saved = self.head()

    def _unlock(self) -> None:
        """Remove the lock that a git of the agent's left when it was killed."""
        (self.path / ".git" / "index.lock").unlink(missing_ok=True)

    def take_over(self, ref: str) -> None:
        """Go on from a wreck."""
        with self.guard:
            self.git("fetch", "--quiet", "origin", ref)
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
            self._unlock()
            if self.rebasing():
                return self._resolve()
            self.git("add", "--all")
            if self.git("status", "--porcelain"):
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
        try:
            text = (self.path / path).read_bytes()
        except OSError:
            return False
        return any(line.startswith((b"<<<<<<< ", b">>>>>>> ")) for line in text.splitlines())

    def commits(self) -> list[str]:
        """Commits that are not on the voyage branch as last fetched."""
        return self.git("rev-list", f"{self.upstream}..HEAD").split()

    def contains(self, secrets: Sequence[str]) -> bool:
        """Whether any commit that is not on the branch holds one of these values."""
        if not secrets or not self.commits():
            return False
        patch = self.git("log", "-p", "--text", "--format=%an%n%ae%n%B", f"{self.upstream}..HEAD")
        return any(secret in patch for secret in secrets)

    def uncommit(self) -> None:
        """Undo the commits, and keep what they changed in the working tree."""
        with self.guard:
            self.git("reset", "--quiet", "--soft", self.git("merge-base", self.upstream, "HEAD"))
            self.git("reset", "--quiet")

    # To the branch

    def rebase(self) -> str:
        """Rebase onto the voyage branch; the paths in conflict, empty where there are none."""
        with self.guard:
            self.git("fetch", "--quiet", "origin", self.branch)
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
        """Push a commit to the claim's work ref, unless it is there already."""
        with self.guard:
            if commit != self._pushed:
                self.git("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{ref}")
                self._pushed = commit

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
        self.git("read-tree", "HEAD", GIT_INDEX_FILE=index)
        self.git("add", "--all", GIT_INDEX_FILE=index)
        tree, head = self.git("write-tree", GIT_INDEX_FILE=index), self.head()
        patch = self.git("diff", "--text", head, tree)
        if not patch or any(secret in patch for secret in secrets):
            return head
        return self.git("commit-tree", tree, "-p", head, "-m", "Unfinished work, saved by ocaptain")


T = TypeVar("T")


def patiently(act: Callable[[], T], give_up: threading.Event, say: Callable[[str], None]) -> T:
    """Do what needs storage, again while storage is out of reach and `give_up` is not set."""
    pause = 1.0
    while True:
        try:
            return act()
        except GitFailed as failure:
            if not any(sign in str(failure) for sign in OUT_OF_REACH) or give_up.wait(pause):
                raise
            say(f"git waits for storage: {failure}")
        pause = min(pause * 2, 30.0)
