"""All that is known of one task."""

from __future__ import annotations

from .. import tasklist
from . import books, reviews, train
from .call import refusal, text
from .orders import lookup_task
from .standing import moment
from .status import task_row
from .train_status import cars
from .transcripts import kept_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from ..picture import Diff
    from ..protocol import (
        CarStatus,
        ChangedFile,
        Claim,
        ClaimRow,
        Json,
        Landed,
        LandedCommit,
        LinkedTask,
        Task,
        TaskDetails,
    )
    from .call import Call
    from .journal import Journal

COMMITS_LIMIT = 50
FILES_LIMIT = 200
"""How many commits and files of a landing are named."""
DIFF_BYTES = 400_000
"""How much of a diff is shown."""
LANDINGS_LIMIT = 2_000
"""How many commits back from a landing the one before it is looked for."""


def task(call: Call) -> TaskDetails:
    """Return all that is known of `task`; what git knows of it is for `with_landed`."""
    found = lookup_task(call, text(call.request, "task"))
    return describe(call, found, base_of(call, found))


def describe(call: Call, found: Task, base: str | None) -> TaskDetails:
    """Return all that is known of a task, which has landed on `base`."""
    claims = call.claims_of(found["id"])
    dependants = tasklist.dependants(call.task_outlines).get(found["id"], [])
    return {
        **task_row(call, found, car_of(call, found["id"]), claims),
        "description": str(found.get("description") or ""),
        "files": tasklist.files(found),
        "run": command(found),
        "blockers": linked(call, tasklist.blockers(found)),
        "dependants": linked(call, dependants),
        "claims": [claim_row(call, claim) for claim in claims],
        "base": base,
        "landed": None,
    }


def car_of(call: Call, task_id: str) -> CarStatus | None:
    """Return the place of a task in the train; None if it has none."""
    cars_of_task = [car for car in cars(call, train.load(call)) if car["task"] == task_id]
    return cars_of_task[0] if cars_of_task else None


def command(found: Any) -> str | None:
    """Return what the `shell` agent executes for a task."""
    run = tasklist.metadata(found).get("run")
    return run if isinstance(run, str) else None


def linked(call: Call, ids: Iterable[str]) -> list[LinkedTask]:
    """Return some tasks as those that another is linked with, in the order of ids."""
    rows: list[LinkedTask] = []
    for task_id in sorted(ids, key=tasklist.order):
        other = call.tasks.get(task_id)
        subject = str(other.get("subject") or "") if other else ""
        status = tasklist.state(other) if other else "missing"
        rows.append({"id": task_id, "subject": subject, "status": status})
    return rows


def claim_row(call: Call, claim: Claim) -> ClaimRow:
    """Return a claim as an attempt at its task."""
    claimed = claim["claimed_at"]
    ended = claim.get("ended_at")
    return {
        "number": claim["number"],
        "ship": claim["ship"],
        "agent": claim.get("agent"),
        "state": claim["state"],
        "claimed": claimed,
        "claimed_at": moment(claimed) or "",
        "ended": ended,
        "ended_at": moment(ended),
        "took_s": round(max(0.0, ended - claimed), 1) if ended else None,
        "cost_usd": books.claim_cost(claim),
        "usage": books.by_model(claim),
        "reason": claim.get("why"),
        "last_words": claim.get("last_words"),
        "reviews": [reviews.row(review) for review in claim.get("reviews", [])],
        "commit": claim.get("commit"),
        "transcript": kept_bytes(call.journal, claim),
    }


def base_of(call: Call, found: Task) -> str | None:
    """Return the commit that a task has landed on: the branch's first, or what landed before."""
    commit = tasklist.metadata(found).get("commit")
    if not commit:
        return None
    landed = {tasklist.metadata(other).get("commit") for other in call.tasks.values()}
    landed = {*landed, call.meta["start"]} - {commit}
    words = ("rev-list", "--first-parent", f"--max-count={LANDINGS_LIMIT}", commit, "--")
    ancestors = call.git(*words).split()
    return next((ancestor for ancestor in ancestors if ancestor in landed), None)


def bases(call: Call) -> dict[str, str]:
    """Return for each commit that a task has landed as the one that it has landed on.

    It asks git once, for all."""
    landed = {tasklist.metadata(task).get("commit") for task in call.tasks.values()}
    found = {}
    above = ""
    for commit in call.git("rev-list", "--first-parent", call.meta["head"], "--").split():
        is_start = commit == call.meta["start"]
        if above and (is_start or commit in landed):
            found[above] = commit
        if is_start:
            break
        if commit in landed:
            above = commit
    return found


# What git knows


def with_landed(journal: Journal, answer: Json) -> Json:
    """Return the answer with what the task has brought to the branch.

    This needs no lock: what has landed stays."""
    base = answer["base"]
    commit = answer["commit"]
    if base is None:
        return answer
    commits = commits_between(journal, base, commit)
    files = files_between(journal, base, commit)
    landed: Landed = {
        "commits": commits[:COMMITS_LIMIT],
        "files": files[:FILES_LIMIT],
        "changed": len(files),
        "added": sum(file["added"] or 0 for file in files),
        "removed": sum(file["removed"] or 0 for file in files),
    }
    return {**answer, "landed": landed}


def with_diff(journal: Journal, answer: Json) -> Json:
    """Return the answer to `diff`: what the task of these details has changed on the branch."""
    if answer["base"] is None:
        error = f"task {answer['id']} has no commit on the branch"
        return refusal("task", error)
    return {"ok": True, **diff(journal, answer["id"], answer["base"], answer["commit"])}


def diff(journal: Journal, task_id: str, base: str, commit: str) -> Diff:
    """Return what differs between two commits, as far as somebody may want to read it."""
    words = ("diff", "--no-color", "--no-ext-diff", "--no-textconv", "-M", base, commit, "--")
    from .. import process  # which takes longer to import than most calls take

    shown = process.beginning(["git", "-C", journal.repo, *words], DIFF_BYTES + 1)
    return {
        "task": task_id,
        "base": base,
        "commit": commit,
        "text": shown[:DIFF_BYTES].decode(errors="replace"),
        "cut": len(shown) > DIFF_BYTES,
    }


def commits_between(journal: Journal, base: str, commit: str) -> list[LandedCommit]:
    """Return the commits since `base`, the latest first."""
    listed = journal.git("log", "-z", "--format=%H %s", f"{base}..{commit}", "--").stdout
    commits: list[LandedCommit] = []
    for line in listed.split("\0"):
        name, _, subject = line.partition(" ")
        if name:
            commits.append({"commit": name, "subject": subject})
    return commits


def files_between(journal: Journal, base: str, commit: str) -> list[ChangedFile]:
    """Return how the files differ that do."""
    words = ("diff", "--numstat", "-z", "--no-renames", "--no-ext-diff", base, commit, "--")
    files: list[ChangedFile] = []
    for line in journal.git(*words).stdout.split("\0"):
        added, _, rest = line.partition("\t")
        removed, _, path = rest.partition("\t")
        if path:
            files.append({"path": path, "added": lines(added), "removed": lines(removed)})
    return files


def lines(count: str) -> int | None:
    """Return how many lines git counts; None of a binary file."""
    return int(count) if count.isdigit() else None
