"""Claude Code without its screen: `stream-json` both ways, one process and session for many turns.

The messages are those of Claude Code 2.1.330 as seen on its stdout. Nothing else documents all of
them, so whatever is missing, new or of another type counts as not said.
"""

import json
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
HOOK_TIMEOUT_S = 150
REFUSED = ("authentication_failed", "billing_error", "model_not_found")
OUTCOMES = {401.0: "refused", 403.0: "refused", 429.0: "limited"}
PATIENCE = 3
"""Refusals of an API key before it is given up; the client itself would go on for minutes."""
TELLING = ("command", "file_path", "notebook_path", "pattern", "url", "query", "subject", "taskId")
"""Arguments that say best what a tool call does."""

interactive = True


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
    # Telemetry is the captain's to turn on, with CLAUDE_CODE_ENABLE_TELEMETRY.
    about = [job.agent_env.get("OTEL_RESOURCE_ATTRIBUTES", "").strip(", ")]
    about.append(f"voyage.id={quote(voyage)},ship.id={quote(job.ship)},task.id={quote(task)}")
    added = {
        "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        "CLAUDE_CODE_TASK_LIST_ID": f"{voyage}-tasks",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "OTEL_RESOURCE_ATTRIBUTES": ",".join(filter(None, about)),
        "IS_SANDBOX": "1",  # or as root it refuses to skip permissions
    }
    return {**job.agent_env, **added}


def message(text: str, mark: str) -> bytes | None:
    """A user message. During a turn it is taken in after the tool call that is running."""
    content = [{"type": "text", "text": text}]
    said = {"type": "user", "uuid": mark, "message": {"role": "user", "content": content}}
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
            yield event._replace(text=text)


def _heard(said: Any) -> Iterator[Event]:  # noqa: C901, PLR0912 - a case for each kind of message
    match said:
        case str():
            yield Event("tool", said)  # a complaint, on stderr
        case {"type": "assistant", "message": {"content": [*blocks]}}:
            yield from _assistant(blocks, said.get("error"))
        case {"type": "user", "isReplay": True, "uuid": str(mark)}:
            yield Event("heard", mark)
        case {"type": "system", "subtype": "init"}:
            yield Event("begin")
        case {"type": "system", "subtype": "background_tasks_changed", "tasks": [*tasks]}:
            yield Event("background", left=len(tasks))
        case {"type": "system", "subtype": "api_retry"}:
            yield from _retry(said)
        case {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected"} as limit}:
            if limit.get("isUsingOverage") is not True:
                why = f"usage limit reached {limit.get('rateLimitType', '')}"
                yield Event("wait", why.replace("_", " "), until=_number(limit, "resetsAt"))
        case {"type": "result"}:
            why = str(said.get("result") or said.get("errors"))
            cost = _number(said, "total_cost_usd")
            yield Event("end", why, outcome=_outcome(said), cost_usd=cost)


def _assistant(blocks: list[Any], error: Any) -> Iterator[Event]:
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)}:
                yield Event("text", text)
                if error in REFUSED:
                    yield Event("end", text, outcome="refused")
            case {"type": "tool_use", "name": str(name), "input": {**given}}:
                texts = [given.get(key) for key in (*TELLING, *given)]
                gist = next((text for text in texts if text and isinstance(text, str)), "")
                yield Event("tool", f"{name}: {gist}")


def _retry(said: Json) -> Iterator[Event]:
    status, delay_s = _number(said, "error_status"), _number(said, "retry_delay_ms") / 1000
    why = said.get("error") or "no answer"
    if why in REFUSED and _number(said, "attempt") >= PATIENCE:
        yield Event("end", "the API does not accept the credential", outcome="refused")
    text = f"the API answers {int(status) or why}, asking again in {delay_s:.0f} s"
    yield Event("wait", text, until=time.time() + delay_s)


def _outcome(result: Json) -> str:
    status = _number(result, "api_error_status")
    if result.get("is_error") is not True:
        return "done"
    if result.get("subtype") == "error_max_budget_usd":
        return "spent"
    busy = status >= 500 or result.get("api_error") == "connection_failed"
    return OUTCOMES.get(status, "limited" if busy else "error")


def _number(said: Json, key: str) -> float:
    """What is no number, negative, infinite or absurd counts as 0: JSON promises nothing."""
    value = said.get(key)
    return value if isinstance(value, float) and 0 <= value < 1e12 else 0.0
