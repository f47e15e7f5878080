"""The door to harbor: who asks, what they may, and one request from its line to its answer."""

import fcntl
import json
import os
import select
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ..protocol import LOG_LIMIT, PROTOCOL
from . import background, harbor, orders
from .harbor import Json
from .journal import Journal, open_voyage

MAX_REQUEST = 2_000_000
MAX_WAIT_S = 25.0
LOOK_S = 0.015
KEPT_ANSWERS = 16
REPEATABLE = ("claim", "beat")
GONE = "{} was let go: storage has no such ship"
UPDATE = f"storage speaks {PROTOCOL}; use the version of ocaptain that the voyage was sailed with"


def serve(home: Path, who: str) -> None:
    """Answer the one request of `who` on stdin: a line of JSON in, a line of JSON out."""
    request: Any = None
    with suppress(ValueError, RecursionError):
        request = json.loads(sys.stdin.buffer.readline(MAX_REQUEST))
    answer = respond(home, who, request if isinstance(request, dict) else {})
    sys.stdout.write(json.dumps(answer) + "\n")


def respond(home: Path, who: str, request: Json) -> Json:
    """The answer to a request, after a wait where it asks for one."""
    told, op = request.get("protocol"), harbor.text(request, "op")
    if told != PROTOCOL:
        return refusal("protocol", f"protocol {told!r:.20}: {UPDATE}")
    journal, voyage = open_voyage(home)
    if op == "log" and who != "captain":
        return log(journal, who, request)
    if op not in operations(who):
        return refusal("op", f"{who} cannot ask for {op!r:.40}")
    # No longer than the voyage clock takes account of.
    wait_s = min(MAX_WAIT_S, voyage["lease_seconds"] / 8) * (request.get("wait") is True)
    ends, answer = time.monotonic() + wait_s, decide(journal, voyage, who, request)
    while waits(answer) and changed(journal, ends):
        answer = decide(journal, voyage, who, request, again=True)
    background.start_due_jobs(home, journal, voyage)
    return answer


def operations(who: str) -> Mapping[str, Callable[[harbor.Call], Json]]:
    """What somebody may ask for, apart from `log`."""
    return orders.OPERATIONS if who == "captain" else harbor.OPERATIONS


def decide(journal: Journal, voyage: Json, who: str, request: Json, *, again: bool = False) -> Json:
    """Decide a request under the lock, and make its change; a repeated one makes none, nor does
    one that is decided `again`, and still in vain. What changes nothing is not remembered."""
    with journal.locked():
        call = harbor.Call(journal, voyage, who, request)
        if who not in {"captain", *call.ships}:
            return refusal("ship", GONE.format(who))
        answers = call.sections["answers"].get(who, {})
        request_id = harbor.text(request, "id", harbor.SHORT)
        if request_id in answers:
            return dict(answers[request_id])
        answer = answered(call)
        if call.sets and not (again and waits(answer)):
            if request_id and request["op"] not in REPEATABLE and not waits(answer):
                kept = [*answers.items(), (request_id, answer)][-KEPT_ANSWERS:]
                call.put("answers", **{who: dict(kept)})
            told: Json = {k: harbor.text(request, k) for k in ("op", "by", "why") if k in request}
            number = int(harbor.amount(request, "claim")) or None
            journal.commit(who, {**told, "claim": number}, call.sets)
        return answer


def answered(call: harbor.Call) -> Json:
    """What an operation answers, or why it is refused; a ship's call also lets time pass."""
    is_ship = call.who != "captain"
    if is_ship:
        harbor.arrive(call)
    try:
        answer = {"ok": True, **operations(call.who)[call.request["op"]](call)}
    except harbor.Refused as why:
        answer = refusal(*why.args)
    if is_ship:
        harbor.see(call)
    return answer


def refusal(code: str, error: str) -> Json:
    """The answer to what cannot be granted."""
    return {"ok": False, "code": code, "error": error}


def waits(answer: Json) -> bool:
    """Whether a request that is answered so may have a better answer later."""
    return answer.get("claim", 0) is None or answer.get("code") == "berth"


def changed(journal: Journal, ends: float) -> bool:
    """Wait until the journal grows (true), the time is up or the asker has gone (false)."""
    while time.monotonic() < ends and not select.select([sys.stdin], [], [], LOOK_S)[0]:
        if journal.grown():
            return True
    return False


def log(journal: Journal, who: str, request: Json) -> Json:
    """Append `text` to the ship's log where `offset` is the log's size in bytes; the answer has its
    size then. So what a lost answer makes a ship send again is not written twice."""
    if not (journal.folder / "ships" / f"{who}.json").exists():
        return refusal("ship", GONE.format(who))
    data = harbor.text(request, "text").encode()
    with (journal.folder / "logs" / f"{who}.log").open("ab") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        size = log.seek(0, os.SEEK_END)
        if not journal.has_room() or size + len(data) > LOG_LIMIT:
            return refusal("room", "storage has no room for this log")
        added = log.write(data) if harbor.amount(request, "offset") == size else 0
    return {"ok": True, "size": size + added}
