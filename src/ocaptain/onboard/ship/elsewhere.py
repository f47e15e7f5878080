"""What an agent has made that is in nothing that lands: on branches, in the stash, in worktrees."""

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from .clone import Clone
from .git import text_of
from .staging import Staging, commit_tree
from .stock import (
    ALL_OF_STATUS,
    LIST_REFS,
    NAMELESS,
    NO_COMMIT,
    RAW,
    Change,
    Status,
    Tip,
    lacking,
    left_detached,
    read_changes,
    read_refs,
    read_status,
    stashed,
)

NOT_THE_AGENTS = ("refs/remotes/", "refs/bisect/", "refs/original/", "refs/rewritten/", NAMELESS)
"""Refs that git makes by itself, or that storage has as well, or that a log tells of."""
AUTOSTASHES = {"rebase": "rebase-merge/autostash", "merge": "MERGE_AUTOSTASH"}


class Elsewhere:
    """Looks in one clone for work that does not land; knows what was there when the task began.

    Methods raise OSError."""

    def __init__(self, clone: Clone, staging: Staging) -> None:
        self._clone = clone
        self._git = clone.git
        self._staging = staging
        self._before: Collection[str] = ()
        """Commits that were there when the task began."""

    def begin(self) -> None:
        """Remember what is there now: it is not the task's."""
        self._before = {tip.commit for tip in self._tips()}

    def worktrees(self) -> list[Path]:
        """Return the other trees of this repository."""
        found = []
        for file in (self._git.directory / "worktrees").glob("*/gitdir"):
            with suppress(OSError):
                path = (file.parent / file.read_text().strip()).parent
                if path.is_dir():
                    found.append(path)
        return found

    def find(
        self,
        status: Status,
        changes: Sequence[Change],
        worktrees: Iterable[Path],
        rebased: str,
    ) -> list[Tip]:
        """Return what was made since the task began, and is neither in `changes`, which land, nor
        the commit `rebased`. `worktrees` are the other trees to look into."""
        tips = self._tips()
        for path in worktrees:
            tips += self._tips_of_worktree(path)
        known = {*self._before, status.head, self._clone.upstream, rebased}
        new = [tip for tip in tips if tip.commit not in known]
        return [tip for tip in new if self._is_missing(tip.commit, status, changes)]

    def find_in_index(self, status: Status, changes: Sequence[Change]) -> str:
        """Return a commit of what was staged, if the tree has something else by now."""
        # Added or modified in the index, and otherwise by now in the tree.
        if not any(each.staged in "AM" and each.unstaged in "MDT" for each in status.entries):
            return ""
        if status.unmerged() or status.head == NO_COMMIT:
            return ""
        commit = commit_tree(self._git, self._git.directory / "index", [status.head])
        return commit if self._is_missing(commit, status, changes) else ""

    # Where commits are

    def _tips(self) -> list[Tip]:
        """Return the commits that branches, the stash and the like are at."""
        refs = read_refs(self._git.answer(*LIST_REFS).stdout)
        own = [name for name in refs if not name.startswith((*NOT_THE_AGENTS, "refs/stash"))]
        tips = [Tip(name.removeprefix("refs/heads/"), refs[name]) for name in own]
        tips += [Tip(f"the stash of a {name}", commit) for name, commit in self._autostashes()]
        logs = self._git.directory / "logs"
        tips += left_detached(text_of(logs / "HEAD"))
        for tip in stashed(text_of(logs / "refs" / "stash")):
            tips += self._parts_of_stash(tip)
        return tips

    def _autostashes(self) -> Iterator[tuple[str, str]]:
        """Yield what an operation under way has put aside, and its name."""
        for name, place in AUTOSTASHES.items():
            if commit := text_of(self._git.directory / place).strip():
                yield name, commit

    def _parts_of_stash(self, tip: Tip) -> list[Tip]:
        """Return what a stash has: tree, index, and perhaps new files."""
        done = self._git.ask("rev-parse", f"{tip.commit}^@")
        parents = done.stdout.split()  # the first is what it was stashed on
        return [tip, *(Tip(tip.name, commit) for commit in parents[1:])]

    def _tips_of_worktree(self, path: Path) -> list[Tip]:
        """Return what another tree has: its commit, and its changes as a commit."""
        name = f"the worktree {self._git.name(path)}"
        inner = self._git.within(path)
        status = read_status(inner.ask(*ALL_OF_STATUS).stdout)
        heads = [] if status.head == NO_COMMIT else [status.head]
        tips = [Tip(name, head) for head in heads]
        if status.entries:
            index = self._staging.index.with_name("ocaptain-worktree-index")
            inner.ask("read-tree", *(heads or ["--empty"]), index=index)
            inner.ask("add", "--all", "--ignore-errors", ".", index=index)
            tips.append(Tip(name, commit_tree(self._git, index, heads)))
        return tips

    # Whether what they have lands

    def _is_missing(self, commit: str, status: Status, changes: Sequence[Change]) -> bool:
        """Whether a commit has something that neither lands nor is on storage."""
        safe = [self._clone.upstream, "--remotes=origin", *self._being_merged()]
        if status.head != NO_COMMIT:
            safe.append(status.head)
        new = self._git.ask("rev-list", "--max-count=1", commit, "--not", *safe).stdout
        if not new:
            return False
        base = self._git.ask("merge-base", self._clone.upstream, commit).stdout.strip()
        if not base:
            base = self._git.run("hash-object", "-t", "tree", os.devnull)
        done = self._git.ask("diff-tree", "-r", *RAW, base, commit)
        differing = self._staging.compare(commit, "--no-renames")
        return lacking(read_changes(done.stdout), changes, differing)

    def _being_merged(self) -> list[str]:
        """Return the commits whose merge or pick is under way."""
        names = ("MERGE_HEAD", "CHERRY_PICK_HEAD")
        return [name for name in names if (self._git.directory / name).exists()]
