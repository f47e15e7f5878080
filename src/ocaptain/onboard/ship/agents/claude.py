"""Claude Code without its screen: `stream-json` both ways, one process and session for many turns.

The messages are those of Claude Code 2.1.330 as seen on its stdout. Nothing else documents all of
them, so whatever is missing, new or of another type counts as not said.
"""

import glob
import json
import re
import shlex
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from ...protocol import Json
from ...text import whole
from . import claude_usage
from .agent import Dollars, Event, Job, Outcome
from .claude_usage import number

CREDENTIALS = ("CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN")
STREAMS = ("--input-format", "stream-json", "--output-format", "stream-json")
UNATTENDED = ("--verbose", "--replay-user-messages", "--dangerously-skip-permissions")
DISALLOWED_TOOLS = "ScheduleWakeup,CronCreate,EnterWorktree,RemoteTrigger,ListAgents"
"""Tools that end the turn with a promise to wake up later, leave the ship's clone, or reach out to
other sessions."""
CHANGING_TOOLS = "Edit,Write,NotebookEdit,TaskCreate,TaskUpdate"
"""Tools that who only reads does without. Its shell it needs, to run tests."""
HOOK_TIMEOUT_S = 150
HOPELESS_ERRORS = ("authentication_failed", "billing_error", "model_not_found")
HOPELESS_ATTEMPTS = 3
"""Refusals of an API key before it is given up; the client itself would go on for minutes."""
TOO_MANY_REQUESTS = 429
"""What an API answers whose limits the credential's account has used up."""
STATUS_OUTCOMES: dict[float, Outcome] = {
    401: "refused",
    403: "refused",
    TOO_MANY_REQUESTS: "limited",
}
API_TROUBLES = {
    401: "the API does not accept the credential",
    403: "the API does not accept the credential",
    429: "the API has had too many requests",
    529: "the API is overloaded",
}
"""What statuses of the API mean."""
SERVER_ERROR = 500
OF_MODEL = "seven_day_"
"""How the names of limits begin that a model has; `seven_day` and `five_hour` are the account's."""
NO_NEWS = ("unknown", "no answer", "connection_failed", "server_error")
"""What the client says of a failure without a status that tells nobody more."""
SESSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z-]{0,99}")
"""What a session can be called, so that its name leads to no other file."""
GIST = ("command", "file_path", "notebook_path", "pattern", "url", "query", "subject", "taskId")
"""Arguments that say best what a tool call does."""
TELEMETRY = {
    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",
    "CLAUDE_CODE_ENHANCED_TELEMETRY_BETA": "1",  # or there are no spans
    "OTEL_TRACES_EXPORTER": "otlp",
    "OTEL_METRICS_EXPORTER": "otlp",
    "OTEL_LOGS_EXPORTER": "otlp",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json",
}

program = "claude"
install = "npm install -g @anthropic-ai/claude-code"
credentials: tuple[str, ...] = (*CREDENTIALS, "ANTHROPIC_BASE_URL", "CLAUDE_CODE_ENABLE_TELEMETRY")
interactive = True
picks_by_model = False
has_telemetry = True
dollars: Dollars = "told"


def missing(environ: Mapping[str, str]) -> str | None:
    """Claude Code needs a subscription's token, an API key, or a gateway's token."""
    if any(environ.get(name) for name in CREDENTIALS):
        return None
    return (
        "set CLAUDE_CODE_OAUTH_TOKEN (`claude setup-token` makes one), ANTHROPIC_API_KEY, "
        "or for a gateway ANTHROPIC_AUTH_TOKEN"
    )


def command(job: Job) -> list[str]:
    """`claude -p`; settings go in the command line, as nothing in them is secret."""
    hook = {"type": "command", "command": shlex.join(job.hook), "timeout": HOOK_TIMEOUT_S}
    settings = {"hooks": {"PreToolUse": [{"matcher": "TaskCreate|TaskUpdate", "hooks": [hook]}]}}
    argv = [program, "-p", *STREAMS, *UNATTENDED]
    argv += ["--settings", json.dumps(settings)]
    disallowed = [DISALLOWED_TOOLS, CHANGING_TOOLS] if job.reads_only else [DISALLOWED_TOOLS]
    argv += ["--disallowedTools", ",".join(disallowed)]
    if job.model:
        argv += ["--model", job.model]
    budget_usd = job.grant["budget_usd"]
    if budget_usd:
        argv += ["--max-budget-usd", str(budget_usd)]
    if job.conversation:
        argv += ["--resume", job.conversation]
    return argv


def environment(job: Job) -> dict[str, str]:
    """The captain's variables, and what makes Claude use the voyage's task list and stay quiet."""
    return {
        **job.agent_env,
        **_telemetry(job.telemetry),
        "CLAUDE_CODE_ENABLE_TODO_TOOLS": "1",
        "CLAUDE_CODE_TASK_LIST_ID": f"{job.voyage['voyage']}-tasks",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "OTEL_RESOURCE_ATTRIBUTES": _resource_attributes(job),
        "IS_SANDBOX": "1",  # or as root it refuses to skip permissions
    }


