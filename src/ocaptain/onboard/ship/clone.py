"""Git on a ship: its clone, what becomes of the agent's work there, and the way to the branch."""

import os
import re
import shlex
import shutil
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from .. import process

GIT = "git -c core.hooksPath=/dev/null -c core.editor=true -c commit.gpgSign=false"
GIT += " -c gc.auto=0 -c maintenance.auto=false -c fetch.recurseSubmodules=false"
# Not what git says as well of a clone that has lost its origin.
OUT_OF_REACH = re.compile(
    "(?!.*'origin' does not appear).*"
    "(Could not read from remote|storage has no room|unexpected disconnect)",
    re.DOTALL,
)
LATE_S = 60
JUNK = "__pycache__/\n*.pyc\nnode_modules/\n.venv/\n.pytest_cache/\n.DS_Store\n"
MARKER = re.compile(rb"^(<<<<<<<|>>>>>>>) ", re.MULTILINE)
# All that is in commits, whatever attributes say.
SHOWN = ["-p", "-m", "--format=%an%n%ae%n%B", "--text", "--no-textconv", "--no-ext-diff"]


class GitFailed(OSError):
    """A git command failed; the message is what it said."""


def pack_settings(via: Sequence[str]) -> dict[str, str]:
    """Git's settings for a storage where the words `via` go before every command."""
    packs = ("upload", "receive")
    return {f"remote.origin.{pack}pack": shlex.join([*via, f"git-{pack}-pack"]) for pack in packs}


