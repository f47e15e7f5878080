"""The door to harbor: who asks, what they may, and each request from its line to its answer."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import select
import sys
import time
from contextlib import suppress

from .. import LOG_LIMIT, PROTOCOL
from . import background, claims, landing, standing
from .call import SHORT_LIMIT, Call, Refused, amount, let_go, refusal, text
from .journal import Journal, open_voyage
from .leases import advance_clock, record_heartbeat
from .snapshot import Spoilt

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from ..protocol import Json, VoyageRecord
    from .journal import Changes

    Operation = Callable[[Call], Mapping[str, Any]]

REQUEST_LIMIT = 2_000_000
"""Bytes of a request."""
LINGER_S = 10.0
"""For how long harbor waits for the next request of who has asked."""
LONGEST_WAIT_S = 25.0
POLL_S = 0.015
LONGEST_POLL_S = 0.1
POLL_GROWTH = 1.1
"""Who waits looks less and less often, for there may be a hundred of them."""
LOOK_S = 3.0
"""How often who waits for a place in the train looks by itself: silence is no change."""
TRAIN_OPERATIONS = ("beat", "enter", "land", "leave")
TIME = ("clock", "last_call_at")
"""Entries of `meta` that each call of a ship sets."""
KEPT_ANSWERS = 16
"""How many answers to one asker are kept, in case they were lost on the way."""
REPEATABLE = ("claim", "beat")
"""Operations that do the same again, so that their answers need not be kept."""
UPDATE = f"storage speaks {PROTOCOL}; use the version of ocaptain that the voyage was sailed with"

SHIP_OPERATIONS: Mapping[str, Operation] = {
    "claim": claims.claim,
    "beat": claims.beat,
    "enter": landing.enter,
    "land": landing.land,
    "leave": landing.leave,
    "release": claims.release,
    "add": claims.add,
}


class Decision:
    """What was decided of a request."""

    def __init__(self, answer: Json, waits_on: str | None = None) -> None:
        """`waits_on` is set if others' changes may bring a better answer: to a ship whose own state
        may do so, too."""
        self.answer = answer
        self.waits_on = waits_on


def serve(home: Path, who: str) -> None:
    """Answer the requests of `who` on stdin: for each line of JSON a line of JSON on stdout.

    The next one may come once the last one is answered. This ends when stdin does, or if none comes
    for a while: to start anew takes most of a request's time, and a voyage may rest for days."""
    for line in request_lines():
        answer = respond(home, who, request_in(line))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
        reap_jobs()
        gc.enable()  # who has one request only does without


def request_lines() -> Iterator[bytes]:
    """Yield the first line on stdin, even if it is empty, and each that follows soon."""
    line = sys.stdin.buffer.readline(REQUEST_LIMIT)
    yield line
    while line.endswith(b"\n") and another_comes():
        line = sys.stdin.buffer.readline(REQUEST_LIMIT)
        if line:
            yield line


