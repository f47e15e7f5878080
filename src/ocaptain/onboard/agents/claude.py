"""Claude Code without its screen: `stream-json` both ways, one process and session for many turns.

The messages are those of Claude Code 2.1.330 as seen on its stdout. Nothing else documents all of
them, so whatever is missing, new or of another type counts as not said.
"""

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from .agent import Event, Job

Json = dict[str, Any]

CREDENTIALS = ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY")
STREAMS = ("--input-format", "stream-json", "--output-format", "stream-json")
UNATTENDED = ("--verbose", "--replay-user-messages", "--dangerously-skip-permissions")
LEADS_ASTRAY = "ScheduleWakeup,CronCreate,EnterWorktree,RemoteTrigger,ListAgents"
"""Tools that end the turn with a promise to wake up later, leave the ship's clone, or reach out to
other sessions."""
TASK_TOOLS = "TaskCreate|TaskUpdate"
HOOK_TIMEOUT_S = 150
REFUSED = ("authentication_failed", "billing_error", "model_not_found")
PATIENCE = 3
"""Refusals of an API key before it is given up; the client itself would go on for minutes."""
TELLING = ("command", "file_path", "notebook_path", "pattern", "url", "query", "subject", "taskId")
"""Arguments that say best what a tool call does."""

steady = True


def missing(environ: Mapping[str, str]) -> str | None:
    """Claude Code needs a subscription's token or an API key."""
    if any(environ.get(name) for name in CREDENTIALS):
        return None
    return "set CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token` makes one) or ANTHROPIC_API_KEY"


def command(job: Job) -> list[str]:
    """`claude -p`; settings go in the command line, as nothing in them is secret."""
    hook = {"type": "command", "command": shlex.join(job.hook), "timeout": HOOK_TIMEOUT_S}
    settings = {"hooks": {"PreToolUse": [{"matcher": TASK_TOOLS, "hooks": [hook]}]}}
    given = ["--settings", json.dumps(settings), "--disallowedTools", LEADS_ASTRAY]
    if job.model:
        given += ["--model", job.model]
    if job.budget_usd:
        given += ["--max-budget-usd", str(job.budget_usd)]
    return ["claude", "-p", *STREAMS, *UNATTENDED, *given]


def environment(job: Job) -> dict[str, str]:
    """The captain's variables, and what makes Claude use the voyage's task list and stay quiet."""
    added = {
        "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        "CLAUDE_CODE_TASK_LIST_ID": job.task_list,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    if os.geteuid() == 0:
        added["IS_SANDBOX"] = "1"  # or it refuses to skip permissions
    # Telemetry is the captain's to turn on, with CLAUDE_CODE_ENABLE_TELEMETRY.
    told = [job.captain.get("OTEL_RESOURCE_ATTRIBUTES", "").strip(", ")]
    told += [f"{name}={quote(value)}" for name, value in job.attributes.items()]
    added["OTEL_RESOURCE_ATTRIBUTES"] = ",".join(filter(None, told))
    return {**job.captain, **added}


def message(text: str) -> bytes | None:
    """A user message. During a turn it is taken in after the tool call that is running."""
    content = [{"type": "text", "text": text}]
    said = {"type": "user", "message": {"role": "user", "content": content}}
    return json.dumps(said).encode() + b"\n"


def events(line: bytes) -> Iterator[Event]:
    """What a line of `--output-format stream-json` says."""
    try:
        said = json.loads(line)
    except (ValueError, RecursionError):
        said = line.decode(errors="replace")
    if isinstance(said, str):
        yield from _line("tool", said)  # a complaint, on stderr
    read = READERS.get(_text(said, "type"))
    yield from read(said) if read else ()


def _assistant(said: Json) -> Iterator[Event]:
    for block in _blocks(said):
        if block.get("type") == "text":
            yield from _line("text", _text(block, "text"))
        if block.get("type") == "tool_use":
            yield from _line("tool", f"{_text(block, 'name')}: {_gist(block.get('input'))}")
    if said.get("error") in REFUSED:
        yield Event("end", _spoken(said), outcome="refused")


def _system(said: Json) -> Iterator[Event]:
    kind, tasks = said.get("subtype"), said.get("tasks")
    if kind == "init":
        yield Event("begin")
    if kind == "background_tasks_changed":
        yield Event("background", count=len(tasks) if isinstance(tasks, list) else 0)
    if kind == "api_retry":
        yield from _retry(said)


def _retry(said: Json) -> Iterator[Event]:
    status, delay = said.get("error_status"), _number(said, "retry_delay_ms") / 1000
    why = _text(said, "error") or "no answer"
    if why in REFUSED and _number(said, "attempt") >= PATIENCE:
        yield Event("end", "the API does not accept the credential", outcome="refused")
    text = f"the API answers {status or why}, asking again in {delay:.0f} s"
    yield Event("wait", _clean(text), until=time.time() + delay)


def _rate_limit(said: Json) -> Iterator[Event]:
    limit: Any = said.get("rate_limit_info")
    if _text(limit, "status") == "rejected" and limit.get("isUsingOverage") is not True:
        text = f"usage limit reached {_text(limit, 'rateLimitType').replace('_', ' ')}"
        yield Event("wait", _clean(text), until=_number(limit, "resetsAt"))


def _result(said: Json) -> Iterator[Event]:
    why, cost = _clean(_text(said, "result") or str(said.get("errors"))), "total_cost_usd"
    yield Event("end", why, outcome=_outcome(said), cost_usd=_number(said, cost))


def _outcome(result: Json) -> str:
    status = _number(result, "api_error_status")
    if result.get("is_error") is not True:
        return "done"
    if result.get("subtype") == "error_max_budget_usd":
        return "spent"
    if status in (401, 403):
        return "refused"
    busy = status == 429 or status >= 500 or result.get("api_error") == "connection_failed"
    return "limited" if busy else "error"


READERS = {
    "assistant": _assistant,
    "system": _system,
    "rate_limit_event": _rate_limit,
    "result": _result,
}


def _line(kind: str, text: str) -> Iterator[Event]:
    if _clean(text):
        yield Event(kind, _clean(text))


def _gist(arguments: Any) -> str:
    """The argument of a tool call that says best what it does."""
    known = arguments if isinstance(arguments, dict) else {}
    return next((_text(known, key) for key in (*TELLING, *known) if _text(known, key)), "")


# Hostile input: JSON promises nothing about types, sizes or characters.


def _blocks(said: Json) -> list[Json]:
    body = said.get("message")
    content = body.get("content") if isinstance(body, dict) else None
    return [b for b in content if isinstance(b, dict)] if isinstance(content, list) else []


def _spoken(said: Json) -> str:
    return _clean(" ".join(_text(block, "text") for block in _blocks(said)))


def _text(said: Any, key: str) -> str:
    value = said.get(key) if isinstance(said, dict) else None
    return value if isinstance(value, str) else ""


def _number(said: Json, key: str) -> float:
    """A number that is none, negative, infinite or absurd counts as 0."""
    value = said.get(key)
    return float(value) if isinstance(value, (int, float)) and 0 <= value < 1e12 else 0.0


def _clean(text: str) -> str:
    """One line that can be encoded; JSON allows half a character."""
    return " ".join(text.split()).encode(errors="replace").decode()
