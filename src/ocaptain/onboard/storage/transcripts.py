"""What agents' programs keep of their conversations: taken in from ships, and given to the captain.

A transcript has the name of its claim's work ref. It comes in parts, and without the lock, for it
changes nothing that anybody decides by. The first one that is whole is kept."""

from __future__ import annotations

import binascii
import os

from .. import TRANSCRIPT_LIMIT
from .call import Refused, amount, let_go, refusal, text
from .orders import lookup_task

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

    from ..protocol import (
        Claim,
        Json,
        Task,
        TranscriptAnswer,
        TranscriptKept,
    )
    from .call import Call
    from .journal import Journal

PART_BYTES = 3_000_000
"""How much of a transcript the captain is given at once."""
REQUESTS_DATA_LIMIT = 1_500_000
"""Characters of base64 in a request: serve.py reads no longer ones."""


# From ships


def keep(journal: Journal, who: str, request: Json) -> Json:
    """Write a part of what a claim of this ship's has left, at `offset`; with `last` it is whole.

    The answer has the `size` that is there by then, from which to go on, and whether it is `kept`.
    """
    if not (journal.folder / "ships" / f"{who}.json").exists():
        return let_go(who)
    number = int(amount(request, "claim"))
    name = work_name(journal, who, number)
    if not name:
        return refusal("claim", f"{who} has no claim {number} of a task")
    offset = int(amount(request, "offset"))
    data = decoded(request)
    if not journal.has_room() or offset + len(data) > TRANSCRIPT_LIMIT:
        return refusal("room", "storage has no room for this transcript")
    whole = folder_of(journal) / f"{name}.jsonl.gz"
    answer: TranscriptKept = {"size": 0, "kept": True}
    if not whole.exists():
        answer = write(whole, offset, data, is_last=request.get("last") is True)
    return {"ok": True, **answer}


def work_name(journal: Journal, who: str, claim: int) -> str:
    """Return how the work ref of a ship's claim is called; empty if the ship has no such claim."""
    refs = journal.folder / "allowed" / who / "refs" / "heads" / "work"
    return next((path.name for path in refs.glob(f"*-{claim}")), "")


def decoded(request: Json) -> bytes:
    """Return the bytes that a request has in base64; what is none is empty."""
    data = request.get("data")
    if not isinstance(data, str) or len(data) > REQUESTS_DATA_LIMIT:
        return b""
    try:
        return binascii.a2b_base64(data)
    except ValueError:
        return b""


def write(whole: Path, offset: int, data: bytes, *, is_last: bool) -> TranscriptKept:
    """Write a part into the draft of a transcript, unless it begins beyond the draft's end."""
    whole.parent.mkdir(mode=0o700, exist_ok=True)
    draft = whole.with_name(f".{whole.name}.new")
    draft.touch(mode=0o600)
    with draft.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if offset > size:
            return {"size": size, "kept": False}
        file.seek(offset)
        file.truncate()
        file.write(data)
    if is_last:
        draft.rename(whole)
    return {"size": offset + len(data), "kept": is_last}


# For the captain


def transcript(call: Call) -> TranscriptAnswer:
    """Return a part of the transcript of a `task`'s last attempt that has one, or of its `claim`'s.

    It begins at `offset`."""
    found = lookup_task(call, text(call.request, "task"))
    claims = call.claims_of(found["id"])
    kept = [claim for claim in claims if kept_bytes(call.journal, claim) is not None]
    claim = chosen(call, found, claims, kept)
    with path_of(call.journal, claim).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        offset = min(size, int(amount(call.request, "offset")))
        file.seek(offset)
        data = file.read(PART_BYTES)
    return {
        "task": found["id"],
        "subject": str(found.get("subject") or ""),
        "claim": claim["number"],
        "ship": claim["ship"],
        "state": claim["state"],
        "others": [other["number"] for other in kept if other is not claim],
        "size": size,
        "offset": offset,
        "data": binascii.b2a_base64(data, newline=False).decode(),
    }


def chosen(call: Call, task: Task, claims: list[Claim], kept: list[Claim]) -> Claim:
    """Return the claim whose transcript is asked for, of those that have one: the last, if none is
    named. Refuses, with the reason, if there is none."""
    wanted = int(amount(call.request, "claim"))
    numbers = [claim["number"] for claim in claims]
    if wanted and wanted not in numbers:
        had = ", ".join(map(str, numbers)) or "none"
        raise Refused("claim", f"task {task['id']} has no claim {wanted}; its claims are: {had}")
    for claim in reversed(kept):
        if wanted in (0, claim["number"]):
            return claim
    asked = [claim for claim in claims if wanted in (0, claim["number"])]
    raise Refused("claim", why_none(call, task, asked))


def why_none(call: Call, task: Task, claims: list[Claim]) -> str:
    """Say why storage has no transcript of any of these claims."""
    named = f"task {task['id']}"
    if not claims:
        return f"nobody has been at {named} yet"
    last = claims[-1]
    if last["state"] == "live":
        return (
            f"{last['ship']} is at {named} now, and its transcript comes when that is over; "
            f"until then: ocaptain logs --task {task['id']}"
        )
    agent = last.get("agent", call.voyage["agent"])
    return (
        f"storage has no transcript of {named}: none came from {last['ship']}, "
        f"or its agent ({agent}) keeps none; what the log has: ocaptain logs --task {task['id']}"
    )


def kept_bytes(journal: Journal, claim: Claim) -> int | None:
    """Return how many bytes the transcript of a claim has, compressed; None if there is none."""
    try:
        return path_of(journal, claim).stat().st_size
    except FileNotFoundError:
        return None


def path_of(journal: Journal, claim: Claim) -> Path:
    """Return where the transcript of a task's claim is, if there is one."""
    return folder_of(journal) / f"{claim['task']}-{claim['number']}.jsonl.gz"


def folder_of(journal: Journal) -> Path:
    """Return where transcripts are: only harbor looks there."""
    return journal.folder / "transcripts"
