"""Telemetry as OTLP's own definition has it: read strictly, and made up."""

import base64
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from ocaptain.onboard.telemetry import trace_id

Json = dict[str, Any]

IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}
REQUESTS: Any = {
    "resourceSpans": ExportTraceServiceRequest,
    "resourceMetrics": ExportMetricsServiceRequest,
    "resourceLogs": ExportLogsServiceRequest,
}


def strictly_read(request: Json) -> Any:
    """A request, read by the format's own definition, which may have nothing else in it."""
    [key] = request
    return json_format.ParseDict(as_protobuf(request), REQUESTS[key]())


def as_protobuf(value: Any) -> Any:
    """A value of OTLP's in JSON as protobuf has it: ids, which are whole, in base64."""
    if isinstance(value, list):
        return [as_protobuf(each) for each in value]
    if not isinstance(value, dict):
        return value
    whole = {key: as_protobuf(each) for key, each in value.items()}
    for key in whole.keys() & IDS.keys():
        data = bytes.fromhex(whole[key])
        assert len(data) == IDS[key]
        assert any(data)
        whole[key] = base64.b64encode(data).decode()
    return whole


def spans_of(requests: list[Json]) -> list[Any]:
    """All spans of some requests, strictly read; each has its ids."""
    messages = [strictly_read(each) for each in requests if "resourceSpans" in each]
    groups = [group for message in messages for group in message.resource_spans]
    scopes = [scope for group in groups for scope in group.scope_spans]
    spans = [span for scope in scopes for span in scope.spans]
    assert all(span.trace_id and span.span_id for span in spans)
    return spans


def whole_trace(requests: list[Json], voyage: str) -> dict[str, Any]:
    """The spans of a voyage's trace by their ids. Fails unless each is there once, has its parent
    and ends after it began."""
    spans = spans_of(requests)
    by_id = {span.span_id.hex(): span for span in spans}
    assert len(by_id) == len(spans)
    assert {span.trace_id.hex() for span in spans} == {trace_id(voyage)}
    roots = [span for span in spans if not span.parent_span_id]
    assert [span.name for span in roots] == ["voyage"]
    for span in spans:
        assert span.start_time_unix_nano <= span.end_time_unix_nano
        above = [span]
        while above[-1] is not roots[0]:
            above.append(by_id[above[-1].parent_span_id.hex()])
            assert len(above) <= len(spans)
    return by_id


def attributes(span: Any) -> dict[str, Any]:
    """What a span says of itself."""
    found = {}
    for each in span.attributes:
        found[each.key] = getattr(each.value, each.value.WhichOneof("value"))
    return found


def sent(voyage: str, *spans: Json, ship: str = "ship-0", task: str = "1", claim: int = 1) -> Json:
    """A request of an agent at work on a claim."""
    about = {"voyage.id": voyage, "ship.id": ship, "task.id": task, "ocaptain.claim": str(claim)}
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in about.items()]
    return {
        "resourceSpans": [{"resource": {"attributes": pairs}, "scopeSpans": [{"spans": [*spans]}]}]
    }


def a_span(voyage: str, this: str, parent: str, **more: Any) -> Json:
    """A span of an agent's; ids are numbers in hexadecimal."""
    return {
        "traceId": trace_id(voyage),
        "spanId": this.rjust(16, "0"),
        "parentSpanId": parent.rjust(16, "0"),
        "name": "claude_code.tool",
        "startTimeUnixNano": "1",
        "endTimeUnixNano": "2",
        **more,
    }
