"""What a git host means that refuses a push, and what the captain can do about it."""

from __future__ import annotations

import re

from .. import process, tasklist

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .journal import Journal

REJECTED = re.compile(r"^!\t[^\t]*\t\[[a-z ]*\] \(?(.*?)\)?$", re.MULTILINE)
"""A ref that was not taken, as `git push --porcelain` tells it: why."""
NO_ENTRY = re.compile(r"error: 40[134]\b|Authentication failed|Repository not found")
"""What git says if the host does not let it in."""
TOO_LARGE = re.compile(r"File (.+) is ([\d.]+ MB); this exceeds .* limit of ([\d.]+ MB)")
"""docs.github.com, About large files on GitHub."""
NO_SCOPE = re.compile(r"create or update workflow `(.+?)` without `workflow` scope")
"""What GitHub says of a token that may not change what Actions do."""
HOME = "Storage has all of it. To bring it home: ocaptain fetch"
BETTER = "To give another token: export GH_TOKEN=…; ocaptain resume"


def is_refusal(done: process.Done) -> bool:
    """Whether a push failed because the host said no, and not because something was in the way."""
    return bool(REJECTED.search(done.stdout) or NO_ENTRY.search(done.stderr))


def explain(journal: Journal, ref: str, done: process.Done) -> str:
    """Return what a host refuses, which task did that, and what to type."""
    said = words_of_host(done.stderr)
    rejected = REJECTED.search(done.stdout)
    if not rejected:
        return f"{said} {BETTER}"
    why = rejected[1]
    if large := TOO_LARGE.search(said):
        path, size, most = large.groups()
        return (
            f"{path} ({size}, {blame(journal, path)}) is larger than the {most} that the host "
            f"takes. {HOME}"
        )
    if workflow := NO_SCOPE.search(why):
        path = workflow[1]
        return (
            f"{path} ({blame(journal, path)}) tells CI what to do, and GH_TOKEN lacks the scope "
            f"`workflow`. To read it and push yourself: ocaptain fetch. {BETTER}"
        )
    if ref.startswith("refs/ocaptain/"):
        return f"{ref} is refused: {why}. The branch is pushed once the voyage is complete. {said}"
    return f"{ref} is refused: {why}. {HOME}. {said}"


def words_of_host(stderr: str) -> str:
    """Return what the host said of what git printed; if that is nothing, all of it."""
    lines = stderr.splitlines()
    remote = [line.removeprefix("remote: ") for line in lines if line.startswith("remote: ")]
    return " ".join(remote or lines).strip()


def blame(journal: Journal, path: str) -> str:
    """Return by which commit of which task the branch has the largest version of a file."""
    start = journal.sections["meta"]["start"]
    head = journal.sections["meta"]["head"]
    commits = git(journal, "log", "--format=%H", f"{start}..{head}", "--", f":(literal){path}")
    sizes = {commit: size_of(journal, commit, path) for commit in commits.split()}
    if not sizes:
        return "of no task"
    commit = max(sizes, key=lambda each: sizes[each])
    task_id = task_of(journal, commit)
    if task_id is None:
        return f"commit {commit[:12]}"
    return f"task {task_id}, commit {commit[:12]}"


def size_of(journal: Journal, commit: str, path: str) -> int:
    """Return the size in bytes that a file has in a commit, 0 if it has none."""
    return int(git(journal, "cat-file", "-s", f"{commit}:{path}") or 0)


def task_of(journal: Journal, commit: str) -> str | None:
    """Return the task that a commit of the branch landed with, if any."""
    landed = {
        tasklist.metadata(task).get("commit"): task_id
        for task_id, task in journal.sections["tasks"].items()
    }
    head = journal.sections["meta"]["head"]
    later = git(journal, "rev-list", "--reverse", f"{commit}..{head}").split()
    for each in [commit, *later]:
        if each in landed:
            return landed[each]
    return None


def git(journal: Journal, *words: str) -> str:
    """Return what git prints, nothing if it fails."""
    return process.run(["git", "-C", journal.repo, *words]).stdout.strip()
