"""Git on a ship: its clone, the agent's work in it, and the way of that work to the branch."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Event

from .. import process

SETTINGS = (
    "core.hooksPath=/dev/null",  # the repository's own hooks are the agent's to run
    "core.editor=true",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "fetch.recurseSubmodules=false",
)
"""Settings of every git command here."""

# Not what git says as well of a clone that has lost its origin.
OUT_OF_REACH = re.compile(
    "(?!.*'origin' does not appear).*"
    "(Could not read from remote|storage has no room|unexpected disconnect)",
    re.DOTALL,
)
LONGEST_PAUSE_S = 30.0
LATE_S = 60
"""Seconds that a git command may take once the claim is over."""

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


class GitFailed(OSError):
    """A git command failed; the message is what git said."""


def pack_settings(sudo_prefix: Sequence[str]) -> dict[str, str]:
    """Return git's settings for a storage where these words go before every command."""
    return {
        "remote.origin.uploadpack": shlex.join([*sudo_prefix, "git-upload-pack"]),
        "remote.origin.receivepack": shlex.join([*sudo_prefix, "git-receive-pack"]),
    }


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
        self._give_up = give_up
        self._git_dir = path / ".git"
        self._environment = {
            "GIT_SSH_COMMAND": ssh,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "LC_ALL": "C",
        }
        # No other repository or tree, whatever the agent deletes or configures.
        self._this_clone = {"GIT_DIR": str(self._git_dir), "GIT_WORK_TREE": str(path)}

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
        words = ["clone", "--quiet", *settings, *upload_pack, "storage:repo.git", "."]
        self._run_with_storage(words, self._environment)
        (self._git_dir / "info" / "exclude").write_text(IGNORED)

    def check_out(self, commit: str) -> None:
        """Make the tree what a commit has, on no branch."""
        self._git("checkout", "--quiet", "--detach", commit)

    def begin(self, ref: str) -> None:
        """Start a fresh branch `ref` at the voyage branch's head; ignored files stay."""
        for half_done in ("rebase-merge", "rebase-apply"):
            shutil.rmtree(self._git_dir / half_done, ignore_errors=True)
        self._mend()
        self._fetch()
        self._git("checkout", "--quiet", "--force", "-B", ref, self.upstream)
        self._remove_untracked()

    # The agent's work

    def current_branch(self) -> str:
        """Return the branch that is checked out, empty if there is none."""
        return self._git("branch", "--show-current")

    def commit_rest(self, message: str) -> None:
        """Commit whatever the agent left uncommitted, unless that belongs to a rebase."""
        self._mend()
        if not self.is_rebasing():
            self._git("add", "--all")
            if self._git("diff", "--cached", "--name-only"):
                self._git("commit", "--quiet", "-m", message)

    def is_rebasing(self) -> bool:
        """Whether a rebase has stopped half-way."""
        return (self._git_dir / "rebase-merge").exists()

    def tip(self) -> str:
        """Return the commit with all the work: if a rebase has stopped, what is being rebased."""
        commit = "HEAD"
        if self.is_rebasing():
            commit = (self._git_dir / "rebase-merge" / "orig-head").read_text().strip()
        return self._git("rev-parse", commit)

    def contains(self, secrets: Sequence[str], commit: str = "HEAD") -> bool:
        """Whether a commit, or one before it that is not on the branch, holds a secret."""
        if not secrets:
            return False
        keys = [secret.encode() for secret in secrets]
        with NamedTemporaryFile() as log:  # it may be too long for memory
            span = f"{self.upstream}..{commit}"
            self._git("log", *ALL_OF_COMMITS, f"--output={log.name}", span)
            return any(key in line for line in log for key in keys)

    def uncommit(self) -> None:
        """Undo the commits, and keep what they changed in the working tree."""
        if self.is_rebasing():
            self._git("rebase", "--abort")
        self._git("reset", "--quiet", self._fork_point())

    def tidy(self) -> None:
        """Make the tree what HEAD says it is; ignored files stay."""
        self._git("reset", "--quiet", "--hard")
        self._remove_untracked()

    # To the branch

    def rebase(self) -> list[str]:
        """Rebase onto the voyage branch, or go on with that. Returns the paths in conflict."""
        self._fetch()
        if self._has_conflict_markers():
            return self._conflicts()
        try:
            if self.is_rebasing():
                self._git("add", "--all")
                self._git("rebase", "--continue")
            if self._git("rev-list", "--max-count=1", self.upstream, "--not", "HEAD"):
                self._flatten()
                self._git("rebase", self.upstream)
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
        if self._git("rev-list", "--max-count=1", commit, "--not", "--remotes=origin"):
            self._push(commit, ref, secrets)

    # What these share

    def _mend(self) -> None:
        """Undo what keeps git from working: locks of a git that was killed, an agent's settings.

        `set-up` has the settings as they were after the plan's set-up. Raises OSError if there is
        no such file."""
        locks = [*self._git_dir.glob("*.lock")]
        locks += (self._git_dir / "refs" / "heads").rglob("*.lock")
        for lock in locks:
            lock.unlink(missing_ok=True)
        shutil.copyfile(self._git_dir / "set-up", self._git_dir / "config")

    def _fetch(self) -> None:
        words = ["fetch", "--quiet", "origin", self.branch]
        self._run_with_storage(words, {**self._environment, **self._this_clone})
        self.upstream = self._git("rev-parse", "FETCH_HEAD")

    def _remove_untracked(self) -> None:
        self._git("clean", "--quiet", "-ffd")

    def _fork_point(self) -> str:
        """Return the last commit that HEAD shares with the voyage branch."""
        return self._git("merge-base", self.upstream, "HEAD")

    def _has_conflict_markers(self) -> bool:
        files = [self.path / name for name in self._conflicts()]
        return any(CONFLICT_MARKER.search(file.read_bytes()) for file in files if file.is_file())

    def _conflicts(self) -> list[str]:
        words = ["-c", "core.quotePath=off", "diff", "--name-only", "--diff-filter=U"]
        return self._git(*words).splitlines()

    def _flatten(self) -> None:
        """Make one commit of a history with merges: a rebase would drop what was done in them."""
        if self._git("rev-list", "--max-count=1", "--merges", f"{self.upstream}..HEAD"):
            self._git("reset", "--quiet", "--soft", self._fork_point())
            self._git("commit", "--quiet", "--allow-empty", "--reuse-message=ORIG_HEAD")

    def _push(self, commit: str, ref: str, secrets: Sequence[str]) -> bool:
        if self.contains(secrets, commit):
            return False
        words = ["push", "--quiet", "--force", "origin", f"{commit}:refs/heads/{ref}"]
        self._run_with_storage(words, {**self._environment, **self._this_clone})
        return True

    def _snapshot(self) -> str:
        """Make a commit of the tree as it is, on top of HEAD. Returns HEAD if that is the same."""
        index = self._git_dir / "ocaptain-index"  # the agent's own stays as it is
        shutil.copyfile(self._git_dir / "index", index)
        self._git("add", "--all", index=index)
        tree = self._git("write-tree", index=index)
        if tree == self._git("rev-parse", "HEAD^{tree}"):
            return "HEAD"
        message = "Unfinished work, saved by ocaptain"
        return self._git("commit-tree", tree, "-p", "HEAD", "-m", message)

    # Running git

    def _git(self, *words: str, index: Path | None = None) -> str:
        """Run git in the clone, perhaps on another index, and return what it printed."""
        env = {**self._environment, **self._this_clone}
        if index:
            env["GIT_INDEX_FILE"] = str(index)
        return self._run(words, env)

    def _run_with_storage(self, words: Sequence[str], env: Mapping[str, str]) -> str:
        """Run git, again while storage is out of reach."""
        pause_s = 1.0
        while True:
            try:
                return self._run(words, env)
            except GitFailed as failure:
                if not OUT_OF_REACH.match(str(failure)) or self._give_up.wait(pause_s):
                    raise
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _run(self, words: Sequence[str], env: Mapping[str, str]) -> str:
        argv = ["git"]
        for setting in SETTINGS:
            argv += ["-c", setting]
        argv += words
        limit_s = LATE_S if self._give_up.is_set() else None
        done = process.run(argv, cwd=self.path, env=env, timeout=limit_s)
        if done.status:
            raise GitFailed((done.stderr or done.stdout).strip()[-2000:])
        return done.stdout.strip()
