"""The background job that brings the voyage's commits to origin, so that storage does not have the
only copy.

Under way they go to a ref that is no branch, for a push to a branch starts people's CI: what agents
wrote would run there, with the repository's secrets, before the voyage is complete. The branch is
pushed then, and if the captain wants one, a pull request is opened.
"""

from __future__ import annotations

from functools import partial

from .github import GITHUB, credentials
from .job import Rejected, Step

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..protocol import Meta, OriginRefusal, VoyageRecord
    from .job import Timing
    from .journal import Journal

PULL_REQUEST = "pull request"
"""What origin may lack besides refs."""


def next_step(journal: Journal, voyage: VoyageRecord, timing: Timing) -> Step | None:
    """Return how to bring to origin what it lacks: the commits, the branch, the pull request."""
    origin = voyage["origin"] or ""
    if not origin.startswith(GITHUB) or not credentials(journal).exists():
        return None
    for target in lacking(journal.sections["meta"], voyage):
        if may_be_tried(journal, target):
            return make_step(journal, voyage, timing, target)
    return None


def make_step(journal: Journal, voyage: VoyageRecord, timing: Timing, target: str) -> Step:
    """Return how to bring one thing to origin: a ref, or the pull request."""
    if target == PULL_REQUEST:
        action = partial(propose, journal, voyage, timing)
        failure = "no pull request"
    else:
        action = partial(push, journal, voyage, timing, target)
        failure = "no push"
    return Step(partial(try_it, journal, timing, target, action), failure, {})


# What origin lacks, and whether it has said that it does not want it


def lacking(meta: Meta, voyage: VoyageRecord) -> list[str]:
    """Return what origin should have now and has not, in the order in which it is brought there."""
    branch = branch_ref(voyage)
    has_changes = meta["head"] != meta["start"]
    is_complete = has_changes and meta.get("verified", {}).get("head") == meta["head"]
    has_commits = meta.get("mirrored") == meta["head"]
    has_branch = has_commits and meta.get("mirrored_ref") == branch
    missing = []
    if not has_commits:
        missing.append(hidden_ref(voyage))
    if is_complete and not has_branch:
        missing.append(branch)
    if is_complete and has_branch and voyage["open_pr"] and not meta.get("pr_url"):
        missing.append(PULL_REQUEST)
    return missing


def hidden_ref(voyage: VoyageRecord) -> str:
    """Return where the commits are while the voyage is under way: no workflow runs for it."""
    return f"refs/ocaptain/{voyage['voyage']}"


def branch_ref(voyage: VoyageRecord) -> str:
    """Return where the commits are once the voyage is complete."""
    return f"refs/heads/{voyage['voyage']}"


def may_be_tried(journal: Journal, target: str) -> bool:
    """Whether origin has not refused just this a moment ago."""
    meta = journal.sections["meta"]
    refusal = (meta.get("mirror_refused") or {}).get(target)
    if refusal is None or refusal["head"] != meta["head"]:
        return True
    return journal.clock() >= refusal["again_at"]


def try_it(journal: Journal, timing: Timing, target: str, action: Callable[[], Meta]) -> Meta:
    """Bring something to origin. Raises Rejected with when to try again if origin says no.

    That is after as long as it has been refused already, so rarer and rarer."""
    try:
        return {**action(), "mirror_refused": None}
    except Rejected as no:
        meta = journal.sections["meta"]
        now = journal.clock()
        refusals = meta.get("mirror_refused") or {}
        earlier = refusals.get(target)
        since = earlier["since"] if earlier and earlier["head"] == meta["head"] else now
        again_at = now + max(timing.refused_pause_s, now - since)
        refusal: OriginRefusal = {"head": meta["head"], "since": since, "again_at": again_at}
        raise Rejected(str(no), {"mirror_refused": {**refusals, target: refusal}}) from None


# To bring it there


def push(journal: Journal, voyage: VoyageRecord, timing: Timing, ref: str) -> Meta:
    """Push the commits to a ref of origin's, with the token that git's credential helper has.

    Raises Rejected or OSError with what became of it."""
    from .. import process  # which takes longer to import than most calls take

    head = journal.sections["meta"]["head"]
    words = ["push", "--quiet", "--porcelain", voyage["origin"] or "", f"{head}:{ref}"]
    done = process.run(["git", "-C", str(journal.repo), *words], timeout=timing.push_s)
    if done.status == 0:
        return {"mirrored": head, "mirrored_ref": ref}
    from .refusal import explain, is_refusal

    if is_refusal(done):
        raise Rejected(explain(journal, ref, done))
    if done.status == process.TIMED_OUT:
        raise OSError(f"git push took longer than {timing.push_s / 60:g} minutes")
    raise OSError(done.stderr.strip() or f"git push ended with status {done.status}")


def propose(journal: Journal, voyage: VoyageRecord, timing: Timing) -> Meta:
    """Find or open the pull request, as `open_pull_request` does."""
    from .pull_request import open_pull_request  # which most calls need not wait for

    return open_pull_request(journal, voyage, timing)