def request_in(line: bytes) -> Json:
    """Return the request in a line, or an empty one if it has none."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return request if isinstance(request, dict) else {}


def another_comes() -> bool:
    """Wait a while for another request, or the end of them. Returns False if there is neither."""
    comes, _, _ = select.select([sys.stdin], [], [], LINGER_S)
    return bool(comes)


def reap_jobs() -> None:
    """Take note of the ends of jobs that this process has started."""
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def respond(
    home: Path,
    who: str,
    request: Json,
    start_due_jobs: Callable[[Path, Journal, VoyageRecord], None] = background.start_due_jobs,
    clock: Callable[[], float] = time.time,
    awake: Callable[[], float] = time.monotonic,
) -> Json:
    """Answer a request, after a wait if it asks for one."""
    if request.get("protocol") != PROTOCOL:
        return refusal("protocol", f"protocol {request.get('protocol')!r:.20}: {UPDATE}")
    journal, voyage = open_voyage(home, clock, awake)
    op = text(request, "op")
    if who != "captain" and op in BROUGHT:
        return BROUGHT[op](journal, who, request)
    if op not in operations_of(who):
        return refusal("op", f"{who} cannot ask for {op!r:.40}")
    logged = log_along(journal, who, request)
    answer = {**decide_in_time(journal, voyage, who, request), **logged}
    start_due_jobs(home, journal, voyage)
    if op == "fsck" and answer["ok"]:
        from . import fsck

        return fsck.with_repository(journal, answer)
    if op in ("task", "diff") and answer["ok"]:
        from . import details

        finish = details.with_landed if op == "task" else details.with_diff
        return finish(journal, answer)
    return answer


def operations_of(who: str) -> Mapping[str, Operation]:
    """Return what somebody may ask for, apart from what ships bring (BROUGHT)."""
    if who == "captain":
        return captain_operations()
    return SHIP_OPERATIONS


def captain_operations() -> Mapping[str, Operation]:
    """Return what the captain may ask for."""
    from . import details, fsck, orders, status  # for whose import no ship should have to wait
    from .transcripts import transcript

    return {
        "status": status.status,
        "tasks": status.tasks,
        "task": details.task,
        "diff": details.task,
        "transcript": transcript,
        "unfetched": status.unfetched,
        "fetched": status.fetched,
        "voyage_record": status.voyage_record,
        "pause": orders.pause,
        "halt": orders.halt,
        "resume": orders.resume,
        "relieve": orders.relieve,
        "retry": orders.retry,
        "release": orders.release,
        "edit_task": orders.edit_task,
        "hail": orders.hail,
        "update_ships": orders.update_ships,
        "sink": orders.sink,
        "fsck": fsck.fsck,
    }


def decide_in_time(journal: Journal, voyage: VoyageRecord, who: str, request: Json) -> Json:
    """Decide a request. If it is in vain and may wait, decide it again after others' changes."""
    wait_s = 0.0
    if request.get("wait") is True:
        # No longer than the voyage clock takes account of.
        wait_s = min(LONGEST_WAIT_S, voyage["lease_seconds"] / 8)
    ends = time.monotonic() + wait_s
    decision = decide(journal, voyage, who, request)
    waits_on = decision.waits_on
    looks = text(request, "op") in TRAIN_OPERATIONS
    while waits_on and wait_for_change(journal, waits_on, ends, looks=looks):
        waits_on = would_wait_on(journal, voyage, who, request)
        if not waits_on:
            decision = decide(journal, voyage, who, request, again=True)
            waits_on = decision.waits_on
    return decision.answer


def wait_for_change(journal: Journal, ship: str, ends: float, *, looks: bool = False) -> bool:
    """Wait until something changes that may help, or the state of this ship, or it is time to
    look: with `looks`, that may help by itself.

    Returns False if time is up, or the asker has gone, before."""
    pause_s = POLL_S
    next_look = time.monotonic() + LOOK_S
    while time.monotonic() < ends:
        if looks and time.monotonic() > next_look:
            return True
        stdin_has_ended, _, _ = select.select([sys.stdin], [], [], pause_s)
        if stdin_has_ended:
            return False
        if any(may_help(sets, ship) for sets in journal.look()):
            return True
        pause_s = min(pause_s * POLL_GROWTH, LONGEST_POLL_S)
    return False


def may_help(sets: Changes, ship: str) -> bool:
    """Whether a change may help who waits: it is more than that some ship is alive."""
    if "tasks" in sets:
        return True
    claims = sets.get("claims", {}).values()
    has_ended = any(claim["state"] != "live" for claim in claims)
    is_news = sets.get("meta", {}).keys() - TIME
    return has_ended or bool(is_news) or ship in sets.get("ships", {})


def would_wait_on(journal: Journal, voyage: VoyageRecord, who: str, request: Json) -> str | None:
    """Return on which ship a request would wait now; None if it would not be in vain.

    This holds up nobody: there is no lock."""
    call = Call(journal, voyage, who, request)
    if who not in call.ships:
        return None
    try:
        return decide_anew(call).waits_on
    except Spoilt:
        return None


def decide(
    journal: Journal, voyage: VoyageRecord, who: str, request: Json, *, again: bool = False
) -> Decision:
    """Decide a request under the lock and commit its change, if it makes one.

    A request whose answer is kept changes nothing. Nor does one that is decided `again` and is
    still in vain."""
    try:
        return decide_once(journal, voyage, who, request, again=again)
    except Spoilt:
        journal.forget()
        return decide_once(journal, voyage, who, request, again=again)


