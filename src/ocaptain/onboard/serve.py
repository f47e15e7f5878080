"""The door to harbor: who asks, what they may, and one request from its line to its answer."""

import json
import os
import select
import sys
import time
from pathlib import Path
from typing import Any

from . import PROTOCOL, harbor, logbook, mirror, orders
from .journal import Journal

Json = dict[str, Any]

MAX_REQUEST = 2_000_000
MAX_WAIT_S = 25.0
LOOK_S = 0.015
ROOM = 500_000_000
UPDATE = f"storage speaks {PROTOCOL}; use the version of ocaptain that the voyage was sailed with"


def open_voyage(home: Path) -> tuple[Journal, Json]:
    """The voyage that lives in this home directory."""
    voyage = json.loads((home / "voyage" / "voyage.json").read_text())
    return Journal(home, voyage["voyage"]), voyage


def serve(home: Path, argv: list[str]) -> None:
    """Answer the one request of `argv[0]` on stdin: a line of JSON in, a line of JSON out."""
    try:
        request = json.loads(sys.stdin.buffer.readline(MAX_REQUEST))
    except (ValueError, RecursionError):
        request = None
    answer = respond(home, argv[0], request if isinstance(request, dict) else {})
    sys.stdout.write(json.dumps(answer) + "\n")


def respond(home: Path, who: str, request: Json) -> Json:
    """The answer to a request."""
    told, op = request.get("protocol"), harbor.text(request, "op")
    if told != PROTOCOL:
        return harbor.refusal("protocol", f"protocol {told!r:.20}: {UPDATE}")
    journal, voyage = open_voyage(home)
    if op == "log" and who != "captain":
        return log(journal, who, request)
    if op not in (orders if who == "captain" else harbor).OPERATIONS:
        return harbor.refusal("op", f"{who} cannot ask for {op!r:.40}")
    answer = decided(journal, voyage, who, request)
    if mirror.due(journal, voyage):
        mirror.start(home)
    return answer


def decided(journal: Journal, voyage: Json, who: str, request: Json) -> Json:
    """What is decided under the lock; a ship may have to wait for it, outside."""
    if who == "captain":
        with journal.locked():
            return orders.decide(journal, voyage, who, request)
    with journal.locked():
        answer = harbor.decide(journal, voyage, who, request)
    # No longer than the voyage clock takes account of.
    wait_s = min(MAX_WAIT_S, voyage["lease_seconds"] / 8)
    ends = time.monotonic() + wait_s * (request.get("wait") is True)
    while harbor.waits(answer) and changed(journal, ends):
        with journal.locked():
            answer = harbor.decide(journal, voyage, who, request, again=True)
    return answer


def changed(journal: Journal, ends: float) -> bool:
    """Wait until the journal grows (true), the time is up or the asker has gone (false)."""
    while time.monotonic() < ends:
        if journal.grown():
            return True
        if select.select([sys.stdin], [], [], LOOK_S)[0]:
            return False
    return False


def log(journal: Journal, who: str, request: Json) -> Json:
    """Append to the ship's log, where there is room; `at` and `size` as `logbook.append` has."""
    disk = os.statvfs(journal.folder)
    if disk.f_bavail * disk.f_frsize < ROOM:
        return harbor.refusal("room", "storage has no room for logs")
    path, at = journal.folder / "logs" / f"{who}.log", int(harbor.amount(request, "at"))
    return {"ok": True, "size": logbook.append(path, at, harbor.text(request, "text"))}
