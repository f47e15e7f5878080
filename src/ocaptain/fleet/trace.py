"""A voyage as one trace: its own spans, and what its agents have sent of telemetry."""

import tempfile
from collections.abc import Callable, Iterator
from typing import IO, Any

from ocaptain.onboard.protocol import Json
from ocaptain.onboard.telemetry import request_of, span_id, trace_id

from .picture import Picture, read_picture
from .spans import requests, spans_of
from .voyage import Voyage

SILENCE_S = 120
READ = "cd ~/voyage/telemetry 2>/dev/null && cat ship-*.jsonl 2>/dev/null; true"

Use = Callable[[Json], None]


async def trace(voyage: Voyage, use: Use) -> None:
    """Call `use` with each request that a voyage's trace is made of: first its own spans.

    What goes on ends now. A span of an agent's whose parent never came, as its ship died, is put
    below its attempt."""
    picture = (await read_picture(voyage)).picture()
    spans = list(spans_of(picture))
    for request in requests(voyage.id, spans, picture["now"]):
        use(request)
    with tempfile.TemporaryFile() as kept:
        command = voyage.as_harbor("sh", "-c", READ)
        await voyage.ssh.stream(voyage.storage, command, kept.write, silence=SILENCE_S)
        known = {span.id for span in spans}
        for request in requests_in(kept):
            known.update(str(span.get("spanId")) for _, span in spans_in(request))
        for request in requests_in(kept):
            _put_below_attempts(picture, request, known)
            use(request)


def requests_in(kept: IO[bytes]) -> Iterator[Json]:
    kept.seek(0)
    for line in kept:
        request = request_of(line)
        if request is not None:
            yield request


def spans_in(request: Json) -> Iterator[tuple[Json, Json]]:
    """Yield each span with its resource; whatever is of another form is left out."""
    for group in _dicts(request.get("resourceSpans")):
        for scope in _dicts(group.get("scopeSpans")):
            for span in _dicts(scope.get("spans")):
                yield group, span


def _dicts(value: Any) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _put_below_attempts(picture: Picture, request: Json, known: set[str]) -> None:
    trace = trace_id(picture["voyage"])
    for group, span in spans_in(request):
        if span.get("traceId") == trace and span.get("parentSpanId") not in known:
            resource = group.get("resource")
            named = texts(resource if isinstance(resource, dict) else {})
            task, claim = named.get("task.id", ""), named.get("ocaptain.claim", "")
            attempt = span_id(picture["voyage"], task, claim)
            root = span_id(picture["voyage"])
            span["parentSpanId"] = attempt if attempt in known else root


def texts(resource: Json) -> dict[str, str]:
    """Return the attributes of a resource that are texts."""
    found: dict[str, str] = {}
    for each in _dicts(resource.get("attributes")):
        value = each.get("value")
        if isinstance(value, dict) and isinstance(value.get("stringValue"), str):
            found[str(each.get("key"))] = value["stringValue"]
    return found