def decide_once(
    journal: Journal, voyage: VoyageRecord, who: str, request: Json, *, again: bool
) -> Decision:
    """Do that with state.json as it is. Raises Spoilt if that is not as it was written."""
    with journal.locked():
        call = Call(journal, voyage, who, request)
        if who != "captain" and who not in call.ships:
            return Decision(let_go(who))
        request_id = text(request, "id", SHORT_LIMIT)
        kept_answers = call.answers.get(who, {})
        if request_id in kept_answers:
            return Decision(dict(kept_answers[request_id]))
        decision = decide_anew(call)
        in_vain_again = again and decision.waits_on
        if call.changes and not in_vain_again:
            standing.note(call)
            if request_id and request["op"] not in REPEATABLE and not decision.waits_on:
                keep_answer(call, request_id, decision.answer)
            journal.commit(who, change_of(request), call.changes)
        return decision


def decide_anew(call: Call) -> Decision:
    """Decide what was not asked before. A ship's call also lets time pass, and says how it is."""
    if call.who == "captain":
        return run_operation(call)
    advance_clock(call)
    decision = run_operation(call)
    record_heartbeat(call)
    return decision


def run_operation(call: Call) -> Decision:
    """Run the operation that is asked for. Returns what it answers, or why it is refused."""
    op = call.request["op"]
    operation = operations_of(call.who)[op]
    try:
        fields = operation(call)
    except Refused as refused:
        answer = refusal(refused.code, refused.error)
        return Decision(answer, refused.waits_on)
    has_no_claim = op == "claim" and fields["claim"] is None and not fields["rest_s"]
    is_checking = op == "beat" and fields["checking"]
    return Decision({"ok": True, **fields}, call.who if has_no_claim or is_checking else None)


def keep_answer(call: Call, request_id: str, answer: Json) -> None:
    """Keep an answer, so that the same request gets it again. The oldest ones go.

    A grant in it is not kept: who has not got it asks for its claim."""
    kept = {**call.answers.get(call.who, {}), request_id: {**answer}}
    if "next" in answer:
        kept[request_id]["next"] = None
    latest = list(kept.items())[-KEPT_ANSWERS:]
    call.put_answers(dict(latest))


def change_of(request: Json) -> Json:
    """Return what the journal's line says of a request, beside what it sets."""
    change: Json = {"op": text(request, "op")}
    for key in ("by", "why"):
        if key in request:
            change[key] = text(request, key)
    if isinstance(request.get("task"), str):
        change["task"] = text(request, "task", SHORT_LIMIT)
    change["claim"] = int(amount(request, "claim")) or None
    return change


def log_along(journal: Journal, who: str, request: Json) -> Json:
    """Append what a ship's request brings of its log. Returns `log_size`, if it brings any."""
    news = request.get("log")
    if who == "captain" or not isinstance(news, dict):
        return {}
    logged = append_log(journal, who, news)
    return {"log_size": logged["size"]} if logged["ok"] else {}


def append_log(journal: Journal, who: str, request: Json, limit: int = LOG_LIMIT) -> Json:
    """Append `text` to the ship's log, if `offset` is the log's size in bytes. The answer has its
    size then, so that nothing is written twice by a ship that has lost an answer."""
    data = text(request, "text").encode()
    path = journal.folder / "logs" / f"{who}.log"
    return append(journal, who, path, data, amount(request, "offset"), limit)


def keep_transcript(journal: Journal, who: str, request: Json) -> Json:
    """Keep a part of a transcript, and what comes along of the log."""
    from . import transcripts

    return {**transcripts.keep(journal, who, request), **log_along(journal, who, request)}


def append_telemetry(journal: Journal, who: str, request: Json) -> Json:
    """Append to the ship's telemetry in the same way."""
    from .. import telemetry  # which few requests are about

    data = text(request, "text", telemetry.BATCH).encode()
    path = journal.folder / "telemetry" / f"{who}.jsonl"
    path.parent.mkdir(exist_ok=True)
    return append(journal, who, path, data, amount(request, "offset"), telemetry.LIMIT)


def append(journal: Journal, who: str, path: Path, data: bytes, offset: float, limit: int) -> Json:
    """Append to a file of a ship's, if it has so many bytes; at most `limit` of them."""
    if not (journal.folder / "ships" / f"{who}.json").exists():
        return let_go(who)
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        size = file.seek(0, os.SEEK_END)
        if not journal.has_room() or size + len(data) > limit:
            return refusal("room", f"storage has no room for more of {path.name}")
        if offset == size:
            size += file.write(data)
    return {"ok": True, "size": size}


BROUGHT: Mapping[str, Callable[[Journal, str, Json], Json]] = {
    "log": append_log,
    "telemetry": append_telemetry,
    "transcript": keep_transcript,
}
"""What ships bring, apart from what changes the voyage: it is kept without the lock."""
