"""Brings the voyage's branch to the repository's origin, so that storage is not the only copy; and
in the end, where that is wanted, opens a pull request."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from .. import tasklist
from ..protocol import Task
from ..text import clean
from .journal import Journal

Json = dict[str, Any]

Step = tuple[str, Callable[[], Json | None], Json]
"""What has failed where the next does; that, which may return entries of `meta`, or raises; and
those for when it is over."""

GITHUB = "https://github.com/"  # whose token it is that storage has
PUSH_S, ASK_S = 300, 60
LISTED, TOLD = 150, 160  # tasks, and characters of each text: GitHub takes 65,536 in all


def errand(journal: Journal, voyage: Json) -> Step | None:
    """Bring to origin what it lacks, of these: `mirrored`, the branch's head, or `pr_url`, the pull
    request of a complete voyage."""
    meta, origin = journal.sections["meta"], voyage.get("origin") or ""
    if not origin.startswith(GITHUB) or not (journal.folder / "credentials").exists():
        return None
    if meta.get("mirrored") != meta["head"]:
        return "no push", partial(push, journal, voyage), {}
    passed = meta.get("verified", {}).get("head") == meta["head"] != meta["start"]
    wanted = passed and voyage["open_pr"] and not meta.get("pr_url")
    return ("no pull request", partial(propose, journal, voyage), {}) if wanted else None


def push(journal: Journal, voyage: Json) -> Json:
    """Push the branch's head, with the token that git's credential helper has.

    Raises OSError with what git said."""
    from .. import process

    head, to = journal.sections["meta"]["head"], f"refs/heads/{voyage['voyage']}"
    words = ["git", "-C", journal.repo, "push", "--quiet", voyage["origin"], f"{head}:{to}"]
    if (done := process.run(words, timeout=PUSH_S)).status:
        raise OSError(done.stderr.strip() or f"git push ended with status {done.status}")
    return {"mirrored": head}


def propose(journal: Journal, voyage: Json) -> Json:
    """Find the pull request, or make it. Raises OSError, or others where the answer makes no sense
    (docs.github.com/rest/pulls/pulls)."""
    token = (journal.folder / "credentials").read_text().rpartition("@")[0].rpartition(":")[2]
    repo, branch = voyage["origin"].removeprefix(GITHUB).removesuffix(".git"), voyage["voyage"]
    api, mine = f"https://api.github.com/repos/{repo}", f"{repo.partition('/')[0]}:{branch}"
    auth = {"Authorization": f"Bearer {token}"}
    if there := json.loads(ask(f"{api}/pulls?head={mine}", None, auth)):
        return {"pr_url": line(there[0]["html_url"], TOLD)}
    base = voyage["base_branch"] or json.loads(ask(api, None, auth))["default_branch"]
    what = {"title": line(voyage["objective"], TOLD), "head": branch, "base": base}
    what["body"] = summary(journal.sections["meta"]["head"], journal.sections["tasks"])
    return {"pr_url": line(json.loads(ask(f"{api}/pulls", what, auth))["html_url"], TOLD)}


def ask(url: str, data: Json | None, headers: dict[str, str]) -> bytes:
    """What an HTTP server answers to a GET, or to a POST of `data` as JSON, up to a million bytes.
    Raises OSError, with what the server said where it refuses, or HTTPException."""
    from urllib import error, request

    body = json.dumps(data).encode() if data else None
    try:
        asked = request.Request(url, body, headers)  # noqa: S310 - it is http or https
        with request.urlopen(asked, timeout=ASK_S) as answer:  # noqa: S310
            return bytes(answer.read(1_000_000))
    except error.HTTPError as refused:
        raise OSError(f"{refused.code} {refused.read(9999).decode(errors='replace')}") from None


def summary(head: str, tasks: dict[str, Task]) -> str:
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
