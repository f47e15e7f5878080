"""What ships have kept of telemetry, read by the definition of OTLP: nothing else gets through.

It is whatever an agent has sent, and its ship may be anybody's by then."""

import json
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ocaptain.onboard.protocol import Json
from ocaptain.onboard.telemetry import request_of

REQUESTS: Mapping[str, type[Message]] = {
    "resourceSpans": ExportTraceServiceRequest,
    "resourceMetrics": ExportMetricsServiceRequest,
    "resourceLogs": ExportLogsServiceRequest,
}
"""What a request is by definition, by the key that has it."""
IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
"""Bytes of ids. OTLP has these in hexadecimal, and protobuf's own JSON in base64."""
PROTOBUFS_NAMES = ("trace_id", "span_id", "parent_span_id")
"""What protobuf calls them, and OTLP does not."""


class Broken(ValueError):
    """Something is no request as OTLP defines it."""


def read_request(line: bytes) -> Json:
    """Return the request in a line, with all that OTLP knows of it and nothing else.

    Raises Broken if it is none."""
    request = request_of(line)
    if request is None:
        raise Broken
    [key] = [key for key in REQUESTS if isinstance(request.get(key), list)]
    message = REQUESTS[key]()
    try:
        json.dumps(request, ensure_ascii=False).encode()  # half characters crash protobuf
        told = with_ids({key: request[key]}, in_base64)
        json_format.ParseDict(told, message, ignore_unknown_fields=True)
    except (json_format.ParseError, ValueError, RecursionError):
        raise Broken from None
    plain = json_format.MessageToDict(message, use_integers_for_enums=True)
    sound: Json = {key: [], **with_ids(plain, in_hexadecimal)}
    if not all(_is_named(span) for _, span in spans_in(sound)):
        raise Broken
    return sound


def with_ids(value: Any, as_wanted: Callable[[str, Any], Any]) -> Any:
    """Return a value of JSON with each id in it as it is wanted."""
    if isinstance(value, list):
        return [with_ids(each, as_wanted) for each in value]
    if not isinstance(value, dict):
        return value
    whole = {}
    for key, each in value.items():
        if key in PROTOBUFS_NAMES:
            raise Broken
        whole[key] = as_wanted(key, each) if key in IDS else with_ids(each, as_wanted)
    return whole


def in_base64(key: str, text: Any) -> str:
    """Return an id as protobuf reads it. Raises ValueError if it is none."""
    if text is None:
        return ""
    if not isinstance(text, str):
        raise Broken
    data = bytes.fromhex(text)
    if len(data) not in (0, IDS[key]):
        raise Broken
    return b64encode(data).decode() if any(data) else ""


def in_hexadecimal(_key: str, text: str) -> str:
    """Return an id as OTLP has it."""
    return b64decode(text).hex()


def _is_named(span: Json) -> bool:
    return bool(span.get("traceId") and span.get("spanId"))


def spans_in(request: Json) -> Iterator[tuple[Json, Json]]:
    """Yield each span of a request with the resource that it is of, and its attributes."""
    for group in request.get("resourceSpans", ()):
        for scope in group.get("scopeSpans", ()):
            for span in scope.get("spans", ()):
                yield group.get("resource", {}), span


def texts(resource: Json) -> dict[str, str]:
    """Return the attributes that are texts, of a resource or a span."""
    found: dict[str, str] = {}
    for each in resource.get("attributes", ()):
        value = each.get("value", {}).get("stringValue")
        if value is not None:
            found[each.get("key", "")] = value
    return found


def nanoseconds(span: Json) -> tuple[int, int]:
    """Return when a span began and ended, in nanoseconds of UNIX time."""
    begin, end = span.get("startTimeUnixNano", 0), span.get("endTimeUnixNano", 0)
    return int(begin), int(end)
