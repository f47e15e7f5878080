"""A ship's clone of the shared repository, and how a task begins in it."""

import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event

from . import ignored, phantoms, skeleton, submodules, trees
from .git import COMMIT, Git, text_of
from .stock import read_entries

REF = "ocaptain-ref"
"""The file that names the ref of the task begun last. It is with what was kept of git's folder."""
MARK = "ocaptain-clone"
"""The file that tells this clone's folder of git's from any that an agent has put there."""
LASTING = ("config", "info")
"""What of git's folder no agent changes for longer than a turn."""
RESCUED = "ocaptain-rescued"
"""The file that is with what was kept if an agent has broken git's folder: the next task begins in
a new clone."""


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
        self._tracking = f"refs/remotes/origin/{branch}"
        self.upstream = self._tracking
        """The voyage branch's commit, as last fetched."""
        self.git = Git(path, ssh, give_up, say)
        self.kept = path.with_name(f"{path.name}.set-up")
        """What git's folder has besides objects when a task begins; no business of agents'."""
        self.say = say
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
        self.copy_to(self.git)
        exclude = self.git.directory / "info" / "exclude"
        exclude.parent.mkdir(exist_ok=True)
        exclude.write_text(ignored.USUALLY)
        (self.git.directory / MARK).write_text(os.urandom(8).hex())
        self._is_new = True

    def copy_to(self, place: Git, *options: str) -> None:
        """Clone the shared repository to a place, which is empty."""
        settings = [f"--config={key}={value}" for key, value in self.settings.items()]
        upload_pack = ["--upload-pack", self.settings["remote.origin.uploadpack"]]
        only = ["--single-branch", "--branch", self.branch]
        words = [*only, *options, *settings, *upload_pack, "storage:repo.git", "."]
        place.clone("--quiet", *words)

    def keep(self) -> None:
        """Remember what git has besides objects, once the clone is set up: tasks begin with it."""
        skeleton.keep(self.git.directory, self.kept)
        submodules.keep(self.git)

    def check_out(self, commit: str) -> None:
        """Make the tree what a commit has, on no branch."""
        self.git.run("checkout", "--quiet", "--detach", commit)

    def begin(self, ref: str, head: str = "") -> None:
        """Start a fresh branch `ref` at the voyage branch's head, as in a clone just set up.

        Only ignored files stay. With `head`, what storage has just said is the branch's head."""
        self._demand_ours()
        if (self.kept / RESCUED).exists():
            raise OSError("git's folder was broken before, and a sound one is to be had")
        (self.kept / REF).unlink(missing_ok=True)
        skeleton.restore(self.git.directory, self.kept)
        if not self._has_all(head) or self._was_cut():
            self.fetch()
        else:  # as after a landing: it is what we have pushed
            self._set_ref(self._tracking, head)
            self.upstream = head
        self.git.run("checkout", "--quiet", "--force", "--detach", self.upstream)
        tracked = list(read_entries(self.git.paths("ls-files", "--stage", "-z")))
        ignored.spare(self.git, tracked)
        self._remove_nested(entry.path for entry in tracked)
        self.remove_untracked()
        self._follow()
        self._set_ref(f"refs/heads/{self.branch}", self.upstream)
        trees.remove(self.git.directory / "logs")  # they are to tell what the agent does
        phantoms.settle(self.git)
        self.keep()
        self._set_ref(f"refs/heads/{ref}", self.upstream)
        (self.git.directory / "HEAD").write_text(f"ref: refs/heads/{ref}\n")
        (self.kept / REF).write_text(ref)
        self._is_new = False

    def _set_ref(self, name: str, commit: str) -> None:
        """Set a ref in git's folder that is just restored (gitrepository-layout(5)).

        It is written as git writes it: `skeleton.unlock` removes what we leave if we are killed.
        git itself would be a process for each, and take longer than all else here."""
        file = self.git.directory / name
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_name(f"{file.name}.lock")
        new.write_text(f"{commit}\n")
        new.replace(file)

    def _remove(self, old: Path, *, is_told: bool) -> None:
        """Remove an old clone; say what stays of it, once."""
        try:
            trees.remove(old)
        except OSError as failure:
            if not is_told:
                self.say(f"an old clone takes up disk; remove it by hand: {failure}")

    def _remove_nested(self, tracked: Iterable[str]) -> None:
        """Remove repositories that were made over folders of ours: git neither shows nor cleans
        them."""
        for folder in _folders(tracked):
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
            self.say(f"submodules whose commit cannot be fetched are empty: {names}")

    def begun(self) -> str:
        """Return the ref that was begun last, whatever is checked out. Raises OSError if none."""
        return (self.kept / REF).read_text()

    def _demand_ours(self) -> None:
        """Raise OSError if git's folder is not the one that was kept."""
        directory = self.git.directory
        if not skeleton.is_folder(directory):
            raise NotADirectoryError(f"git's folder is broken: {directory} is none")
        with suppress(FileNotFoundError):
            if (directory / MARK).read_text() == (self.kept / MARK).read_text():
                return
        raise FileNotFoundError(f"git's folder is broken: {directory} is another")

    def restore(self, ref: str, commit: str) -> None:
        """Make branch and tree what a commit has, whatever was done to them; ignored files stay."""
        trees.remove(self.git.directory / "rebase-merge", self.git.directory / "rebase-apply")
        words = ("--quiet", "--force", "--ignore-other-worktrees")
        self.git.run("checkout", *words, "-B", ref, commit)
        self.remove_untracked()
        phantoms.settle(self.git)

    # What keeps it going

    def mend(self) -> None:
        """Undo what keeps git from seeing all: locks of a git that was killed, an agent's settings,
        attributes and names to ignore.

        Raises OSError if git's folder is not ours any more."""
        self._demand_ours()
        skeleton.unlock(self.git.directory)
        changed = [self.git.directory / name for name in LASTING]
        trees.remove(*changed)
        kept = [self.kept / name for name in LASTING]
        trees.copy_into(self.git.directory, [path for path in kept if path.exists()])

    def fetch(self) -> None:
        """Learn where the voyage branch is."""
        words = ["fetch", "--quiet"]
        if self._was_cut():
            words.append("--unshallow")
        self.git.run_with_storage(*words, "origin", self.branch)
        self.upstream = self._fetched()

    def _fetched(self) -> str:
        """Return the commit that was fetched last."""
        first = text_of(self.git.directory / "FETCH_HEAD").partition("\t")[0]
        return first if COMMIT.fullmatch(first) else self.git.run("rev-parse", "FETCH_HEAD")

    def fetch_commit(self, commit: str) -> None:
        """Take a commit of storage's for the branch's head, for now: `fetch` ends that."""
        if self._was_cut():
            self.fetch()
        if not self.git.has(commit):
            self.git.run_with_storage("fetch", "--quiet", "origin", commit)
        self.upstream = commit

    def _has_all(self, commit: str) -> bool:
        """Whether a commit is here, with all that it has and the branch had not."""
        words = ("rev-list", "--objects", "--quiet", commit, f"^{self._tracking}")
        return bool(COMMIT.fullmatch(commit)) and self.git.ask(*words).status == 0

    def _was_cut(self) -> bool:
        """Whether an agent has fetched less than the whole history."""
        was_cut = (self.kept / "shallow").exists()
        return (self.git.directory / "shallow").exists() and not was_cut

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
