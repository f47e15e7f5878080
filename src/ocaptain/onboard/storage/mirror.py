"""The background job that brings the voyage's branch to origin, so that storage does not have the
only copy. If the captain wants one, it opens a pull request in the end."""

from __future__ import annotations

import json
from functools import partial

from .. import tasklist
from ..text import one_line
from .job import Step, http_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from ..protocol import Meta, Task, VoyageRecord
    from .job import Timing
    from .journal import Journal

GITHUB = "https://github.com/"
"""The host that storage has a token for."""
GITHUB_API = "https://api.github.com/repos/"
TITLE_LIMIT = 160
URL_LIMIT = 160
LISTED_TASKS = 150
LISTED_TEXT = 160
"""Characters of each text of a listed task: GitHub takes 65,536 in all."""


def next_step(journal: Journal, voyage: VoyageRecord, timing: Timing) -> Step | None:
    """Return how to bring to origin what it lacks: the branch, or the pull request."""
    meta = journal.sections["meta"]
    origin = voyage["origin"] or ""
    if not origin.startswith(GITHUB) or not credentials(journal).exists():
        return None
    if meta.get("mirrored") != meta["head"]:
        return Step(partial(push, journal, voyage, timing), "no push", {})
    if wants_pull_request(meta, voyage):
        return Step(partial(open_pull_request, journal, voyage, timing), "no pull request", {})
    return None


def wants_pull_request(meta: Meta, voyage: VoyageRecord) -> bool:
    """Whether the voyage is complete, has changed something and has no pull request yet."""
    if not voyage["open_pr"] or meta.get("pr_url") or "verified" not in meta:
        return False
    is_complete = meta["verified"]["head"] == meta["head"]
    return is_complete and meta["head"] != meta["start"]


def push(journal: Journal, voyage: VoyageRecord, timing: Timing) -> Meta:
    """Push the branch, with the token that git's credential helper has.

    Raises OSError with what git said."""
    from .. import process

    head = journal.sections["meta"]["head"]
    refspec = f"{head}:refs/heads/{voyage['voyage']}"
    argv = ["git", "-C", str(journal.repo), "push", "--quiet", voyage["origin"] or "", refspec]
    done = process.run(argv, timeout=timing.push_s)
    if done.status:
        raise OSError(done.stderr.strip() or f"git push ended with status {done.status}")
    return {"mirrored": head}


def open_pull_request(journal: Journal, voyage: VoyageRecord, timing: Timing) -> Meta:
    """Find the voyage's pull request, or make it (docs.github.com/rest/pulls/pulls).

    Raises OSError, HTTPException, or one of UNSOUND if the answer makes no sense."""
    repo = (voyage["origin"] or "").removeprefix(GITHUB).removesuffix(".git")
    owner = repo.partition("/")[0]
    branch = voyage["voyage"]
    headers = {"Authorization": f"Bearer {read_token(journal)}"}

    def ask(path: str, data: Mapping[str, Any] | None = None) -> Any:
        return json.loads(http_request(f"{GITHUB_API}{repo}{path}", data, headers, timing.http_s))

    pulls = ask(f"/pulls?head={owner}:{branch}")
    if pulls:
        return {"pr_url": one_line(pulls[0]["html_url"], URL_LIMIT)}
    base = voyage["base_branch"] or ask("")["default_branch"]
    pull = {
        "title": one_line(voyage["objective"], TITLE_LIMIT),
        "head": branch,
        "base": base,
        "body": summary(journal.sections["meta"]["head"], journal.sections["tasks"]),
    }
    return {"pr_url": one_line(ask("/pulls", pull)["html_url"], URL_LIMIT)}


def credentials(journal: Journal) -> Path:
    """Return where git's credential helper keeps the token, if storage has one."""
    return journal.folder / "credentials"


def read_token(journal: Journal) -> str:
    """Return the git host's token, from `https://USER:TOKEN@HOST`."""
    login = credentials(journal).read_text().rpartition("@")[0]
    return login.rpartition(":")[2]


def summary(head: str, tasks: Mapping[str, Task]) -> str:
    """Return the text of the pull request: what became of each task, or of the first of them.

    What others wrote is in a block of code, where markup, mentions and issue numbers mean nothing.
    Only a line that begins with backticks could end that."""
    lines = [
        f"`verify.sh` passed on a fresh clone of {head}, with all {len(tasks)} tasks done:",
        "",
        "```",
    ]
    by_number = sorted(tasks.values(), key=lambda task: tasklist.order(task["id"]))
    for task in by_number[:LISTED_TASKS]:
        metadata = tasklist.metadata(task)
        subject = one_line(task.get("subject", ""), LISTED_TEXT)
        result = metadata.get("commit") or one_line(metadata.get("note", ""), LISTED_TEXT)
        lines.append(f"{task['id']}. {subject}: {result}")
    lines.append("```")
    return "\n".join(lines)
