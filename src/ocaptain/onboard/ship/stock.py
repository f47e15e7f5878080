"""What is in a clone at the end of a turn, and what follows from it. docs/stock.md has the table.

All of it is pure: from what git answered to what is to be done."""

import re
from collections.abc import Collection, Iterable, Iterator
from typing import Literal, NamedTuple

NO_COMMIT = "(initial)"
"""What `git status` calls HEAD on a branch without a commit."""
GONE = "000000"
"""The mode of what is not there."""
LINK = "160000"
"""The mode of a link to a commit of another repository: a submodule, as a rule."""
NAMELESS = "refs/ocaptain/"
"""Where commits are that the agent knows by no name, or by one in a log."""

# What git is asked for whose answers are read here.
STATUS = ("status", "--porcelain=v2", "--branch", "-z", "--no-renames")
ALL_OF_STATUS = (*STATUS, "--untracked-files=all", "--ignore-submodules=none")
RAW = ("--raw", "-z", "--ignore-submodules=none")
LIST_REFS = (
    "for-each-ref",
    "--format=%(objectname) %(objecttype) %(*objectname) %(*objecttype) %(refname)",
)

Operation = Literal["", "rebase", "am", "cherry-pick", "revert", "bisect", "merge"]

Kind = Literal[
    "conflict",
    "operation",
    "unmerged",
    "markers",
    "refused",
    "repository",
    "unpublished",
    "submodule",
    "elsewhere",
]


class Rule(NamedTuple):
    """What follows from a kind of finding."""

    lands: bool
    """Whether the work may land all the same, once the agent was asked about it."""


RULES: dict[Kind, Rule] = {
    "conflict": Rule(lands=False),
    "operation": Rule(lands=False),
    "unmerged": Rule(lands=False),
    "markers": Rule(lands=False),
    "refused": Rule(lands=False),
    "repository": Rule(lands=False),
    "unpublished": Rule(lands=False),
    "submodule": Rule(lands=True),
    "elsewhere": Rule(lands=True),
}


class Finding(NamedTuple):
    """Something that the agent has to know of before its work lands."""

    kind: Kind
    names: tuple[str, ...]
    """Paths, or what else it is about."""
    words: str = ""
    """What git said; of an operation, its name."""


# What git answers


class Entry(NamedTuple):
    """A path that is not as HEAD has it."""

    path: str
    staged: str
    """How the index differs from HEAD: one of git's letters, '.' if it does not."""
    unstaged: str
    """How the tree differs from the index."""
    submodule: str
    """`N...`, or of a submodule: S, and C, M and U if it has new commits, changes, new files."""
    modes: tuple[str, str]
    """In the index and in the tree."""
    blob: str
    """In the index."""


class Status(NamedTuple):
    """The answer to `git status --porcelain=v2 --branch -z`."""

    head: str
    """The commit that is checked out; NO_COMMIT if there is none."""
    branch: str
    """Empty if none is checked out."""
    entries: tuple[Entry, ...]

    def unmerged(self) -> list[str]:
        """Return the paths that the index has several versions of."""
        return [entry.path for entry in self.entries if entry.staged == "u"]

    def repositories(self) -> list[str]:
        """Return the folders that are repositories of their own, and not in the index."""
        found = [entry.path for entry in self.entries if entry.staged == "?"]
        return [path.rstrip("/") for path in found if path.endswith("/")]


class Tracked(NamedTuple):
    """A path in the index."""

    mode: str
    blob: str
    """Of a submodule, its commit."""
    path: str


class Change(NamedTuple):
    """A path that differs between two trees."""

    path: str
    old_path: str
    """What it was called before."""
    mode: str
    """Afterwards; GONE if it is not there any more."""
    old_blob: str
    blob: str


class Tip(NamedTuple):
    """A commit that is somewhere else than on the branch that lands."""

    name: str
    """Where it is, as the agent knows it."""
    commit: str


def read_status(text: str) -> Status:
    """Read what `git status --porcelain=v2 --branch -z` printed (git-status(1))."""
    head = NO_COMMIT
    branch = ""
    entries = []
    fields = iter(text.split("\0"))
    for field in fields:
        kind, _, rest = field.partition(" ")
        if field.startswith("# branch.oid "):
            head = field.removeprefix("# branch.oid ")
        elif field.startswith("# branch.head "):
            branch = field.removeprefix("# branch.head ").replace("(detached)", "")
        elif kind == "1":
            entries.append(_entry(rest.split(" ", 7)))
        elif kind == "2":
            entries.append(_entry(_without_score(rest)))
            next(fields)
        elif kind == "u":
            entries.append(_unmerged_entry(rest.split(" ", 9)))
        elif kind == "?":
            entries.append(Entry(rest, "?", "?", "N...", ("000000", "000000"), ""))
    return Status(head, branch, tuple(entries))


def _entry(words: list[str]) -> Entry:
    changed, submodule, _, index_mode, tree_mode, _, blob, path = words
    return Entry(path, changed[0], changed[1], submodule, (index_mode, tree_mode), blob)


def _without_score(rest: str) -> list[str]:
    """Return the fields of a renamed path as those of any other."""
    words = rest.split(" ", 8)
    return [*words[:7], words[8]]


def _unmerged_entry(words: list[str]) -> Entry:
    return Entry(words[9], "u", "u", words[1], (words[2], words[5]), "")


def read_entries(lines: Iterable[str]) -> Iterator[Tracked]:
    """Read what `git ls-files --stage -z` lists (git-ls-files(1))."""
    for line in lines:
        fields, _, path = line.partition("\t")
        mode, blob, _ = fields.split()
        yield Tracked(mode, blob, path)


def read_changes(text: str) -> list[Change]:
    """Read what `git diff --raw -z` of two trees printed (git-diff(1), raw output format)."""
    return list(_changes(iter(text.split("\0"))))


