"""Takes stock of a clone: asks git, and looks at its files, for what stock.py then reads."""

import mmap
import os
import re
import shutil
import stat
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

from .. import process
from . import hidden, phantoms, submodules
from .clone import Clone
from .git import Git, GitFailed
from .markers import USUAL_SIZE, leftover, markers, separators
from .stock import (
    LINK,
    NAMELESS,
    NO_COMMIT,
    Change,
    Status,
    Stock,
    Tip,
    can_be_concluded,
    find_operation,
    lacking,
    left_detached,
    read_changes,
    read_refs,
    read_status,
    stashed,
)

STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--no-renames")
ALL_OF_STATUS = (*STATUS, "--untracked-files=all", "--ignore-submodules=none")
RAW = ("--raw", "-z", "--ignore-submodules=none")
LIST_REFS = (
    "for-each-ref",
    "--format=%(objectname) %(objecttype) %(*objectname) %(*objecttype) %(refname)",
)
NOT_THE_AGENTS = ("refs/remotes/", "refs/bisect/", "refs/original/", "refs/rewritten/", NAMELESS)
"""Refs that git makes by itself, or that storage has as well, or that a log tells of."""
LIST_MODULES = ("config", "-z", "--blob", ":.gitmodules", "--get-regexp", r"^submodule\..*\.path$")
NOT_OPENED = re.compile(r"^warning: could not open directory '(.*?)(?:/?': .*)?$", re.MULTILINE)
"""git cuts its words off if the path is very long."""
AUTOSTASHES = {"rebase": "rebase-merge/autostash", "merge": "MERGE_AUTOSTASH"}
SIZE_ATTRIBUTE = "conflict-marker-size"
WORDS_LIMIT = 400
"""Characters of what git says about a path."""
PATHS_AT_ONCE = 500
HEAD_OF_BINARY = 8000
"""Bytes in which git looks for a NUL, to call a file binary."""
UNFINISHED = "Unfinished work, saved by ocaptain"


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
        self.index = clone.git.directory / "ocaptain-index"
        """All that can be added is staged here; the agent's own index stays as it is."""
        self.rebased = ""
        """The commit whose rebase onto the voyage's branch has stopped."""
        self.stopped_tree = ""
        """The tree as that rebase left it."""
        self._refs_before: Collection[str] = ()
        self._dirty_before: Collection[str] = ()
        self._hidden_before: Collection[str] = ()
        self._submodules: dict[str, str] = {}
        """The commits that submodules had, when all was as it should be."""
        self._shut_before: set[str] = set()
        self._told: dict[str, Print | None] = {}

    def begin(self) -> None:
        """Remember how the clone is now: what is so already is not the task's."""
        self._hidden_before = hidden.paths(self.git)
        self.note_submodules()
        done = self._ask(*ALL_OF_STATUS)
        self._dirty_before = {entry.path for entry in read_status(done.stdout).entries}
        self._shut_before = {match[1] for match in NOT_OPENED.finditer(done.stderr)}
        self._refs_before = {tip.commit for tip in self._tips()}
        self._told = {}
        self.rebased = ""

    def tell(self, paths: Iterable[str]) -> None:
        """Remember how these paths in conflict are, now that the agent is told of them."""
        self._told.update({path: self._print(path) for path in paths})

    def note_stop(self, commit: str) -> None:
        """Remember that the rebase of a commit has stopped, and how that has left the tree."""
        self.rebased = commit
        self._stage(read_status(self._ask(*ALL_OF_STATUS).stdout), [])
        self.stopped_tree = self.git.run("write-tree", index=self.index)

    def take(self) -> Stock:
        """Take stock. What can be added is in `index` then, if anything is to be."""
        source = hidden.shown(self.git, self._hidden_before)
        done = self._ask(*ALL_OF_STATUS, index=source)
        status = read_status(done.stdout)
        refused = [each for each in _shut(done.stderr) if each[0] not in self._shut_before]
        worktrees = self._worktrees()
        names = [self._name(path) for path in worktrees]
        inside = [name for name in names if not name.startswith("..")]
        repositories = [*status.repositories(), *self._in_place_of_files(status)]
        repositories = [path for path in repositories if path not in inside]
        left_alone = [*repositories, *inside, *self._left_behind(status)]
        refused += self._stage(status, left_alone, source)
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
            elsewhere=tuple(self._elsewhere(status, changes, worktrees)),
            index_only=self._index_only(status, changes),
            changes=tuple(changes),
        )

    # What lands

    def _stage(
        self, status: Status, leave_out: Sequence[str], source: Path | None = None
    ) -> list[tuple[str, str]]:
        """Stage the tree on top of the agent's index, or of another.

        Returns what git refuses, and its words."""
        source = source or self.git.directory / "index"
        self.index.with_name(f"{self.index.name}.lock").unlink(missing_ok=True)  # of a killed git
        if source.exists():
            shutil.copy2(source, self.index)  # git compares its time with files'
        else:
            self.index.unlink(missing_ok=True)
        entries = [entry for entry in status.entries if entry.unstaged != "."]
        entries = [entry for entry in entries if entry.path.rstrip("/") not in leave_out]
        if not entries:
            return []
        apart = [f":(top,exclude,literal){path}" for path in leave_out]
        done = self.git.ask("add", "--all", "--ignore-errors", "--", ".", *apart, index=self.index)
        refused = []
        if done.status:
            refused = self._add([entry.path for entry in entries])
        if any(entry.unstaged == "M" for entry in entries):
            meant = {entry.path for entry in status.entries if entry.staged == "M"}
            phantoms.leave_out(self.git, meant, self.index)
        return refused

    def _add(self, paths: Sequence[str]) -> list[tuple[str, str]]:
        """Stage these paths, those that git can add. Returns the others, and its words."""
        words = ["--literal-pathspecs", "add", "--all", "--ignore-errors"]
        done = self.git.ask(*words, *self._from_file(paths), index=self.index)
        if done.status == 0:
            return []
        if len(paths) > 1:
            half = len(paths) // 2
            return self._add(paths[:half]) + self._add(paths[half:])
        if not os.path.lexists(self.clone.path / paths[0]):
            return []  # it was there a moment ago
        return [(paths[0], _words(done.stderr))]

    def _from_file(self, paths: Iterable[str]) -> list[str]:
        """Return the options that have git read paths from a file, which may be many."""
        file = self.git.directory / "ocaptain-paths"
        file.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in paths))
        return [f"--pathspec-from-file={file}", "--pathspec-file-nul"]

    def _changes(self, status: Status) -> list[Change]:
        """Return what the staged tree changes of the voyage's branch."""
        if status.head == self.clone.upstream and not status.entries:
            return []
        return self._compare(self.base(status.head), "-M")

    def _compare(self, commit: str, *words: str) -> list[Change]:
        done = self.git.ask("diff-index", "--cached", *RAW, *words, commit, index=self.index)
        return read_changes(done.stdout)

    def base(self, commit: str) -> str:
        """Return the last commit that one shares with the voyage's branch, or that branch's."""
        if commit in (self.clone.upstream, NO_COMMIT):
            return self.clone.upstream
        done = self.git.ask("merge-base", self.clone.upstream, commit)
        return done.stdout.strip() or self.clone.upstream

    # Conflicts

    def _names_in_git(self) -> set[str]:
        """Return the names of the files that tell what git is in the middle of."""
        names = {path.name for path in self.git.directory.iterdir()}
        for name in ("rebase-apply/applying", "sequencer/todo"):
            if (self.git.directory / name).exists():
                names.add(name)
        return names

    def _is_ours(self) -> bool:
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
        files = [change for change in changes if change.mode.startswith("100")]
        sizes = self._marker_sizes([change.path for change in files])
        was_told = {*self._told, *status.unmerged()}
        found = []
        for change in files:
            size = sizes.get(change.path, USUAL_SIZE)
            text = self._text(change.path)
            lines = markers(text, size)
            if change.path in was_told:
                lines += separators(text, size)
            if lines and leftover(lines, self._sides(change, size)):
                found.append(change.path)
        return found

    def _text(self, path: str) -> bytes:
        """Return a file's contents; empty if it is binary, or no file."""
        full = self.clone.path / path
        with suppress(OSError, ValueError):
            if stat.S_ISREG(os.lstat(full).st_mode):
                with full.open("rb") as file, _mapped(file) as contents:
                    is_binary = b"\0" in contents[:HEAD_OF_BINARY]
                    if not is_binary and _may_be_marked(contents):
                        return bytes(contents)
        return b""

    def _sides(self, change: Change, size: int) -> list[Counter[bytes]]:
        """Return the marker lines of the versions of a file that were there before."""
        commits = [self.base("HEAD"), f"refs/remotes/origin/{self.clone.branch}"]
        commits += [self.rebased] if self.rebased else []
        found = []
        for commit in commits:
            for path in {change.path, change.old_path}:
                done = self.git.ask("cat-file", "blob", f"{commit}:{path}")
                text = done.stdout.encode(errors="surrogateescape")
                found.append(markers(text, size) + separators(text, size))
        return found

    def _marker_sizes(self, paths: Sequence[str]) -> dict[str, int]:
        """Return how long markers are in files of which an attribute says so."""
        folders = {folder for path in paths for folder in Path(path).parents}
        places = [self.clone.path / folder / ".gitattributes" for folder in folders]
        places.append(self.git.directory / "info" / "attributes")
        if not any(_has(place, SIZE_ATTRIBUTE) for place in places):
            return {}
        sizes = {}
        for start in range(0, len(paths), PATHS_AT_ONCE):
            some = paths[start : start + PATHS_AT_ONCE]
            done = self.git.ask("check-attr", "-z", SIZE_ATTRIBUTE, "--", *some)
            fields = done.stdout.split("\0")
            for path, size in zip(fields[0::3], fields[2::3], strict=False):
                if size.isdecimal():
                    sizes[path] = int(size)
        return sizes

    # Other repositories

    def _worktrees(self) -> list[Path]:
        """Return the other trees of this repository."""
        found = []
        for file in (self.git.directory / "worktrees").glob("*/gitdir"):
            with suppress(OSError):
                path = (file.parent / file.read_text().strip()).parent
                if path.is_dir():
                    found.append(path)
        return found

    def _name(self, path: Path) -> str:
        """Return a path as git names it, from the top of the clone."""
        return os.path.relpath(os.path.realpath(path), os.path.realpath(self.clone.path))

    def note_submodules(self) -> None:
        """Remember the commits that submodules are at, now that all of them is in the index."""
        for path, _ in submodules.populated(self.git):
            self._submodules[self._name(path)] = submodules.head(self.git.within(path))

    def follow(self) -> None:
        """Have the submodules that the agent has left alone follow what is checked out."""
        populated = list(submodules.populated(self.git))
        conflicts = self.conflicts() if populated else []
        for path, commit in populated:
            name = self._name(path)
            inner = self.git.within(path)
            head = submodules.head(inner)
            if name not in conflicts and commit != head == self._submodules.get(name):
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

    def conflicts(self) -> list[str]:
        """Return the paths that the index has several versions of."""
        return read_status(self.git.ask(*STATUS, "--untracked-files=no").stdout).unmerged()

    def _modules(self, changes: Iterable[Change]) -> set[str]:
        """Return the paths that `.gitmodules` names, if something is to be asked about them."""
        if not any(change.mode == LINK for change in changes):
            return set()
        done = self.git.ask(*LIST_MODULES, index=self.index)
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

    # Work elsewhere

    def _tips(self) -> list[Tip]:
        """Return the commits that branches, the stash and the like are at."""
        refs = read_refs(self._ask(*LIST_REFS).stdout)
        own = [name for name in refs if not name.startswith((*NOT_THE_AGENTS, "refs/stash"))]
        tips = [Tip(name.removeprefix("refs/heads/"), refs[name]) for name in own]
        tips += [Tip(f"the stash of a {name}", commit) for name, commit in self._autostashes()]
        logs = self.git.directory / "logs"
        tips += left_detached(_read(logs / "HEAD"))
        for tip in stashed(_read(logs / "refs" / "stash")):
            tips += self._parts_of_stash(tip)
        return tips

    def _autostashes(self) -> Iterator[tuple[str, str]]:
        """Yield what an operation under way has put aside, and its name."""
        for name, place in AUTOSTASHES.items():
            if commit := _read(self.git.directory / place).strip():
                yield name, commit

    def _parts_of_stash(self, tip: Tip) -> list[Tip]:
        """Return what a stash has: tree, index, and perhaps new files."""
        done = self.git.ask("rev-parse", f"{tip.commit}^@")
        return [tip, *(Tip(tip.name, commit) for commit in done.stdout.split()[1:])]

    def _tips_of_worktree(self, path: Path) -> list[Tip]:
        """Return what another tree has: its commit, and its changes as a commit."""
        name = f"the worktree {self._name(path)}"
        inner = self.git.within(path)
        status = read_status(inner.ask(*ALL_OF_STATUS).stdout)
        heads = [] if status.head == NO_COMMIT else [status.head]
        tips = [Tip(name, head) for head in heads]
        if status.entries:
            index = self.index.with_name("ocaptain-worktree-index")
            inner.ask("read-tree", *(heads or ["--empty"]), index=index)
            inner.ask("add", "--all", "--ignore-errors", ".", index=index)
            tips.append(Tip(name, self.commit_tree(index, heads)))
        return tips

    def _elsewhere(
        self, status: Status, changes: Sequence[Change], worktrees: Iterable[Path]
    ) -> list[Tip]:
        """Return what was made since the task began, and is in nothing that lands."""
        tips = self._tips()
        for path in worktrees:
            tips += self._tips_of_worktree(path)
        known = {*self._refs_before, status.head, self.clone.upstream, self.rebased}
        new = [tip for tip in tips if tip.commit not in known]
        return [tip for tip in new if self._is_missing(tip.commit, status, changes)]

    def _is_missing(self, commit: str, status: Status, changes: Sequence[Change]) -> bool:
        """Whether a commit has something that neither lands nor is on storage."""
        there = [self.clone.upstream, "--remotes=origin", *self._being_merged()]
        if status.head != NO_COMMIT:
            there.append(status.head)
        new = self.git.ask("rev-list", "--max-count=1", commit, "--not", *there).stdout
        if not new:
            return False
        base = self.git.ask("merge-base", self.clone.upstream, commit).stdout.strip()
        if not base:
            base = self.git.run("hash-object", "-t", "tree", os.devnull)
        done = self.git.ask("diff-tree", "-r", *RAW, base, commit)
        differing = self._compare(commit, "--no-renames")
        return lacking(read_changes(done.stdout), changes, differing)

    def _being_merged(self) -> list[str]:
        """Return the commits whose merge or pick is under way."""
        names = ("MERGE_HEAD", "CHERRY_PICK_HEAD")
        return [name for name in names if (self.git.directory / name).exists()]

    def _index_only(self, status: Status, changes: Sequence[Change]) -> str:
        """Return a commit of what was staged, if the tree has something else by now."""
        twice = [entry for entry in status.entries if "." not in entry.staged + entry.unstaged]
        if not any(entry.staged in "AM" and entry.unstaged in "MDT" for entry in twice):
            return ""
        if status.unmerged() or status.head == NO_COMMIT:
            return ""
        commit = self.commit_tree(self.git.directory / "index", [status.head])
        return commit if self._is_missing(commit, status, changes) else ""

    def stage_insides(self, repositories: Iterable[str]) -> None:
        """Stage the files of repositories in the tree, as if these were folders."""
        index = self.index.with_name("ocaptain-inner-index")
        for path in repositories:
            index.unlink(missing_ok=True)
            folder = self.clone.path / path
            words = ["-C", str(folder), "add", "--all", "--ignore-errors", "."]
            with suppress(GitFailed):
                self.git.run(*words, index=index, tree=folder)
            with suppress(GitFailed):
                tree = self.git.run("write-tree", index=index)
                self.git.run("update-index", "--force-remove", "--", path, index=self.index)
                self.git.run("read-tree", f"--prefix={path}/", tree, index=self.index)

    # Commits that are on no branch

    def commit_tree(self, index: Path, parents: Iterable[str], message: str = UNFINISHED) -> str:
        """Make a commit of what is staged, on no branch, and return it."""
        tree = self.git.run("write-tree", index=index)
        words = [word for parent in parents for word in ("-p", parent)]
        return self.git.run("commit-tree", tree, *words, "-m", message)

    def _ask(self, *words: str, index: Path | None = None) -> process.Done:
        done = self.git.ask(*words, index=index)
        if done.status:
            raise GitFailed(done.stderr.strip()[-2000:])
        return done