def _telemetry(endpoint: str) -> dict[str, str]:
    """What has spans, logs and metrics sent to a receiver of helm's, if there is one."""
    if not endpoint:
        return {}
    return {**TELEMETRY, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


def _resource_attributes(job: Job) -> str:
    """The captain's, with voyage, ship, task and claim. They send nothing by themselves."""
    attributes = [
        f"voyage.id={quote(job.voyage['voyage'])}",
        f"ship.id={quote(job.ship)}",
        f"task.id={quote(job.grant['task']['id'])}",
        f"ocaptain.claim={job.grant['claim']}",
    ]
    given = job.agent_env.get("OTEL_RESOURCE_ATTRIBUTES", "").strip(", ")
    if given:
        attributes.insert(0, given)
    return ",".join(attributes)


def message(text: str, mark: str) -> bytes | None:
    """A user message. During a turn it is taken in after the tool call that is running."""
    record = {
        "type": "user",
        "uuid": mark,
        "message": {"role": "user", "content": [{"type": "text", "text": text}]},
    }
    return json.dumps(record).encode() + b"\n"


def events(line: bytes) -> Iterator[Event]:
    """What a line of `--output-format stream-json` says."""
    try:
        record = json.loads(line, parse_int=float)
    except (ValueError, RecursionError):
        record = line.decode(errors="replace")
    for event in _events(record):
        words = whole(event.text).strip()
        text = " ".join(words.split())
        if event.kind == "text" and text:
            yield event._replace(text=text, words=words)
        elif text or event.kind not in ("text", "tool", "notice"):
            yield event._replace(text=text)


def transcript(environ: Mapping[str, str], conversation: str) -> str | None:
    """Claude Code's session file, in a folder that is named after where it was started."""
    if not SESSION.fullmatch(conversation):
        return None
    folder = environ.get("CLAUDE_CONFIG_DIR") or f"{environ.get('HOME', '')}/.claude"
    return f"{glob.escape(folder)}/projects/*/{conversation}.jsonl"


def _events(record: Any) -> Iterator[Event]:  # noqa: C901, PLR0912 - a case for each kind of record
    match record:
        case str():
            yield Event("notice", record)  # a complaint, on stderr
        case {"type": "assistant", "message": {"content": [*blocks]} as said}:
            yield from _of_assistant(blocks, record.get("error"))
            yield from claude_usage.of_message(said)
        case {"type": "user", "isReplay": True, "uuid": str(mark)}:
            yield Event("heard", mark)
        case {"type": "system", "subtype": "init"}:
            session = record.get("session_id")
            yield Event("begin", session if isinstance(session, str) else "")
        case {"type": "system", "subtype": "background_tasks_changed", "tasks": [*tasks]}:
            yield Event("background", left=len(tasks))
        case {"type": "system", "subtype": "api_retry"}:
            yield from _of_retry(record)
        case {"type": "rate_limit_event", "rate_limit_info": {"status": "rejected"} as limit}:
            if limit.get("isUsingOverage") is not True:
                yield _of_usage_limit(limit)
        case {"type": "result"}:
            text = str(record.get("result") or record.get("errors"))
            cost_usd = number(record, "total_cost_usd")
            used = claude_usage.of_result(record)
            end = Event("end", text, outcome=_outcome(record), cost_usd=cost_usd, usage=used)
            yield end._replace(is_shared=number(record, "api_error_status") == TOO_MANY_REQUESTS)


def _of_usage_limit(limit: Json) -> Event:
    """A limit of a subscription's. Some are of one model: with another the account goes on."""
    kind = str(limit.get("rateLimitType", ""))
    text = f"usage limit reached {kind}".replace("_", " ")
    is_of_model = kind.startswith(OF_MODEL)
    return Event("wait", text, until=number(limit, "resetsAt"), is_shared=not is_of_model)


def _of_assistant(blocks: list[Any], error: Any) -> Iterator[Event]:
    for block in blocks:
        match block:
            case {"type": "text", "text": str(text)} if error:  # the client's words
                yield Event("notice", text)
                if error in HOPELESS_ERRORS:
                    yield Event("end", text, outcome="refused")
            case {"type": "text", "text": str(text)}:
                yield Event("text", text)
            case {"type": "tool_use", "name": str(name), "input": {**arguments}}:
                yield Event("tool", f"{name}: {gist(arguments)}")


def gist(arguments: Mapping[Any, Any]) -> str:
    """The argument that says best what the call does, else its first text."""
    for name in (*GIST, *arguments):
        text = arguments.get(name)
        if text and isinstance(text, str):
            return text
    return ""


def _of_retry(record: Json) -> Iterator[Event]:
    error = record.get("error") or "no answer"
    if error in HOPELESS_ERRORS and number(record, "attempt") >= HOPELESS_ATTEMPTS:
        yield Event("end", "the API does not accept the credential", outcome="refused")
    status = int(number(record, "error_status"))
    delay_s = number(record, "retry_delay_ms") / 1000
    words = _trouble(status, str(error))
    text = f"{words}, asking again in {delay_s:.0f} s"
    is_shared = status == TOO_MANY_REQUESTS
    yield Event("wait", text, words, until=time.time() + delay_s, is_shared=is_shared)


def _trouble(status: int, error: str) -> str:
    """What an API's status means or, without one, what kept the client from reaching it."""
    if status in API_TROUBLES:
        return f"{API_TROUBLES[status]} ({status})"
    if status >= SERVER_ERROR:
        return f"the API is in trouble ({status})"
    if status:
        return f"the API answers {status}"
    known = "" if error in NO_NEWS else f": {error.replace('_', ' ')}"
    return f"the API cannot be reached{known}"


def _outcome(result: Json) -> Outcome:
    if result.get("is_error") is not True:
        return "done"
    if result.get("subtype") == "error_max_budget_usd":
        return "spent"
    status = number(result, "api_error_status")
    if status in STATUS_OUTCOMES:
        return STATUS_OUTCOMES[status]
    if status >= 500 or result.get("api_error") == "connection_failed":
        return "limited"
    return "error"
