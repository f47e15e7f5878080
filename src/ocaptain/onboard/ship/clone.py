"""Git on a ship: its clone, the agent's work in it, and the way of that work to the branch."""

import os
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Event

from .git import Git, GitFailed

IGNORED = """\
__pycache__/
*.pyc
node_modules/
.venv/
.pytest_cache/
.DS_Store
"""
CONFLICT_MARKER = re.compile(rb"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)

# All that is in commits, whatever attributes say.
ALL_OF_COMMITS = ("-p", "-m", "--format=%an%n%ae%n%B", "--text", "--no-textconv", "--no-ext-diff")


class Clone:
    """A ship's own clone of the shared repository.

    Methods raise OSError, of which GitFailed is one. Those that need storage wait while it is out
    of reach."""

    def __init__(
        self, path: Path, branch: str, ssh: str, settings: Mapping[str, str], give_up: Event
    ) -> None:
        """`ssh` is the command line that reaches storage.

        `settings` are git's for whoever works in the clone, `pack_settings` among them.
        Once `give_up` is set, nothing waits for storage any more."""
        self.path = path
        self.branch = branch
        self.settings = settings
        self.upstream = f"refs/remotes/origin/{branch}"
        """The voyage branch's commit, as last fetched."""
        self.git = Git(path, ssh, give_up)

    # Beginning

    def make(self) -> None:
        """Clone anew; what was there goes."""
        with suppress(FileNotFoundError):
            self.path.rename(self.path.with_name(f"{self.path.name}.{os.urandom(4).hex()}"))
        for old in self.path.parent.glob(f"{self.path.name}.*"):
            shutil.rmtree(old, ignore_errors=True)
        self.path.mkdir()
        settings = [f"--config={key}={value}" for key, value in self.settings.items()]
        upload_pack = ["--upload-pack", self.settings["remote.origin.uploadpack"]]
        self.git.clone("--quiet", *settings, *upload_pack, "storage:repo.git", ".")
        (self.git.directory / "info" / "exclude").write_text(IGNORED)

    def check_out(self, commit: str) -> None:
        """Make the tree what a commit has, on no branch."""
        self.git.run("checkout", "--quiet", "--detach", commit)

    def begin(self, ref: str) -> None:
        """Start a fresh branch `ref` at the voyage branch's head; ignored files stay."""
        for half_done in ("rebase-merge", "rebase-apply"):
            shutil.rmtree(self.git.directory / half_done, ignore_errors=True)
        self._mend()
        self._fetch()
        self.git.run("checkout", "--quiet", "--force", "-B", ref, self.upstream)
        self._remove_untracked()

    # The agent's work

    def current_branch(self) -> str:
        """Return the branch that is checked out, empty if there is none."""
        return self.git.run("branch", "--show-current")

    def commit_rest(self, message: str) -> None:
        """Commit whatever the agent left uncommitted, unless that belongs to a rebase."""
        self._mend()
        if not self.is_rebasing():
            self.git.run("add", "--all")
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
            span = f"{self.upstream}..{commit}"
            self.git.run("log", *ALL_OF_COMMITS, f"--output={log.name}", span)
            return any(key in line for line in log for key in keys)

    def uncommit(self) -> None:
        """Undo the commits, and keep what they changed in the working tree."""
        if self.is_rebasing():
            self.git.run("rebase", "--abort")
        self.git.run("reset", "--quiet", self._fork_point())

    def tidy(self) -> None:
        """Make the tree what HEAD says it is; ignored files stay."""
        self.git.run("reset", "--quiet", "--hard")
        self._remove_untracked()

    # To the branch

    def rebase(self) -> list[str]:
        """Rebase onto the voyage branch, or go on with that. Returns the paths in conflict."""
        self._fetch()
        if self._has_conflict_markers():
            return self._conflicts()
        try:
            if self.is_rebasing():
                self.git.run("add", "--all")
                self.git.run("rebase", "--continue")
            if self.git.run("rev-list", "--max-count=1", self.upstream, "--not", "HEAD"):
                self._flatten()
                self.git.run("rebase", self.upstream)
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

    def _mend(self) -> None:
        """Undo what keeps git from working: locks of a git that was killed, an agent's settings.

        `set-up` has the settings as they were after the plan's set-up. Raises OSError if there is
        no such file."""
        locks = [*self.git.directory.glob("*.lock")]
        locks += (self.git.directory / "refs" / "heads").rglob("*.lock")
        for lock in locks:
            lock.unlink(missing_ok=True)
        shutil.copyfile(self.git.directory / "set-up", self.git.directory / "config")

    def _fetch(self) -> None:
        self.git.run_with_storage("fetch", "--quiet", "origin", self.branch)
        self.upstream = self.git.run("rev-parse", "FETCH_HEAD")

    def _remove_untracked(self) -> None:
        self.git.run("clean", "--quiet", "-ffd")

    def _fork_point(self) -> str:
        """Return the last commit that HEAD shares with the voyage branch."""
        return self.git.run("merge-base", self.upstream, "HEAD")

    def _has_conflict_markers(self) -> bool:
        files = [self.path / name for name in self._conflicts()]
        return any(CONFLICT_MARKER.search(file.read_bytes()) for file in files if file.is_file())

    def _conflicts(self) -> list[str]:
        words = ["-c", "core.quotePath=off", "diff", "--name-only", "--diff-filter=U"]
        return self.git.run(*words).splitlines()

    def _flatten(self) -> None:
        """Make one commit of a history with merges: a rebase would drop what was done in them."""
        if self.git.run("rev-list", "--max-count=1", "--merges", f"{self.upstream}..HEAD"):
            self.git.run("reset", "--quiet", "--soft", self._fork_point())
            self.git.run("commit", "--quiet", "--allow-empty", "--reuse-message=ORIG_HEAD")

    def _push(self, commit: str, ref: str, secrets: Sequence[str]) -> bool:
        if self.contains(secrets, commit):
            return False
        refs = f"{commit}:refs/heads/{ref}"
        self.git.run_with_storage("push", "--quiet", "--force", "origin", refs)
        return True

    def _snapshot(self) -> str:
        """Make a commit of the tree as it is, on top of HEAD. Returns HEAD if that is the same."""
        index = self.git.directory / "ocaptain-index"  # the agent's own stays as it is
        shutil.copyfile(self.git.directory / "index", index)
        self.git.run("add", "--all", index=index)
        tree = self.git.run("write-tree", index=index)
        if tree == self.git.run("rev-parse", "HEAD^{tree}"):
            return "HEAD"
        message = "Unfinished work, saved by ocaptain"
        return self.git.run("commit-tree", tree, "-p", "HEAD", "-m", message)
