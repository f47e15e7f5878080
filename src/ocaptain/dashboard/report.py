"""The report: the page of a voyage as one file, with all that it shows in it."""

import time
from pathlib import Path
from typing import Any

import ocaptain
from ocaptain import transcript
from ocaptain.errors import Failure
from ocaptain.fleet.logs import query_of, read_logs
from ocaptain.fleet.picture import Gathered, read_picture
from ocaptain.fleet.transcripts import ask_transcript
from ocaptain.fleet.voyage import Voyage
from ocaptain.loglines import LogEntry, parsed
from ocaptain.onboard.text import several

from .page import page_with

LOG_LINES = 20_000
"""How many lines of the logs are kept, the last ones."""
DIFF_BYTES = 8_000_000
TRANSCRIPT_BYTES = 8_000_000
"""How much of diffs, and of transcripts, is kept in all."""
LONGEST_TEXT = 400_000
"""Characters of one transcript."""
TRANSCRIPTS = 200
"""How many are asked for: each takes a question."""


async def write_report(voyage: Voyage, path: Path) -> None:
    """Write the report of a voyage into a file. Raises Failure if storage cannot be asked."""
    text = page_with(await report_data(voyage))
    try:
        path.write_text(text)
    except OSError as fault:
        raise Failure(f"The report could not be written: {path}: {fault.strerror}") from None


async def report_data(voyage: Voyage) -> dict[str, Any]:
    """Return all that the page shows of a voyage."""
    seen = await read_picture(voyage, details=True)
    now = time.time()
    cut: list[str] = []
    logs = await _logs(voyage)
    if len(logs) == LOG_LINES:
        cut.append(f"Of the logs there are the last {LOG_LINES} lines. All: ocaptain logs")
    return {
        "version": ocaptain.__version__,
        "made_at": now,
        "picture": {**seen.picture(), "seen_at": now, "fault": ""},
        "details": seen.details,
        "diffs": _diffs(seen, cut),
        "logs": logs,
        "transcripts": await _transcripts(voyage, seen, cut),
        "cut": cut,
    }


async def _logs(voyage: Voyage) -> list[LogEntry]:
    found: list[LogEntry] = []
    query = query_of(tail=LOG_LINES)
    await read_logs(voyage, query, lambda line: found.append(parsed(line).entry()))
    return found


def _diffs(seen: Gathered, cut: list[str]) -> dict[str, Any]:
    """Return what each task has changed, as far as there is room."""
    kept = {}
    room = DIFF_BYTES
    for task, diff in seen.diffs.items():
        room -= len(diff["text"])
        if room >= 0:
            kept[task] = diff
    if len(kept) < len(seen.diffs):
        left_out = several(len(seen.diffs) - len(kept), "diff")
        cut.append(f"There was no room for {left_out}: git has them.")
    return kept


async def _transcripts(voyage: Voyage, seen: Gathered, cut: list[str]) -> dict[str, Any]:
    """Return what the agents' programs wrote down, the latest first, as far as there is room."""
    kept: dict[str, Any] = {}
    room = TRANSCRIPT_BYTES
    ended = [claim for claim in seen.claims.values() if claim["task"] and claim["ended_at"]]
    for claim in [*reversed(ended)][:TRANSCRIPTS]:
        try:
            found = await ask_transcript(voyage, claim["task"] or "", claim["number"])
        except Failure:
            continue  # there is none of it
        text = transcript.as_text(found.packed)
        room -= min(len(text), LONGEST_TEXT)
        if room < 0:
            cut.append("There was no room for all transcripts: ocaptain transcript TASK")
            break
        key = f"{claim['task']}-{claim['number']}"
        kept[key] = {"text": text[:LONGEST_TEXT], "cut": len(text) > LONGEST_TEXT}
    return kept


__all__ = ["report_data", "write_report"]
