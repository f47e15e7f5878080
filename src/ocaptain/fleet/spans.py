"""A voyage's own spans: the voyage, its tasks, their attempts, and what each was at.

Names and attributes are of OpenTelemetry's conventions for generative AI, and `ocaptain.*`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import ocaptain
from ocaptain.onboard.picture import Claim, Phase, Task
from ocaptain.onboard.protocol import Json
from ocaptain.onboard.telemetry import VERIFICATION, span_id, trace_id

from .picture import Picture

SCHEMA = "https://opentelemetry.io/schemas/1.41.0"
"""The conventions that names are of; those for generative AI are in development."""
INTERNAL = 1
OK = 1
ERROR = 2
PROVIDERS = {
    "claude": "anthropic",
    "claude-acp": "anthropic",
    "codex": "openai",
    "gemini": "gcp.gemini",
}
"""`gen_ai.provider.name` by agent; others are not bound to one."""
NOT_AI = ("shell",)
"""Agents that are programs."""
NAMES = {
    "working": "work",
    "limited": "wait for a limit",
    "waiting": "wait for a place",
    "rebasing": "rebase",
    "checking": "check",
    "green": "wait for those ahead",
    "reviewing": "review",
    "landing": "land",
    "verifying": "verify",
    "lost": "lost",
}
"""Names of spans by what a claim is at."""
TOKENS = {
    "gen_ai.usage.input_tokens": ("input_tokens", "cache_read_tokens", "cache_write_tokens"),
    "gen_ai.usage.cache_read.input_tokens": ("cache_read_tokens",),
    "gen_ai.usage.cache_creation.input_tokens": ("cache_write_tokens",),
    "gen_ai.usage.output_tokens": ("output_tokens",),
}
"""What is counted by each attribute: by the conventions those of caches are input as well."""

Value = str | int | float | bool | None
Attributes = Mapping[str, Value]


class Span(NamedTuple):
    """Something that took its time. Times are in UNIX time."""

    id: str
    parent: str
    """Empty: it is the voyage."""
    name: str
    begin: float
    end: float | None
    """None: it goes on."""
    attributes: Attributes
    ship: str = ""
    """Empty: it is on no ship."""
    status: int = 0
    message: str = ""
    links: tuple[str, ...] = ()
    """Ids of spans that it has waited for."""


def spans_of(picture: Picture) -> Iterator[Span]:
    """Yield all spans of a voyage; a parent before its children."""
    voyage = picture["voyage"]
    record = picture["record"]
    state = picture["status"]["state"]
    ends = [claim["ended_at"] or picture["now"] for claim in picture["claims"]]
    is_over = state in ("complete", "failed")
    about: Attributes = {
        "ocaptain.voyage.id": voyage,
        "ocaptain.voyage.name": record["name"],
        "ocaptain.voyage.state": state,
    }
    end = max([record["created"], *ends]) if is_over else None
    status = {"complete": OK, "failed": ERROR}.get(state, 0)
    root = span_id(voyage)
    yield Span(root, "", "voyage", record["created"], end, about, status=status)
    attempts = _by_task(picture["claims"])
    for task in picture["tasks"]:
        yield from _of_task(picture, task, attempts)
    for claim in attempts.get(None, []):
        yield _attempt(picture, claim, root, record["model"])
        yield from _phases(voyage, claim)


def _by_task(claims: list[Claim]) -> dict[str | None, list[Claim]]:
    found: dict[str | None, list[Claim]] = {}
    for claim in sorted(claims, key=lambda each: each["number"]):
        found.setdefault(claim["task"], []).append(claim)
    return found


def _of_task(
    picture: Picture, task: Task, attempts: Mapping[str | None, list[Claim]]
) -> Iterator[Span]:
    """Yield a task from when it could be claimed, and its attempts. Nothing, before that."""
    landed = [_landed(attempts.get(blocker, [])) for blocker in task["blockers"]]
    claims = attempts.get(task["id"], [])
    if not claims and not all(landed):
        return
    voyage = picture["voyage"]
    ready = max([picture["record"]["created"], *(_end(claim) for claim in landed if claim)])
    begin = min([ready, *(claim["claimed_at"] for claim in claims)])
    over = {"completed": OK, "failed": ERROR}.get(task["status"], 0)
    end = _end(claims[-1]) if over and claims else None
    this = span_id(voyage, task["id"])
    about: Attributes = {
        "ocaptain.task.id": task["id"],
        "ocaptain.task.subject": task["subject"],
        "ocaptain.task.state": task["status"],
    }
    why = task["reason"] if over == ERROR else None
    yield Span(this, span_id(voyage), "task", begin, end, about, status=over, message=why or "")
    links = tuple(_landing_id(voyage, claim) for claim in landed if claim)
    model = task["model"] or picture["record"]["model"]
    since = begin
    for claim in claims:
        yield _waiting(voyage, task["id"], this, since, claim)
        yield _attempt(picture, claim, this, model, links)
        yield from _phases(voyage, claim)
        since = _end(claim)


def _waiting(voyage: str, task: str, parent: str, since: float, claim: Claim) -> Span:
    """Return the wait of a task for a ship."""
    until = max(since, claim["claimed_at"])
    return Span(
        id=span_id(voyage, task, claim["number"], "unclaimed"),
        parent=parent,
        name="wait for a ship",
        begin=since,
        end=until,
        attributes={"ocaptain.phase": "unclaimed"},
    )


def _attempt(
    picture: Picture, claim: Claim, parent: str, model: str | None, links: tuple[str, ...] = ()
) -> Span:
    agent = claim["agent"] or picture["record"]["agent"]
    about: dict[str, Value] = {
        "ocaptain.task.id": claim["task"] or VERIFICATION,
        "ocaptain.ship.id": claim["ship"],
        "ocaptain.claim": claim["number"],
        "ocaptain.claim.state": claim["state"],
        "ocaptain.commit": claim["commit"],
        "ocaptain.cost_usd": float(claim["cost_usd"]),
    }
    name = "attempt"
    if claim["task"] is None:
        name = "verification"
    elif agent not in NOT_AI:
        name = f"invoke_agent {agent}"
        about |= _of_agent(agent, claim, model)
    status = {"live": 0, "landed": OK}.get(claim["state"], ERROR)
    if status == ERROR:
        about["error.type"] = claim["state"]
    return Span(
        _attempt_id(picture["voyage"], claim),
        parent,
        name,
        claim["claimed_at"],
        claim["ended_at"],
        about,
        claim["ship"],
        status,
        claim["why"] or "",
        links,
    )


def _of_agent(agent: str, claim: Claim, model: str | None) -> dict[str, Value]:
    about: dict[str, Value] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": agent,
        "gen_ai.provider.name": PROVIDERS.get(agent),
        "gen_ai.request.model": model,
    }
    if claim["usage"]:
        about |= {name: _tokens(claim, kinds) for name, kinds in TOKENS.items()}
    return about


def _tokens(claim: Claim, kinds: Iterable[str]) -> int:
    """Return how many tokens of some kinds a claim has used, of whatever model."""
    total = 0
    for usage in claim["usage"].values():
        amounts: Mapping[str, Any] = usage
        total += sum(amounts[kind] for kind in kinds)
    return total


def _phases(voyage: str, claim: Claim) -> Iterator[Span]:
    """Yield what a claim was at, and the landing that ended it if it has landed."""
    for number, phase in enumerate(claim["phases"]):
        this = span_id(*_names(voyage, claim), number, phase["state"])
        yield _phase(this, voyage, claim, phase)
    if claim["state"] == "landed":
        at = _end(claim)
        about: Attributes = {"ocaptain.commit": claim["commit"]}
        this = _landing_id(voyage, claim)
        yield Span(this, _attempt_id(voyage, claim), "landed", at, at, about, claim["ship"])


def _phase(this: str, voyage: str, claim: Claim, phase: Phase) -> Span:
    state = phase["state"]
    return Span(
        id=this,
        parent=_attempt_id(voyage, claim),
        name=NAMES[state],
        begin=phase["from"],
        end=phase["until"],
        attributes={"ocaptain.phase": state},
        ship=claim["ship"],
        status=ERROR if state == "lost" else 0,
    )


def _names(voyage: str, claim: Claim) -> tuple[str, str, int]:
    return voyage, claim["task"] or VERIFICATION, claim["number"]


def _attempt_id(voyage: str, claim: Claim) -> str:
    return span_id(*_names(voyage, claim))


def _landing_id(voyage: str, claim: Claim) -> str:
    return span_id(*_names(voyage, claim), "landed")


def _landed(claims: list[Claim]) -> Claim | None:
    """Return the claim that has landed, of those of a task."""
    found = [claim for claim in claims if claim["state"] == "landed"]
    return found[-1] if found else None


def _end(claim: Claim) -> float:
    return claim["ended_at"] or claim["claimed_at"]


# As OTLP has it


def requests(voyage: str, spans: list[Span], now: float) -> Iterator[Json]:
    """Yield spans as OTLP's requests in JSON, one for each ship. What goes on ends `now`."""
    for ship in sorted({span.ship for span in spans}):
        attributes: dict[str, Value] = {
            "service.name": "ocaptain",
            "service.version": ocaptain.__version__,
            "voyage.id": voyage,
            "ship.id": ship or None,
        }
        found = [_otlp(voyage, span, now) for span in spans if span.ship == ship]
        scope = {"scope": {"name": "ocaptain"}, "spans": found, "schemaUrl": SCHEMA}
        yield {
            "resourceSpans": [
                {
                    "resource": {"attributes": _key_values(attributes)},
                    "scopeSpans": [scope],
                    "schemaUrl": SCHEMA,
                }
            ]
        }


def _otlp(voyage: str, span: Span, now: float) -> Json:
    trace = trace_id(voyage)
    attributes = {**span.attributes, "ocaptain.under_way": span.end is None or None}
    return {
        "traceId": trace,
        "spanId": span.id,
        **({"parentSpanId": span.parent} if span.parent else {}),
        "name": span.name,
        "kind": INTERNAL,
        "startTimeUnixNano": _nanoseconds(span.begin),
        "endTimeUnixNano": _nanoseconds(max(span.begin, now if span.end is None else span.end)),
        "attributes": _key_values(attributes),
        "links": [{"traceId": trace, "spanId": link} for link in span.links],
        "status": {"code": span.status, "message": span.message},
    }


def _nanoseconds(moment: float) -> str:
    return str(round(moment * 1e6) * 1000)


def _key_values(attributes: Attributes) -> list[Json]:
    return [
        {"key": key, "value": _value(value)}
        for key, value in attributes.items()
        if value is not None
    ]


def _value(value: Value) -> Json:
    match value:
        case bool():
            return {"boolValue": value}
        case int():
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
    return {"stringValue": value}