class Clone:
    """A ship's own clone of the shared repository, at `path`.

    `ssh` is the command line that reaches storage, `settings` git's for whoever works in the clone,
    `pack_settings` among them; `upstream` is the voyage branch's commit as last fetched. Methods
    raise OSError, GitFailed for one; what needs storage waits for it until `give_up` is set."""

    def __init__(self, path: Path, branch: str, ssh: str, settings: Mapping[str, str]) -> None:
        self.path, self.settings, self._git = path, settings, path / ".git"
        self.branch, self.upstream = branch, f"refs/remotes/origin/{branch}"
        self.give_up = threading.Event()
        self._env = {"GIT_SSH_COMMAND": ssh, "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        self._env |= {"GIT_CONFIG_GLOBAL": os.devnull}
        # No other repository or tree, whatever the agent deletes or configures.
        self._here = {"GIT_DIR": str(self._git), "GIT_WORK_TREE": str(path)}

    def git(self, *words: str, **env: str) -> str:
        """Run git in the clone, untouched by the repository's own hooks; what it printed."""
        argv, limit_s = [*GIT.split(), *words], LATE_S if self.give_up.is_set() else None
        env = {**self._env, **(self._here if "clone" not in words else {}), **env}
        done = process.run(argv, cwd=self.path, env=env, timeout=limit_s)
        if done.status:
            raise GitFailed((done.stderr or done.stdout).strip()[-2000:])
        return done.stdout.strip()

    def remote(self, *words: str) -> str:
        """Run a git command that needs storage, again while storage is out of reach."""
        pause = 1.0
        while True:
            try:
                return self.git(*words)
            except GitFailed as failure:
                if not OUT_OF_REACH.match(str(failure)) or self.give_up.wait(pause):
                    raise
            pause = min(pause * 2, 30.0)

    # Beginning

    def make(self) -> None:
        """Clone anew; what was there goes."""
        with suppress(FileNotFoundError):
            self.path.rename(self.path.with_name(f"{self.path.name}.{os.urandom(4).hex()}"))
        for old in self.path.parent.glob(f"{self.path.name}.*"):
            shutil.rmtree(old, ignore_errors=True)
        self.path.mkdir()
        told = [f"--config={key}={value}" for key, value in self.settings.items()]
        told += ["--upload-pack", self.settings["remote.origin.uploadpack"]]
        self.remote("clone", "--quiet", *told, "storage:repo.git", ".")
        (self._git / "info" / "exclude").write_text(JUNK)

    def begin(self, ref: str) -> None:
        """Start a fresh branch `ref` at the voyage branch's head; ignored files stay."""
        for half_way in ("rebase-merge", "rebase-apply"):
            shutil.rmtree(self._git / half_way, ignore_errors=True)
        self._mend()
        self._fetch()
        self.git("checkout", "--quiet", "--force", "-B", ref, self.upstream)
        self.git("clean", "--quiet", "-ffd")

    def _fetch(self) -> None:
        self.remote("fetch", "--quiet", "origin", self.branch)
        self.upstream = self.git("rev-parse", "FETCH_HEAD")

    def _mend(self) -> None:
        """Undo what keeps git from working: locks of a git that was killed, an agent's settings.

        Raises OSError where there is no file `set-up`, with the settings that there were then."""
        for lock in (*self._git.glob("*.lock"), *(self._git / "refs" / "heads").rglob("*.lock")):
            lock.unlink(missing_ok=True)
        shutil.copyfile(self._git / "set-up", self._git / "config")

    # The agent's work

    def commit_rest(self, message: str) -> None:
        """Commit whatever the agent left uncommitted, unless that belongs to a rebase."""
        self._mend()
        if not self.rebasing():
            self.git("add", "--all")
            if self.git("diff", "--cached", "--name-only"):
                self.git("commit", "--quiet", "-m", message)

    def rebasing(self) -> bool:
        """Whether a rebase has stopped half-way."""
        return (self._git / "rebase-merge").exists()

    def tip(self) -> str:
        """The commit with all the work: of a rebase that has stopped, what is being rebased."""
        rebased = self._git / "rebase-merge" / "orig-head"
        return self.git("rev-parse", rebased.read_text().strip() if self.rebasing() else "HEAD")

    def contains(self, secrets: Sequence[str], commit: str = "HEAD") -> bool:
        """Whether a commit, or one before it that is not on the branch, holds one of these."""
        keys, span = [secret.encode() for secret in secrets], f"{self.upstream}..{commit}"
        with NamedTemporaryFile() as told:  # it may be too long for memory
            self.git("log", *SHOWN, f"--output={told.name}", span) if keys else None
            return any(key in line for line in told for key in keys)

    def uncommit(self, *how: str) -> None:
        """Undo the commits, and keep what they changed in the working tree."""
        if self.rebasing():
            self.git("rebase", "--abort")
        self.git("reset", "--quiet", *how, self.git("merge-base", self.upstream, "HEAD"))

    # To the branch

    def rebase(self) -> str:
        """Rebase onto the voyage branch, or go on with that; the paths that are in conflict, one a
        line, empty where there are none."""
        self._fetch()
        files = [self.path / name for name in self.conflicts().splitlines()]
        if any(MARKER.search(file.read_bytes()) for file in files if file.is_file()):
            return self.conflicts()
        try:
            if self.rebasing():
                self.git("add", "--all")
                self.git("rebase", "--continue")
            if self.git("rev-list", "--max-count=1", self.upstream, "--not", "HEAD"):
                self._flatten()
                self.git("rebase", self.upstream)
        except GitFailed:
            if not self.conflicts():
                raise
        return self.conflicts()

    def _flatten(self) -> None:
        """Make one commit of a history with merges: a rebase would drop what was done in them."""
        if self.git("rev-list", "--max-count=1", "--merges", f"{self.upstream}..HEAD"):
            self.uncommit("--soft")
            self.git("commit", "--quiet", "--allow-empty", "--reuse-message=ORIG_HEAD")

    def conflicts(self) -> str:
        """Paths in conflict, one a line."""
        return self.git("-c", "core.quotePath=off", "diff", "--name-only", "--diff-filter=U")

    def tidy(self) -> None:
        """Make the tree what HEAD says it is."""
        self.git("reset", "--quiet", "--hard")
        self.git("clean", "--quiet", "-ffd")

    def push(self, ref: str, secrets: Sequence[str], commit: str = "") -> bool:
        """Push a commit, or else all the work, to a work ref; false where that holds a secret."""
        commit = commit or self.tip()
        if clean := not self.contains(secrets, commit):
            self.remote("push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{ref}")
        return clean

    def save(self, ref: str, secrets: Sequence[str]) -> None:
        """Bring to storage what is not there: commits, and a snapshot of a dirty tree."""
        commit = self.tip() if self.rebasing() else self._snapshot()
        if self.git("rev-list", "--max-count=1", commit, "--not", "--remotes=origin"):
            self.push(ref, secrets, commit)

    def _snapshot(self) -> str:
        """A commit of the tree as it is, on top of HEAD; HEAD where they are the same."""
        index = self._git / "ocaptain-index"
        shutil.copyfile(self._git / "index", index)
        self.git("add", "--all", GIT_INDEX_FILE=str(index))
        tree = self.git("write-tree", GIT_INDEX_FILE=str(index))
        if tree == self.git("rev-parse", "HEAD^{tree}"):
            return "HEAD"
        message = "Unfinished work, saved by ocaptain"
        return self.git("commit-tree", tree, "-p", "HEAD", "-m", message)
