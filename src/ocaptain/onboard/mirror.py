"""Brings the voyage's branch to the repository's origin, so that storage is not the only copy.

A detached child of harbor, one at a time. What it has to do follows from the journal alone, so it
does not matter which call started it, or when it was killed. The lock file's mtime is when the
last attempt began or failed; after a good one it is 0.
"""

import fcntl
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from . import tasklist
from .journal import Journal, open_voyage
from .text import clean

GITHUB = "https://github.com/"  # whose token it is that storage has
PUSH_S, ASK_S, PAUSE_S = 300, 60, 30
LISTED, TOLD = 150, 160  # tasks, and characters of each text: GitHub takes 65,536 in all


def due(journal: Journal, voyage: dict[str, Any]) -> bool:
    """Whether origin lacks something that it could be brought, unless that was tried just now.

    This may look at a journal outside the lock: `main` looks again."""
    folder = journal.folder
    if not outstanding(journal, voyage) or not (folder / "credentials").exists():
        return False
    tried = [lock.stat().st_mtime for lock in folder.glob("mirror.lock")]
    return not any(0 <= time.time() - begun < PAUSE_S for begun in tried)


def outstanding(journal: Journal, voyage: dict[str, Any]) -> str | None:
    """What origin lacks, by the entry of `meta` that is to have it: `mirrored`, the branch's head,
    or `pr`, the pull request of a complete voyage."""
    meta = journal.sections["meta"]
    if not (voyage.get("origin") or "").startswith(GITHUB):
        return None
    if meta.get("mirrored") != meta.get("head"):
        return "mirrored"
    passed = meta.get("verified", {}).get("head") == meta["head"] != meta["start"]
    return "pr" if passed and voyage["pr"] and not meta.get("pr") else None


def start(home: Path) -> None:
    """Run `main` in a process that has nothing of this one's: no lock, no pipe, no session."""
    from subprocess import DEVNULL  # which takes longer to import than most calls take

    from . import process

    argv = process.program(home, "mirror.main")
    process.start(argv, cwd=home, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)


def main(home: Path, _argv: list[str]) -> None:
    """Bring to origin what it lacks, until that fails, unless another is already at it."""
    journal, voyage = open_voyage(home)
    with (home / "voyage" / "mirror.lock").open("a") as lock, suppress(BlockingIOError):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.utime(lock.fileno())
        while went_well := advance(journal, voyage):
            pass
        os.utime(lock.fileno(), (0, 0) if went_well is None else None)


def advance(journal: Journal, voyage: dict[str, Any]) -> bool | None:
    """Bring one thing to origin and note that, or why not, in the journal; whether it went well,
    None where there was nothing to do."""
    with journal.locked():
        todo, meta = outstanding(journal, voyage), journal.sections["meta"]
        head, tasks = meta["head"], journal.sections["tasks"]
        told = summary(head, tasks) if todo == "pr" else ""
    if not todo:
        return None
    token = (journal.folder / "credentials").read_text().rpartition("@")[0].rpartition(":")[2]
    news: dict[str, Any] = {"mirror_fault": None}
    try:
        news[todo] = propose(voyage, token, told) if told else push(journal, voyage, head)
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as why:
        news["mirror_fault"] = line(str(why).replace(token, "***"), 300)
    if change := {key: value for key, value in news.items() if meta.get(key) != value}:
        with journal.locked():
            journal.commit("harbor", {"op": "mirror", "claim": None}, {"meta": change})
    return todo in news


def push(journal: Journal, voyage: dict[str, Any], head: str) -> str:
    """Push the branch's head, with the token that git's credential helper has, and return it.

    Raises OSError with what git said."""
    from . import process

    words = ("push", "--quiet", voyage["origin"], f"{head}:refs/heads/{voyage['voyage']}")
    if (done := process.run(["git", "-C", journal.repo, *words], timeout=PUSH_S)).status:
        raise OSError(done.err.strip() or f"git push ended with status {done.status}")
    return head


def propose(voyage: dict[str, Any], token: str, told: str) -> str:
    """Find the pull request, or make it, and return its URL. Raises OSError, or
    others where the answer makes no sense (docs.github.com/rest/pulls/pulls)."""
    from urllib import error, request

    repo, branch = voyage["origin"].removeprefix(GITHUB).removesuffix(".git"), voyage["voyage"]

    def ask(path: str, data: dict[str, str] | None = None) -> Any:
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"}
        body = json.dumps(data).encode() if data else None
        asked = request.Request(f"https://api.github.com/repos/{repo}{path}", body, headers)
        with request.urlopen(asked, timeout=ASK_S) as answer:  # noqa: S310 - it is https
            return json.load(answer)

    try:
        if there := ask(f"/pulls?head={repo.partition('/')[0]}:{branch}"):
            return str(there[0]["html_url"])
        base = voyage["base"] or ask("")["default_branch"]
        what = {"title": line(voyage["objective"], TOLD), "head": branch, "base": base}
        return str(ask("/pulls", {**what, "body": told})["html_url"])
    except error.HTTPError as refused:
        said = refused.read().decode(errors="replace")
        raise OSError(f"no pull request: {refused.code} {said}") from None


def summary(head: str, tasks: dict[str, tasklist.Task]) -> str:
    """What a pull request says: what became of each task, the first of them where there are many.

    What others wrote is in a block of code, where markup, mentions and issue numbers mean nothing;
    only a line that begins with backticks could end that."""
    passed = f"`verify.sh` passed on a fresh clone of {head}, with all {len(tasks)} tasks done:"
    told = [passed, "", "```"]
    for task in sorted(tasks.values(), key=lambda task: tasklist.order(task["id"]))[:LISTED]:
        notes = tasklist.metadata(task)
        done = notes.get("commit") or line(notes.get("note", ""), TOLD)
        told.append(f"{task['id']}. {line(task.get('subject', ''), TOLD)}: {done}")
    return "\n".join([*told, "```"])


def line(text: str, most: int) -> str:
    """Text as one line of at most so many characters."""
    return " ".join(clean(text, keep="\n\t").split())[:most]
