"""The agent's work in a clone, and its way to the branch."""

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from tempfile import NamedTemporaryFile
from typing import NamedTuple

from ..protocol import EnterAnswer
from . import phantoms, rescue
from .clone import Clone
from .git import GitFailed
from .staging import commit_tree
from .stock import NO_COMMIT, Stock
from .survey import Survey

# All that is in commits, whatever attributes say.
ALL_OF_COMMITS = ("-p", "-m", "--format=%an%n%ae%n%B", "--text", "--no-textconv", "--no-ext-diff")


class Divergence(NamedTuple):
    """How what is checked out and another commit have moved apart."""

    lacks: bool
    """Whether what is checked out lacks commits that the other has."""
    has_merges: bool
    """Whether some of those that only it has are merges."""


class Work:
    """What an agent does in a clone. Methods raise OSError, as the clone's do."""

    def __init__(self, clone: Clone) -> None:
        self.clone = clone
        self.git = clone.git
        self.survey = Survey(clone)
        self._finished = ""
        """The commit of an ended turn that the work ref is at."""
        self._saved = ""
        """The commit that the work ref is at."""
        self._ref = ""
        """The work ref that was pushed to."""
        self._versions: set[str] = set()
        """Commits with the same work, on top of one head of the branch and the other."""

    def begin(self) -> None:
        """Take what is in the clone now for what was there before."""
        self.survey.begin()
        self._versions.clear()
        self._recall()

    # The agent's work

    def take_stock(self) -> Stock:
        """Take stock when a turn has ended, also if the agent has broken git's folder."""
        try:
            self.clone.mend()
            return self.survey.take()
        except OSError as failure:
            rescue.rescue(self.clone, str(failure))
            return self.survey.take()

    def commit(self, stock: Stock, message: str) -> None:
        """Commit what was found uncommitted, unless that belongs to a rebase."""
        if stock.is_dirty():
            self.survey.staging.index.replace(self.git.directory / "index")
        elif not stock.operation:
            return
        if self.is_rebasing():
            return
        if stock.operation or self._differs(stock):
            self.git.run("commit", "--quiet", "--allow-empty", "--cleanup=verbatim", "-m", message)
        if any(entry.unstaged == "M" for entry in stock.status.entries):
            phantoms.settle(self.git)  # or a rebase would not begin

    def _differs(self, stock: Stock) -> bool:
        """Whether what is staged differs from HEAD, as far as git can tell."""
        if stock.status.head == self.clone.upstream and stock.changes:
            return True
        words = ("diff-index", "--cached", "--quiet", "--ignore-submodules=none", "HEAD")
        return self.git.ask(*words).status != 0

    def is_rebasing(self) -> bool:
        """Whether a rebase has stopped half-way."""
        return (self.git.directory / "rebase-merge").exists()

    def tip(self) -> str:
        """Return the commit with all the work: if a rebase has stopped, what is being rebased."""
        with suppress(FileNotFoundError):
            rebased = (self.git.directory / "rebase-merge" / "orig-head").read_text().strip()
            return self.git.run("rev-parse", rebased)
        return self.git.head()

    def contains(self, secrets: Sequence[str], commit: str = "HEAD") -> bool:
        """Whether a commit, or one before it that is not on the branch, holds a secret."""
        if not secrets:
            return False
        keys = [secret.encode() for secret in secrets]
        with NamedTemporaryFile() as log:  # it may be too long for memory
            span = f"{self.clone.upstream}..{commit}"
            self.git.run("log", *ALL_OF_COMMITS, f"--output={log.name}", span)
            return any(key in line for line in log for key in keys)

    def uncommit(self) -> None:
        """Undo the commits, and keep what they changed in the working tree."""
        if self.is_rebasing():
            self.git.run("rebase", "--abort")
        self.git.run("reset", "--quiet", self.survey.base("HEAD"))

    # To the branch

    def rebase(self, onto: str = "") -> list[str]:
        """Rebase onto the voyage branch, or go on with that. Returns the paths in conflict.

        With `onto`, a commit of storage's is taken for the branch's head. While a rebase is under
        way nothing else is in conflict, and what was is staged."""
        tip = self.tip()
        goes_on = self.is_rebasing()
        if tip not in self._versions:
            self._versions = {tip}
        try:
            if goes_on:
                self.git.run("rebase", "--continue")
            self._fetch(onto)
            divergence = self._divergence_from(self.clone.upstream)
            if divergence.lacks:
                goes_on = False
                if divergence.has_merges:
                    self._flatten()
                tip = self.tip()
                self.git.run("rebase", self.clone.upstream)
        except GitFailed:
            self.survey.note_stop(tip)
            conflicts = self.survey.conflicts()
            if not conflicts:
                raise
            self.survey.follow()
            return conflicts
        self._note_rebased(goes_on)
        return []

    def go_back(self, ref: str, commit: str) -> None:
        """Have the work as it was before it was put on something else, and nothing besides."""
        self.survey.note_submodules()
        self.clone.restore(ref, commit)
        self.survey.follow()
        self.survey.begin()
        self._recall()

    def last_to_change(self, place: EnterAnswer, paths: Collection[str]) -> str:
        """Return the last commit ahead in the train that changes any of these paths.

        If that cannot be told, the base."""
        later = place["base"]
        for earlier in reversed(place["ahead"][:-1]):
            changed = self.git.paths("diff", "--name-only", "--no-renames", "-z", earlier, later)
            if not set(paths).isdisjoint(changed):
                return later
            later = earlier
        return later

    def _note_rebased(self, goes_on: bool) -> None:
        """Note that what is checked out is the same work as before, unless the agent had a say."""
        if goes_on:
            self._versions.clear()
        self._versions.add(self.tip())
        self.survey.rebased = ""
        self.survey.follow()

    def push(self, commit: str, ref: str, secrets: Sequence[str]) -> bool:
        """Push a commit to a work ref. Returns False, and does not, if it holds a secret.

        What the ref had when an earlier turn ended stays, under a further ref."""
        self._recall()
        refs = {ref: commit}
        if self._is_dropped(commit):
            refs[further(ref, self._finished)] = self._finished
        if not self._push(refs, secrets):
            return False
        self._finished = commit
        self._saved = commit
        self._ref = ref
        return True

    def keep(self, commits: Iterable[str], ref: str, secrets: Sequence[str]) -> None:
        """Push commits that do not land to further refs. What holds a secret stays here."""
        for commit in commits:
            self._push({further(ref, commit): commit}, secrets)

    def save(self, ref: str, secrets: Sequence[str], *, ended: bool = False) -> list[str]:
        """Bring to storage what it has not: commits, and a snapshot of a dirty tree.

        If the agent has `ended` also what it has elsewhere. What holds a secret stays here.
        Returns the paths of what git cannot add."""
        stock = self.take_stock() if ended else self.survey.take()
        commit = self._snapshot(stock)
        if commit != self._saved and self._is_new(commit) and self._push({ref: commit}, secrets):
            self._saved = commit
            self._ref = ref
        if ended:
            self.keep(apart(stock), ref, secrets)
        return [path for path, _ in stock.refused]

    # What these share

    def adds_to_branch(self, commit: str) -> bool:
        """Whether a commit, or one before it, is not on the branch."""
        span = f"{self.clone.upstream}..{commit}"
        return bool(self.git.run("rev-list", "--max-count=1", span))

    def _recall(self) -> None:
        """Have what the work ref had, also in a new clone, or after the agent has cleaned up."""
        if self._is_lost(self._saved):
            self.git.run_with_storage("fetch", "--quiet", "origin", self._ref)
        if self._is_lost(self._finished):
            self._finished = self._saved

    def _is_lost(self, commit: str) -> bool:
        return bool(commit) and not self.git.has(commit)

    def _fetch(self, onto: str) -> None:
        """Learn where the branch is, or take a commit of storage's for its head."""
        if onto:
            self.clone.fetch_commit(onto)
        else:
            self.clone.fetch()
        self.survey.note_submodules()

    def _divergence_from(self, commit: str) -> Divergence:
        """Return how what is checked out and a commit have moved apart."""
        words = ("rev-list", "--left-right", "--parents", f"{commit}...HEAD")
        lines = self.git.run(*words).splitlines()
        lacks = any(line.startswith("<") for line in lines)
        own = [line for line in lines if line.startswith(">")]
        has_merges = any(line.count(" ") > 1 for line in own)  # each parent has one before it
        return Divergence(lacks, has_merges)

    def _flatten(self) -> None:
        """Make one commit of a history with merges: a rebase would drop what was done in them."""
        self.git.run("reset", "--quiet", "--soft", self.survey.base("HEAD"))
        self.git.run("commit", "--quiet", "--allow-empty", "--reuse-message=ORIG_HEAD")
        self._versions.add(self.tip())

    def _is_dropped(self, commit: str) -> bool:
        """Whether a push of this commit would lose what the work ref had at a turn's end."""
        before = self._finished
        if not before or before in (commit, *self._versions):
            return False
        return self.git.ask("merge-base", "--is-ancestor", before, commit).status != 0

    def _is_new(self, commit: str) -> bool:
        new = self.git.run("rev-list", "--max-count=1", commit, "--not", "--remotes=origin")
        return bool(new)

    def _push(self, refs: dict[str, str], secrets: Sequence[str]) -> bool:
        if any(self.contains(secrets, commit) for commit in refs.values()):
            return False
        pairs = [f"{commit}:refs/heads/{ref}" for ref, commit in refs.items()]
        self.git.run_with_storage("push", "--quiet", "--force", "origin", *pairs)
        return True

    def _snapshot(self, stock: Stock) -> str:
        """Return a commit with all that can be added, and all that was saved before.

        That is HEAD if nothing else has it."""
        head = stock.status.head
        if head == NO_COMMIT:
            head = self.clone.upstream
        self._recall()
        staging = self.survey.staging
        staging.stage_insides(stock.repositories)
        tree = staging.tree()
        parents = [head]
        if self.is_rebasing():
            if tree == self.survey.stopped_tree:
                return self.tip()
            parents.append(self.tip())
        if self._saved and self._saved not in (head, *self._versions):
            parents.append(self._saved)
        parents = self._not_in_others(parents)
        if parents == [head] and tree == self.git.run("rev-parse", f"{head}^{{tree}}"):
            return head
        return commit_tree(self.git, staging.index, parents)

    def _not_in_others(self, commits: Sequence[str]) -> list[str]:
        """Return the first commit, and of the others those that it does not have."""
        first, *others = dict.fromkeys(commits)
        if others:
            done = self.git.run("rev-list", "--no-walk", *others, "--not", first)
            others = done.split()
        return [first, *others]


def further(ref: str, commit: str) -> str:
    """Return the further ref that keeps a commit, next to a claim's work ref. It never moves."""
    return f"{ref}+{commit[:12]}"


def apart(stock: Stock) -> list[str]:
    """Return the commits that were found and do not land."""
    commits = [tip.commit for tip in stock.elsewhere]
    return [*commits, *([stock.index_only] if stock.index_only else [])]
