"""Claude Code without its screen: `stream-json` both ways, one process and session for many turns.

The messages are those of Claude Code 2.1.330 as seen on its stdout. Nothing else documents all of
them, so whatever is missing, new or of another type counts as not said.
"""

import json
import os
import shlex
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
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
    settings = {"hooks": {"PreToolUse": [{"matcher": "TaskCreate|TaskUpdate", "hooks": [hook]}]}}
    given = ["--settings", json.dumps(settings), "--disallowedTools", LEADS_ASTRAY]
    model, budget_usd = job.voyage["model"], job.claim["budget_usd"]
    given += ["--model", model] if model else []
    given += ["--max-budget-usd", str(budget_usd)] if budget_usd else []
    return ["claude", "-p", *STREAMS, *UNATTENDED, *given]


def environment(job: Job) -> dict[str, str]:
    """The captain's variables, and what makes Claude use the voyage's task list and stay quiet."""
    voyage, task = job.voyage["voyage"], job.claim["task"]["id"]
    added = {
        "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        "CLAUDE_CODE_TASK_LIST_ID": f"{voyage}-tasks",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }
    added |= {"IS_SANDBOX": "1"} if os.geteuid() == 0 else {}  # or it refuses to skip permissions
    # Telemetry is the captain's to turn on, with CLAUDE_CODE_ENABLE_TELEMETRY.
    told = [job.captain.get("OTEL_RESOURCE_ATTRIBUTES", "").strip(", ")]
    told.append(f"voyage.id={quote(voyage)},ship.id={quote(job.ship)},task.id={quote(task)}")
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
        said = json.loads(line, parse_int=float)
    except (ValueError, RecursionError):
        said = line.decode(errors="replace")
    for event in _heard(said):
        # One line that can be encoded; JSON allows half a character.
        text = " ".join(event.text.split()).encode(errors="replace").decode()
        if text or event.kind not in ("text", "tool"):
            yield replace(event, text=text)


def _heard(said: Any) -> Iterator[Event]:
    match said:
        case str():
            yield Event("tool", said)  # a complaint, on stderr
        case {"type": "assistant"}:
            yield from _assistant(said, _get(_get(said, "message", dict), "content", list))
        case {"type": "system", "subtype": "init"}:
            yield Event("begin")
        case {"type": "system", "subtype": "background_tasks_changed", "tasks": [*tasks]}:
            yield Event("background", count=len(tasks))
        case {"type": "system", "subtype": "api_retry"}:
            yield from _retry(said)
        case {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected"} as limit}:
            yield from _limit(limit)
        case {"type": "result"}:
            why = _get(said, "result", str) or str(said.get("errors"))
            cost = _number(said, "total_cost_usd")
            yield Event("end", why, outcome=_outcome(said), cost_usd=cost)


def _assistant(said: Json, blocks: list[Any]) -> Iterator[Event]:
    for block in blocks:
        match block:
            case {"type": "text"}:
                yield Event("text", _get(block, "text", str))
            case {"type": "tool_use"}:
                gist = _gist(_get(block, "input", dict))
                yield Event("tool", f"{_get(block, 'name', str)}: {gist}")
    if said.get("error") in REFUSED:
        spoken = " ".join(_get(block, "text", str) for block in blocks)
        yield Event("end", spoken, outcome="refused")


def _gist(arguments: Json) -> str:
    """The argument of a tool call that says best what it does."""
    texts = (_get(arguments, name, str) for name in (*TELLING, *arguments))
    return next(filter(None, texts), "")


def _retry(said: Json) -> Iterator[Event]:
    status, delay_s = _number(said, "error_status"), _number(said, "retry_delay_ms") / 1000
    why = _get(said, "error", str) or "no answer"
    if why in REFUSED and _number(said, "attempt") >= PATIENCE:
        yield Event("end", "the API does not accept the credential", outcome="refused")
    text = f"the API answers {int(status) or why}, asking again in {delay_s:.0f} s"
    yield Event("wait", text, until=time.time() + delay_s)


def _limit(limit: Json) -> Iterator[Event]:
    if limit.get("isUsingOverage") is not True:
        kind = _get(limit, "rateLimitType", str).replace("_", " ")
        yield Event("wait", f"usage limit reached {kind}", until=_number(limit, "resetsAt"))


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


def _get(said: Any, key: str, kind: type) -> Any:
    """What stands there if it is of this kind, else an empty one: JSON promises nothing."""
    value = said.get(key) if isinstance(said, dict) else None
    return value if isinstance(value, kind) else kind()


def _number(said: Json, key: str) -> float:
    """A number that is none, negative, infinite or absurd counts as 0."""
    value = _get(said, key, float)
    return value if 0 <= value < 1e12 else 0.0
