"""A ship's clone of the shared repository, and how a task begins in it."""

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event

from .git import Git

IGNORED = """\
__pycache__/
*.pyc
node_modules/
.venv/
.pytest_cache/
.DS_Store
"""


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
        self.mend()
        self.fetch()
        self.git.run("checkout", "--quiet", "--force", "-B", ref, self.upstream)
        self.remove_untracked()

    def current_branch(self) -> str:
        """Return the branch that is checked out, empty if there is none."""
        return self.git.run("branch", "--show-current")

    def tidy(self) -> None:
        """Make the tree what HEAD says it is; ignored files stay."""
        self.git.run("reset", "--quiet", "--hard")
        self.remove_untracked()

    # What keeps it going

    def mend(self) -> None:
        """Undo what keeps git from working: locks of a git that was killed, an agent's settings.

        `set-up` has the settings as they were after the plan's set-up. Raises OSError if there is
        no such file."""
        locks = [*self.git.directory.glob("*.lock")]
        locks += (self.git.directory / "refs" / "heads").rglob("*.lock")
        for lock in locks:
            lock.unlink(missing_ok=True)
        shutil.copyfile(self.git.directory / "set-up", self.git.directory / "config")

    def fetch(self) -> None:
        """Learn where the voyage branch is."""
        self.git.run_with_storage("fetch", "--quiet", "origin", self.branch)
        self.upstream = self.git.run("rev-parse", "FETCH_HEAD")

    def remove_untracked(self) -> None:
        """Remove what git does not know, but not what it ignores."""
        self.git.run("clean", "--quiet", "-ffd")
