"""A ship's clone of the shared repository, and how a task begins in it."""

import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event

from . import ignored, phantoms, skeleton, submodules, trees
from .git import Git

REF = "ocaptain-ref"
"""The file of git's folder that names the ref of the task begun last."""


class Clone:
    """A ship's own clone of the shared repository.

    Methods raise OSError, of which GitFailed is one. Those that need storage wait while it is out
    of reach."""

    def __init__(
        self,
        path: Path,
        branch: str,
        ssh: str,
        settings: Mapping[str, str],
        give_up: Event,
        say: Callable[[str], None],
    ) -> None:
        """`ssh` is the command line that reaches storage.

        `settings` are git's for whoever works in the clone, `pack_settings` among them.
        Once `give_up` is set, nothing waits for storage any more. `say` logs a line."""
        self.path = path
        self.branch = branch
        self.settings = settings
        self.upstream = f"refs/remotes/origin/{branch}"
        """The voyage branch's commit, as last fetched."""
        self.git = Git(path, ssh, give_up, say)
        self._say = say
        self._is_new = False

    # Beginning

    def make(self) -> None:
        """Clone anew; what was there goes, as far as it can be removed."""
        moved = self.path.with_name(f"{self.path.name}.{os.urandom(4).hex()}")
        with suppress(FileNotFoundError):
            self.path.rename(moved)
        for old in self.path.parent.glob(f"{self.path.name}.*"):
            self._remove(old, is_told=old != moved)
        self.path.mkdir()
        settings = [f"--config={key}={value}" for key, value in self.settings.items()]
        upload_pack = ["--upload-pack", self.settings["remote.origin.uploadpack"]]
        only = ["--single-branch", "--branch", self.branch]
        self.git.clone("--quiet", *only, *settings, *upload_pack, "storage:repo.git", ".")
        exclude = self.git.directory / "info" / "exclude"
        exclude.parent.mkdir(exist_ok=True)
        exclude.write_text(ignored.USUALLY)
        self._is_new = True

    def keep(self) -> None:
        """Remember what git has besides objects, once the clone is set up: tasks begin with it."""
        submodules.keep(self.git)

    def check_out(self, commit: str) -> None:
        """Make the tree what a commit has, on no branch."""
        self.git.run("checkout", "--quiet", "--detach", commit)

    def begin(self, ref: str) -> None:
        """Start a fresh branch `ref` at the voyage branch's head, as in a clone just set up.

        Only ignored files stay."""
        skeleton.restore(self.git.directory)
        self.fetch()
        self.git.run("checkout", "--quiet", "--force", "--detach", self.upstream)
        ignored.spare_tracked(self.git)
        self._remove_nested()
        self.remove_untracked()
        self._follow()
        self.git.run("update-ref", f"refs/heads/{self.branch}", self.upstream)
        trees.remove(self.git.directory / "logs")  # they are to tell what the agent does
        phantoms.settle(self.git)
        self.keep()
        self.git.run("update-ref", f"refs/heads/{ref}", self.upstream)
        self.git.run("symbolic-ref", "HEAD", f"refs/heads/{ref}")
        (self.git.directory / REF).write_text(ref)
        self._is_new = False

    def _remove(self, old: Path, *, is_told: bool) -> None:
        """Remove an old clone; say what stays of it, once."""
        try:
            trees.remove(old)
        except OSError as failure:
            if not is_told:
                self._say(f"an old clone takes up disk; remove it by hand: {failure}")

    def _remove_nested(self) -> None:
        """Remove repositories that were made over folders of ours: git neither shows nor cleans
        them."""
        for folder in _folders(self.git.paths("ls-files", "-z")):
            nested = self.path / folder / ".git"
            if nested.exists():
                trees.remove(nested)

    def _follow(self) -> None:
        """Have submodules follow the branch. Raises OSError if a fresh clone may do better."""
        lost = submodules.follow(self.git)
        if lost:
            names = " ".join(str(path.relative_to(self.path)) for path in lost)
            if not self._is_new:
                raise OSError(f"submodules cannot follow the branch: {names}")
            self._say(f"submodules whose commit cannot be fetched are empty: {names}")

    def begun(self) -> str:
        """Return the ref that was begun last, whatever is checked out. Raises OSError if none."""
        return (self.git.directory / REF).read_text()

    def restore(self, ref: str, commit: str) -> None:
        """Make branch and tree what a commit has, whatever was done to them; ignored files stay."""
        trees.remove(self.git.directory / "rebase-merge", self.git.directory / "rebase-apply")
        words = ("--quiet", "--force", "--ignore-other-worktrees")
        self.git.run("checkout", *words, "-B", ref, commit)
        self.remove_untracked()
        phantoms.settle(self.git)

    # What keeps it going

    def mend(self) -> None:
        """Undo what keeps git from working: locks of a git that was killed, an agent's settings.

        `set-up` has the settings as they were after the plan's set-up. Raises OSError if there is
        no such file."""
        skeleton.unlock(self.git.directory)
        kept = self.git.directory / skeleton.KEPT / "config"
        shutil.copyfile(kept, self.git.directory / "config")

    def fetch(self) -> None:
        """Learn where the voyage branch is."""
        words = ["fetch", "--quiet"]
        if self._was_cut():
            words.append("--unshallow")
        self.git.run_with_storage(*words, "origin", self.branch)
        self.upstream = self.git.run("rev-parse", "FETCH_HEAD")

    def fetch_commit(self, commit: str) -> None:
        """Take a commit of storage's for the branch's head, for now: `fetch` ends that."""
        if self.git.ask("cat-file", "-e", f"{commit}^{{commit}}").status:
            self.git.run_with_storage("fetch", "--quiet", "origin", commit)
        self.upstream = commit

    def _was_cut(self) -> bool:
        """Whether an agent has fetched less than the whole history."""
        kept = self.git.directory / skeleton.KEPT
        return (self.git.directory / "shallow").exists() and not (kept / "shallow").exists()

    def remove_untracked(self) -> None:
        """Remove what git does not know, but not what it ignores."""
        self.git.run("clean", "--quiet", "-ffd")


def _folders(names: Iterable[str]) -> set[str]:
    """Return all folders that these files are in, but not the top."""
    found: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found
