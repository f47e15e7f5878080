"""Ids of a voyage's trace, and what telemetry is kept as: OTLP in JSON, one request a line.

The ids follow from the voyage, its tasks and their claims, so that whoever knows these knows them:
what an agent sends has its parent before that is made."""

from __future__ import annotations

import json
from hashlib import sha256

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from .protocol import Json

LIMIT = 50_000_000
"""Bytes of telemetry that are kept of a ship, on the ship and on storage."""
BATCH = 200_000
"""Bytes of it that are sent to storage at once."""
SIGNALS = {"traces": "resourceSpans", "metrics": "resourceMetrics", "logs": "resourceLogs"}
"""What is told apart, by its place in a receiver's URL, and the key that has it in a request."""
SWITCH = "CLAUDE_CODE_ENABLE_TELEMETRY"
HARMLESS = ("OTEL_RESOURCE_ATTRIBUTES", "OTEL_LOG_")
"""How variables begin that say what telemetry has in it, and not where it goes."""
VERIFICATION = "verify"
"""What stands in the place of a task's id for the verification."""


def trace_id(voyage: str) -> str:
    """Return the id of a voyage's one trace, in hexadecimal."""
    return sha256(voyage.encode()).hexdigest()[:32]


def span_id(*parts: object) -> str:
    """Return the id of a span: of a voyage, of one's task, of a claim of that, of a part of it."""
    return sha256("/".join(map(str, parts)).encode()).hexdigest()[:16]


def traceparent(voyage: str, task: str, claim: int) -> str:
    """Return what makes a claim's span the parent of what a program sends (W3C Trace Context)."""
    return f"00-{trace_id(voyage)}-{span_id(voyage, task, claim)}-01"


def is_captains(agent_env: Mapping[str, str]) -> bool:
    """Whether the captain has said where telemetry goes, or that there is to be none."""
    theirs = [name for name in agent_env if name.startswith("OTEL_")]
    return SWITCH in agent_env or any(not name.startswith(HARMLESS) for name in theirs)


def request_of(line: bytes | str) -> Json | None:
    """Return the request in a line of a file of telemetry; None if it is none."""
    try:
        request = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, dict):
        return None
    found = [key for key in SIGNALS.values() if isinstance(request.get(key), list)]
    return request if len(found) == 1 else None
