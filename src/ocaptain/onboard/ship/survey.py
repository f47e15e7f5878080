"""Takes stock of a clone: asks git, and looks at its files, for what stock.py then reads."""

import os
import re
import stat
from collections.abc import Collection, Iterable
from contextlib import suppress
from typing import NamedTuple

from . import hidden, marked, submodules
from .clone import Clone
from .elsewhere import Elsewhere
from .git import Git
from .staging import WORDS_LIMIT, Staging, Unaddable
from .stock import (
    ALL_OF_STATUS,
    LINK,
    NO_COMMIT,
    STATUS,
    Change,
    Status,
    Stock,
    can_be_concluded,
    find_operation,
    read_status,
)

LIST_MODULES = ("config", "-z", "--blob", ":.gitmodules", "--get-regexp", r"^submodule\..*\.path$")
NOT_OPENED = re.compile(r"^warning: could not open directory '(.*?)(?:/?': .*)?$", re.MULTILINE)
"""git cuts its words off if the path is very long."""


class Print(NamedTuple):
    """What changes if somebody writes to a file."""

    mode: int
    size: int
    inode: int
    written_ns: int
    changed_ns: int


class Survey:
    """Takes stock of one clone, and knows how that was when the task began.

    Methods raise OSError."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self.git = clone.git
        self.staging = Staging(clone.git)
        self.rebased = ""
        """The commit whose rebase onto the voyage's branch has stopped."""
        self.stopped_tree = ""
        """The tree as that rebase left it."""
        # What was so when the task began is not the task's.
        self._dirty_before: Collection[str] = ()
        self._hidden_before: Collection[str] = ()
        self._shut_before: set[str] = set()
        """Folders that git could not look into."""
        self._submodules: dict[str, str] = {}
        """By path, the commit that each is at if the agent leaves it alone."""
        self._told: dict[str, Print | None] = {}
        """How paths in conflict were when the agent was told of them."""
        self._elsewhere = Elsewhere(clone, self.staging)

    def begin(self) -> None:
        """Remember how the clone is now: what is so already is not the task's."""
        self._hidden_before = hidden.paths(self.git)
        self.note_submodules()
        done = self.git.answer(*ALL_OF_STATUS)
        self._dirty_before = {entry.path for entry in read_status(done.stdout).entries}
        self._shut_before = {match[1] for match in NOT_OPENED.finditer(done.stderr)}
        self._elsewhere.begin()
        self._told = {}
        self.rebased = ""

    def tell(self, paths: Iterable[str]) -> None:
        """Remember how these paths in conflict are, now that the agent is told of them."""
        self._told.update({path: self._print(path) for path in paths})

    def note_stop(self, commit: str) -> None:
        """Remember that the rebase of a commit has stopped, and how that has left the tree."""
        self.rebased = commit
        self.staging.stage(read_status(self.git.answer(*ALL_OF_STATUS).stdout), [])
        self.stopped_tree = self.staging.tree()

    def take(self) -> Stock:
        """Take stock. Afterwards `staging` has all that can be added."""
        source = hidden.shown(self.git, self._hidden_before)
        done = self.git.answer(*ALL_OF_STATUS, index=source)
        status = read_status(done.stdout)
        refused = [each for each in _shut(done.stderr) if each[0] not in self._shut_before]
        worktrees = self._elsewhere.worktrees()
        names = [self.git.name(path) for path in worktrees]
        inside = [name for name in names if not name.startswith("..")]
        repositories = [*status.repositories(), *self._in_place_of_files(status)]
        repositories = [path for path in repositories if path not in inside]
        left_alone = [*repositories, *inside, *self._left_behind(status)]
        refused += self.staging.stage(status, left_alone, source)
        changes = self._changes(status)
        in_git = self._names_in_git()
        operation = find_operation(in_git)
        ours = operation == "rebase" and self._is_ours()
        modules = self._modules(changes)
        return Stock(
            status=status,
            operation=operation,
            ours=ours,
            concludes=can_be_concluded(in_git),
            unsettled=tuple(path for path in status.unmerged() if not self._is_touched(path)),
            markers=tuple(self._marked(changes, status)),
            refused=tuple(refused),
            repositories=(*repositories, *_unnamed(changes, modules)),
            unpublished=tuple(self._unpublished(changes, modules)),
            changed_submodules=tuple(self._changed_submodules(status)),
            elsewhere=tuple(self._elsewhere.find(status, changes, worktrees, self.rebased)),
            index_only=self._elsewhere.find_in_index(status, changes),
            changes=tuple(changes),
        )

    # What lands

    def _changes(self, status: Status) -> list[Change]:
        """Return what the staged tree changes of the voyage's branch."""
        if status.head == self.clone.upstream and not status.entries:
            return []
        return self.staging.compare(self.base(status.head), "-M")

    def base(self, commit: str) -> str:
        """Return the last commit that one shares with the voyage's branch; if none, its head."""
        if commit in (self.clone.upstream, NO_COMMIT):
            return self.clone.upstream
        done = self.git.ask("merge-base", self.clone.upstream, commit)
        return done.stdout.strip() or self.clone.upstream

    # Conflicts

    def conflicts(self) -> list[str]:
        """Return the paths that the index has several versions of."""
        return read_status(self.git.ask(*STATUS, "--untracked-files=no").stdout).unmerged()

    def _names_in_git(self) -> set[str]:
        """Return the names of the files that tell what git is in the middle of."""
        names = {path.name for path in self.git.directory.iterdir()}
        for name in ("rebase-apply/applying", "sequencer/todo"):
            if (self.git.directory / name).exists():
                names.add(name)
        return names

    def _is_ours(self) -> bool:
        """Whether the rebase under way is ours, of the commit and onto the branch that it was."""
        with suppress(OSError):
            was = (self.git.directory / "rebase-merge" / "orig-head").read_text().strip()
            onto = (self.git.directory / "rebase-merge" / "onto").read_text().strip()
            return was == self.rebased and onto == self.clone.upstream
        return False

    def _print(self, path: str) -> Print | None:
        with suppress(OSError):
            found = os.lstat(self.clone.path / path)
            if stat.S_ISDIR(found.st_mode):  # what is written in it settles nothing
                return Print(found.st_mode, 0, 0, 0, 0)
            written = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)
            return Print(found.st_mode, found.st_size, *written)
        return None

    def _is_touched(self, path: str) -> bool:
        return path in self._told and self._told[path] != self._print(path)

    def _marked(self, changes: Iterable[Change], status: Status) -> list[str]:
        """Return the paths with lines of a conflict that no version of them had before."""
        in_conflict = {*self._told, *status.unmerged()}
        files = marked.find(self.git, changes, in_conflict)
        if not files:
            return []
        sides = self._sides()
        left = [file for file in files if marked.has_new_lines(self.git, file, sides)]
        return [file.change.path for file in left]

    def _sides(self) -> list[str]:
        """Return the commits that a rebase brings together."""
        commits = [self.base("HEAD"), f"refs/remotes/origin/{self.clone.branch}"]
        return [*commits, self.rebased] if self.rebased else commits

    # Other repositories

    def note_submodules(self) -> None:
        """Remember the commits that submodules are at, now that the index has the same."""
        for path, _ in submodules.populated(self.git):
            self._submodules[self.git.name(path)] = submodules.head(self.git.within(path))

    def follow(self) -> None:
        """Have the submodules that the agent has left alone follow what is checked out."""
        populated = list(submodules.populated(self.git))
        conflicts = self.conflicts() if populated else []
        for path, commit in populated:
            name = self.git.name(path)
            inner = self.git.within(path)
            head = submodules.head(inner)
            is_left_alone = head == self._submodules.get(name)
            if is_left_alone and head != commit and name not in conflicts:
                with suppress(OSError):
                    submodules.move(inner, commit)
                    self._submodules[name] = commit

    def _in_place_of_files(self, status: Status) -> list[str]:
        """Return the repositories without a commit that are where a file or a link was."""
        gone = [entry.path for entry in status.entries if entry.unstaged == "D"]
        return [path for path in gone if os.path.lexists(self.clone.path / path / ".git")]

    def _left_behind(self, status: Status) -> list[str]:
        """Return the submodules that the agent has left alone while the branch moved on."""
        found = []
        for entry in status.entries:
            has_moved = entry.submodule[1:2] == "C" and entry.staged != "u"
            if has_moved and entry.path in self._submodules:
                head = submodules.head(self.git.within(self.clone.path / entry.path))
                if head == self._submodules[entry.path]:
                    found.append(entry.path)
        return found

    def _modules(self, changes: Iterable[Change]) -> set[str]:
        """Return the paths that `.gitmodules` names, if something is to be asked about them."""
        if not any(change.mode == LINK for change in changes):
            return set()
        done = self.git.ask(*LIST_MODULES, index=self.staging.index)
        return {each.partition("\n")[2] for each in done.stdout.split("\0")}

    def _unpublished(self, changes: Iterable[Change], modules: Collection[str]) -> list[str]:
        found = []
        for change in changes:
            if change.mode == LINK and change.path in modules:
                inner = self.git.within(self.clone.path / change.path)
                if not _is_published(inner, change.blob):
                    found.append(change.path)
        return found

    def _changed_submodules(self, status: Status) -> list[str]:
        found = [entry for entry in status.entries if entry.submodule[2:4] not in ("..", "")]
        return [entry.path for entry in found if entry.path not in self._dirty_before]


def _shut(warnings: str) -> list[Unaddable]:
    """Return the folders that git could not look into, and why."""
    return [(match[1], match[0][:WORDS_LIMIT]) for match in NOT_OPENED.finditer(warnings)]


def _unnamed(changes: Iterable[Change], modules: Collection[str]) -> list[str]:
    """Return the links to other repositories that `.gitmodules` does not name."""
    links = [change for change in changes if change.mode == LINK]
    return [change.path for change in links if change.path not in modules]


def _is_published(repository: Git, commit: str) -> bool:
    """Whether some branch of a repository's remote has a commit, as far as is known here."""
    done = repository.ask("rev-list", "--max-count=1", commit, "--not", "--remotes")
    return done.status == 0 and not done.stdout
