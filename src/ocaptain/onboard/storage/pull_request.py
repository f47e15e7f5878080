"""The pull request that a complete voyage is proposed by."""

from __future__ import annotations

import json
import re

from .. import process, tasklist
from ..text import one_line
from .github import GITHUB, GITHUB_API, read_token
from .job import http_request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ..protocol import Meta, Task, VoyageRecord
    from .job import Timing
    from .journal import Journal

TITLE_LIMIT = 160
URL_LIMIT = 160
LISTED_TASKS = 150
LISTED_FILES = 50
LISTED_TEXT = 160
"""Characters of each text that is listed: GitHub takes 65,536 in all."""
COMMIT = re.compile(r"[0-9a-f]{40,64}")
SHORT_COMMIT = 12
CI_PLACES = (
    ".appveyor",
    ".azure-pipelines",
    ".buildkite",
    ".ci",
    ".drone",
    ".forgejo",
    ".gitea",
    ".github",
    ".gitlab",
    ".pre-commit-config",
    ".semaphore",
    ".teamcity",
    ".tekton",
    ".travis",
    ".woodpecker",
    "action.y",
    "appveyor.y",
    "azure-pipelines",
    "bitbucket-pipelines",
    "buildspec.y",
    "cloudbuild.",
    "jenkinsfile",
)
"""How the paths begin, in small letters, of files that tell the usual CI systems what to run."""


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
    text = summary(
        f"{GITHUB}{repo}",
        branch,
        journal.sections["meta"],
        journal.sections["tasks"],
        changed_ci_files(journal),
    )
    pull = {
        "title": one_line(voyage["objective"], TITLE_LIMIT),
        "head": branch,
        "base": base,
        "body": text,
    }
    return {"pr_url": one_line(ask("/pulls", pull)["html_url"], URL_LIMIT)}


def changed_ci_files(journal: Journal) -> list[str]:
    """Return the files that steer CI and that the voyage has changed. Raises OSError if git fails.

    A file that was moved counts as two."""
    meta = journal.sections["meta"]
    words = ["diff", "--name-only", "--no-renames", "-z", meta["start"], meta["head"]]
    done = process.run(["git", "-C", journal.repo, *words])
    if done.status:
        raise OSError(f"git diff: {done.stderr.strip()}")
    return [path for path in done.stdout.split("\0") if path.lower().startswith(CI_PLACES)]


def summary(
    web: str, voyage: str, meta: Meta, tasks: Mapping[str, Task], ci_files: Sequence[str]
) -> str:
    """Return the text of the pull request: which files to read first, and what became of each task.

    `web` is the repository's address. Of many the first are named."""
    start, head = meta["start"], meta["head"]
    lines = [*warning(ci_files)]
    lines += [
        f"`verify.sh` passed on a fresh clone of {head}, with all {len(tasks)} tasks done:",
        "",
    ]
    by_number = sorted(tasks.values(), key=lambda task: tasklist.order(task["id"]))
    lines += [f"- {outcome(web, task)}" for task in by_number[:LISTED_TASKS]]
    lines += [
        "",
        f"[All that is changed]({web}/compare/{start}...{head}). Attempts, costs, logs and",
        f"transcripts are with who sailed this: `ocaptain report {voyage}`",
    ]
    return "\n".join(lines)


def warning(ci_files: Sequence[str]) -> list[str]:
    """Return lines that name the files that steer CI, if there are any."""
    if not ci_files:
        return []
    names = [one_line(path, LISTED_TEXT) for path in ci_files[:LISTED_FILES]]
    more = len(ci_files) - len(names)
    if more:
        names.append(f"… and {more} more")
    return [
        "**Agents changed what tells CI what to do. Read these files first:**",
        "",
        *block(names),
        "",
    ]


def outcome(web: str, task: Task) -> str:
    """Return what became of a task, on one line, with a link to its commit."""
    metadata = tasklist.metadata(task)
    said = f"{task['id']}. {one_line(task.get('subject', ''), LISTED_TEXT)}"
    commit = metadata.get("commit")
    if commit and COMMIT.fullmatch(commit):
        return f"[`{commit[:SHORT_COMMIT]}`]({web}/commit/{commit}) {code(said)}"
    return code(f"{said}: {one_line(metadata.get('note', ''), LISTED_TEXT)}")


def code(text: str) -> str:
    """Return a text that others wrote as code, where markup, mentions and issue numbers mean
    nothing. Only a backtick could end that: there are none in it."""
    plain = text.replace("`", "'")
    return f"`{plain}`"


def block(lines: Sequence[str]) -> list[str]:
    """Return lines that others wrote as a block of code, where markup, mentions and issue numbers
    mean nothing. Only a line that begins with backticks could end that: none of these does."""
    return ["```", *lines, "```"]