def _shut(warnings: str) -> list[tuple[str, str]]:
    """Return the folders that git could not look into, and why."""
    return [(match[1], match[0][:WORDS_LIMIT]) for match in NOT_OPENED.finditer(warnings)]


def _words(error: str) -> str:
    """Return what git says about a path, without its hints."""
    lines = [line for line in error.splitlines() if not line.startswith("hint:")]
    return "\n".join(lines)[-WORDS_LIMIT:]


def _unnamed(changes: Iterable[Change], modules: Collection[str]) -> list[str]:
    """Return the links to other repositories that `.gitmodules` does not name."""
    links = [change for change in changes if change.mode == LINK]
    return [change.path for change in links if change.path not in modules]


def _is_published(repository: Git, commit: str) -> bool:
    """Whether some branch of a repository's remote has a commit, as far as is known here."""
    done = repository.ask("rev-list", "--max-count=1", commit, "--not", "--remotes")
    return done.status == 0 and not done.stdout


def _mapped(file: BinaryIO) -> mmap.mmap:
    return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def _may_be_marked(contents: mmap.mmap) -> bool:
    return contents.find(b"<<<") >= 0 or contents.find(b">>>") >= 0 or contents.find(b"===") >= 0


def _has(place: Path, word: str) -> bool:
    return word in _read(place)


def _read(place: Path) -> str:
    with suppress(OSError):
        return place.read_text(errors="replace") if place.is_file() else ""
    return ""