def _changes(fields: Iterator[str]) -> Iterator[Change]:
    for field in fields:
        if field.startswith(":"):
            _, mode, old_blob, blob, letter = field.split(" ")
            old_path = next(fields)
            path = next(fields) if letter[0] in "RC" else old_path
            yield Change(path, old_path, mode, old_blob, blob)


def find_operation(names: Collection[str]) -> Operation:
    """Return what git is in the middle of, by the names of the files in its folder.

    Those in `rebase-apply` and `sequencer` count with their folder's name before them."""
    if "rebase-apply/applying" in names:
        return "am"
    if "rebase-merge" in names or "rebase-apply" in names:
        return "rebase"
    if "BISECT_LOG" in names:
        return "bisect"
    if "REVERT_HEAD" in names:
        return "revert"
    if "CHERRY_PICK_HEAD" in names or "sequencer/todo" in names:
        return "cherry-pick"
    return "merge" if "MERGE_HEAD" in names else ""


def can_be_concluded(names: Collection[str]) -> bool:
    """Whether a commit ends what git is in the middle of, if all paths are merged."""
    several_steps = "sequencer/todo" in names
    return find_operation(names) in ("merge", "cherry-pick", "revert") and not several_steps


def stashed(log: str) -> list[Tip]:
    """Return all that is in the stash, from the lines of its reflog, the latest first."""
    commits = [line.split(" ", 2)[1] for line in log.split("\n") if line]
    commits.reverse()
    return [Tip(f"stash@{{{number}}}", commit) for number, commit in enumerate(commits)]


LEFT = re.compile(
    r"^([0-9a-f]{40,64}) \S+ .*\tcheckout: moving from ([0-9a-f]{40,64}) to ", re.MULTILINE
)


def left_detached(log: str) -> list[Tip]:
    """Return the commits that were left behind on no branch, from the reflog of HEAD."""
    commits = dict.fromkeys(match[1] for match in LEFT.finditer(log))
    return [Tip(f"commit {commit[:12]}, on no branch", commit) for commit in commits]


def read_refs(text: str) -> dict[str, str]:
    """Return commits by ref, from lines of LIST_REFS: a tag is the commit that it points to."""
    refs = {}
    for line in filter(None, text.split("\n")):
        thing, kind, target, target_kind, name = line.split(" ", 4)
        if kind == "commit":
            refs[name] = thing
        elif target_kind == "commit":
            refs[name] = target
    return refs


def lacking(tip: Iterable[Change], landed: Iterable[Change], differing: Iterable[Change]) -> bool:
    """Whether something that a tip changed is nowhere in what lands.

    `tip` is what it changed, `landed` what lands, `differing` what changes from it to that."""
    taken = {change.blob for change in landed if change.mode != GONE}
    other = {change.old_path for change in differing}
    return any(change.path in other and change.blob not in taken for change in tip)


# What follows


class Stock(NamedTuple):
    """What is in a clone."""

    status: Status
    operation: Operation = ""
    ours: bool = False
    """Whether it is the rebase onto the voyage's branch, which ocaptain goes on with."""
    concludes: bool = False
    """Whether a commit ends the operation."""
    unsettled: tuple[str, ...] = ()
    """Paths in conflict that the agent has not touched since it was told of them."""
    markers: tuple[str, ...] = ()
    """Paths with lines of a conflict that are not their own."""
    refused: tuple[tuple[str, str], ...] = ()
    """Paths that git cannot add, and what it said."""
    repositories: tuple[str, ...] = ()
    """Paths of repositories that `.gitmodules` does not name."""
    unpublished: tuple[str, ...] = ()
    """Paths of submodules whose commit is on this ship alone."""
    changed_submodules: tuple[str, ...] = ()
    """Paths of submodules with changes that are not committed in them."""
    elsewhere: tuple[Tip, ...] = ()
    """Work that is neither on the branch nor in the tree."""
    index_only: str = ""
    """A commit of what was staged, if the tree has something else by now."""
    changes: tuple[Change, ...] = ()
    """What lands: from the voyage's branch to all that can be added."""

    def left_out(self) -> list[str]:
        """Return the names of what does not land, though the agent did it."""
        return [*(tip.name for tip in self.elsewhere), *self.changed_submodules]

    def is_dirty(self) -> bool:
        """Whether there is something to commit."""
        return bool(self.status.entries)


def findings(stock: Stock) -> list[Finding]:
    """Return what the agent has to know of, what bars the landing first."""
    found: list[Finding] = []
    if stock.ours and stock.unsettled:
        found.append(Finding("conflict", stock.unsettled))
    elif stock.operation and not stock.ours and not _is_as_good_as_done(stock):
        found.append(Finding("operation", stock.unsettled, stock.operation))
    elif stock.unsettled:
        found.append(Finding("unmerged", stock.unsettled))
    marked = tuple(path for path in stock.markers if path not in stock.unsettled)
    found += _about("markers", marked)
    if stock.refused:
        words = "\n".join(words for _, words in stock.refused)
        found.append(Finding("refused", tuple(path for path, _ in stock.refused), words))
    found += _about("repository", stock.repositories)
    found += _about("unpublished", stock.unpublished)
    found += _about("submodule", stock.changed_submodules)
    found += _about("elsewhere", tuple(tip.name for tip in stock.elsewhere))
    return found


def _is_as_good_as_done(stock: Stock) -> bool:
    return stock.concludes and not stock.unsettled


def _about(kind: Kind, names: tuple[str, ...]) -> list[Finding]:
    return [Finding(kind, names)] if names else []


def bars(finding: Finding) -> bool:
    """Whether nothing may land before this is settled."""
    return not RULES[finding.kind].lands
