"""Git on a ship: its clone, what becomes of the agent's work there, and the way to the branch."""

import os
import re
import shlex
import shutil
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from . import process

GIT = "git -c core.hooksPath=/dev/null -c core.editor=true -c commit.gpgSign=false"
GIT += " -c gc.auto=0 -c maintenance.auto=false -c fetch.recurseSubmodules=false"
OUT_OF_REACH = ("Could not read from remote", "storage has no room", "unexpected disconnect")
JUNK = "__pycache__/\n*.pyc\nnode_modules/\n.venv/\n.pytest_cache/\n.DS_Store\n"
MARKER = re.compile(rb"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
UNHIDDEN = ("--text", "--no-textconv", "--no-ext-diff")  # whatever attributes say


class GitFailed(Exception):
    """A git command failed; the message is what it said."""


def pack_settings(via: Sequence[str]) -> dict[str, str]:
    """Git's settings for a storage where the words `via` go before every command."""
    packs = ("upload", "receive")
    return {f"remote.origin.{pack}pack": shlex.join([*via, f"git-{pack}-pack"]) for pack in packs}


class Clone:
    """A ship's own clone of the shared repository, at `path`.

    `ssh` is the command line that reaches storage, `settings` git's for whoever works in the clone,
    `pack_settings` among them; `upstream` is the voyage branch as last fetched. Methods raise
    GitFailed; what needs storage waits for it until `give_up` is set."""

    def __init__(self, path: Path, branch: str, ssh: str, settings: Mapping[str, str]) -> None:
        self.path, self.settings = path, settings
        self.branch, self.upstream = branch, f"refs/remotes/origin/{branch}"
        self.give_up, self._pushing = threading.Event(), threading.Lock()
        self._env = {"GIT_SSH_COMMAND": ssh, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        # Should the agent delete .git, no repository further up is taken for the clone.
        self._env["GIT_CEILING_DIRECTORIES"] = str(path.parent)
        # A git of the agent's leaves it behind when it is killed.
        self._lock_file = path / ".git" / "index.lock"

    def git(self, *words: str, **env: str) -> str:
        """Run git in the clone, untouched by the repository's own hooks; what it printed."""
        argv = [*GIT.split(), "-C", str(self.path), *words]
        done = process.run(argv, env={**self._env, **env})
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
        told = [f"--config={key}={value}" for key, value in self.settings.items()]
        told += ["--upload-pack", self.settings["remote.origin.uploadpack"]]
        self.remote("clone", "--quiet", *told, "storage:repo.git", ".")
        (self.path / ".git" / "info" / "exclude").write_text(JUNK)
        shutil.rmtree(aside, ignore_errors=True)

    def begin(self, ref: str, wreck: str = "") -> None:
        """Start a fresh branch `ref` at the voyage branch's head, or at the wreck of an earlier
        attempt; ignored files stay."""
        for half_way in ("rebase-merge", "rebase-apply"):
            shutil.rmtree(self.path / ".git" / half_way, ignore_errors=True)
        self._lock_file.unlink(missing_ok=True)
        self.remote("fetch", "--quiet", "origin", self.branch, *wreck.split())
        start = f"refs/remotes/origin/{wreck}" if wreck else self.upstream
        self.git("checkout", "--quiet", "--force", "-B", ref, start)
        self.git("clean", "--quiet", "-ffd")

    def head(self) -> str:
        """The commit that is checked out."""
        return self.git("rev-parse", "HEAD")

    # The agent's work

    def commit_rest(self, message: str) -> None:
        """Commit whatever the agent left uncommitted, unless that belongs to a rebase."""
        self._lock_file.unlink(missing_ok=True)
        if not self.rebasing():
            self.git("add", "--all")
            if self.git("diff", "--cached", "--name-only"):
                self.git("commit", "--quiet", "-m", message)

    def rebasing(self) -> bool:
        """Whether a rebase has stopped half-way."""
        return (self.path / ".git" / "rebase-merge").exists()

    def commits(self) -> list[str]:
        """Commits that are not on the voyage branch as last fetched."""
        return self.git("rev-list", f"{self.upstream}..HEAD").split()

    def contains(self, secrets: Sequence[str], commit: str = "HEAD") -> bool:
        """Whether a commit, or one before it that is not on the branch, holds one of these."""
        what = ("-p", "-m", "--format=%an%n%ae%n%B", *UNHIDDEN, f"{self.upstream}..{commit}")
        told = self.git("log", *what) if secrets else ""
        return any(secret in told for secret in secrets)

    def uncommit(self) -> None:
        """Undo the commits, and keep what they changed in the working tree."""
        self.git("reset", "--quiet", self.git("merge-base", self.upstream, "HEAD"))

    # To the branch

    def rebase(self) -> str:
        """Rebase onto the voyage branch, or go on with that; the paths that are in conflict, one a
        line, empty where there are none."""
        self.remote("fetch", "--quiet", "origin", self.branch)
        files = [self.path / name for name in self.conflicts().splitlines()]
        if any(MARKER.search(file.read_bytes()) for file in files if file.is_file()):
            return self.conflicts()
        head = self.git("rev-parse", self.upstream)
        try:
            if self.rebasing():
                self.git("add", "--all")
                self.git("rebase", "--continue")
            if self.git("merge-base", head, "HEAD") != head:
                self.git("rebase", head)
        except GitFailed:
            if not self.conflicts():
                raise
        return self.conflicts()

    def conflicts(self) -> str:
        """Paths in conflict, one a line."""
        return self.git("-c", "core.quotePath=off", "diff", "--name-only", "--diff-filter=U")

    def tidy(self) -> None:
        """Make the tree what HEAD says it is."""
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "-ffd")

    def push(self, ref: str, commit: str = "HEAD") -> None:
        """Push a commit to the claim's work ref."""
        with self._pushing:
            self.remote("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{ref}")

    def save(self, ref: str, secrets: Sequence[str], *, dirty: bool) -> None:
        """Bring to storage what is not there: commits, and with `dirty` a snapshot of the tree."""
        if self.rebasing():
            return
        commit = self._snapshot() if dirty else "HEAD"
        new = self.git("rev-list", "--max-count=1", commit, "--not", "--remotes=origin")
        if new and not self.contains(secrets, commit):
            self.push(ref, commit)

    def _snapshot(self) -> str:
        """A commit of the tree as it is, on top of HEAD; HEAD where they are the same."""
        index = str(self.path / ".git" / "ocaptain-index")
        Path(f"{index}.lock").unlink(missing_ok=True)  # left by a crash
        for words in (("read-tree", "HEAD"), ("add", "--all")):
            self.git(*words, GIT_INDEX_FILE=index)
        tree = self.git("write-tree", GIT_INDEX_FILE=index)
        if tree == self.git("rev-parse", "HEAD^{tree}"):
            return "HEAD"
        message = "Unfinished work, saved by ocaptain"
        return self.git("commit-tree", tree, "-p", "HEAD", "-m", message)
