"""Telemetry that a ship has kept, which may be anything."""

import json
from typing import Any

import pytest

from ocaptain.fleet.otlp import Broken, read_request
from tests.support.otlp import a_span, sent, strictly_read
from tests.support.rules import rule

ATTRIBUTES = [
    {"key": "text", "value": {"stringValue": "é"}},
    {"key": "number", "value": {"intValue": "5"}},
    {"key": "not a number", "value": {"doubleValue": "NaN"}},
    {"key": "bytes", "value": {"bytesValue": "AAE="}},
    {"key": "list", "value": {"arrayValue": {"values": [{"boolValue": True}]}}},
]
POINT = {
    "asDouble": 0.5,
    "timeUnixNano": "3",
    "attributes": ATTRIBUTES,
    "exemplars": [{"asInt": "1", "spanId": "00000000000000aa", "traceId": "ab" * 16}],
}
METRIC = {"name": "claude_code.cost.usage", "sum": {"dataPoints": [POINT], "isMonotonic": True}}
RECORD = {
    "timeUnixNano": "1",
    "body": {"stringValue": "hello"},
    "spanId": "00000000000000aa",
    "traceId": "ab" * 16,
    "severityNumber": 9,
}
SPAN = a_span("voyage-1f", "aa", "bb", attributes=ATTRIBUTES, kind=1, status={"code": 2})
SOUND: list[dict[str, Any]] = [
    sent("voyage-1f", SPAN),
    {"resourceMetrics": [{"scopeMetrics": [{"metrics": [METRIC]}]}]},
    {"resourceLogs": [{"resource": {}, "scopeLogs": [{"logRecords": [RECORD]}]}]},
]


@pytest.mark.parametrize("request_", SOUND, ids=lambda each: next(iter(each)))
def test_what_is_sound_is_told_as_it_is(request_: dict[str, Any]):
    """What a later version of the format may have besides is left out."""
    newer = {**request_, "later": {"traceId": "ab" * 16}}
    found = read_request(json.dumps(newer).encode())
    assert found == read_request(json.dumps(found).encode())
    assert strictly_read(found) == strictly_read(request_)


BROKEN: dict[str, Any] = {
    "id too short": {"spanId": "aa"},
    "id of no digits": {"spanId": "an id of a span!"},
    "id is a number": {"spanId": 7},
    "no id": {"spanId": ""},
    "id is zero": {"traceId": "00" * 16},
    "parent too long": {"parentSpanId": "ab" * 16},
    "as protobuf names it": {"trace_id": "AAAA"},
    "time before time": {"startTimeUnixNano": -1},
    "time is no number": {"startTimeUnixNano": "noon"},
    "name is a number": {"name": 5},
    "half a character": {"name": "\ud800"},
    "no list": {"attributes": {"a": "b"}},
}


@pytest.mark.parametrize("wrong", BROKEN.values(), ids=BROKEN.keys())
@rule("R159")
def test_what_the_format_does_not_have_is_broken(wrong: dict[str, Any]):
    """Whatever it is that is wrong in one span of it."""
    request = sent("voyage-1f", SPAN, {**SPAN, **wrong})
    with pytest.raises(Broken):
        read_request(json.dumps(request).encode())


@pytest.mark.parametrize(
    "line", [b"torn", b"[]", b"\xff", b"[" * 100_000, b'{"resourceSpans":[1]}']
)
def test_what_is_no_request_is_broken(line: bytes):
    """Whatever stands in a file of telemetry."""
    with pytest.raises(Broken):
        read_request(line)


def test_what_lies_too_deep_is_broken():
    """A value may have values in it, but not without end."""
    value: dict[str, Any] = {"stringValue": "x"}
    for _ in range(150):
        value = {"arrayValue": {"values": [value]}}
    span = {**SPAN, "attributes": [{"key": "deep", "value": value}]}
    with pytest.raises(Broken):
        read_request(json.dumps(sent("voyage-1f", span)).encode())


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every place in a value of JSON: what it is in, and its key there."""
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        pairs = [*value.items()]
    elif isinstance(value, list):
        pairs = [*enumerate(value)]
    return [place for key, each in pairs for place in [(value, key), *places(each)]]


ODD: list[Any] = [
    None,
    True,
    -1,
    2**64,
    1e300,
    float("nan"),
    "",
    "00",
    "\0",
    "\udfff",
    [],
    [[]],
    {},
    {"": None},
    {"\udfff": None},
]


@pytest.mark.parametrize("request_", SOUND, ids=lambda each: next(iter(each)))
@rule("R159")
def test_nothing_gets_through_that_the_format_does_not_have(request_: dict[str, Any]):
    """A sound request in which something is something else: it is broken, or strictly read."""
    fates = {True: 0, False: 0}
    for number in range(len(places(request_))):
        for odd in ODD:
            changed = json.loads(json.dumps(request_))
            container, key = places(changed)[number]
            container[key] = odd
            fates[is_strictly_read(changed)] += 1
    assert all(fates.values())


def is_strictly_read(request: dict[str, Any]) -> bool:
    """Whether a request gets through; then it is strictly read."""
    try:
        found = read_request(json.dumps(request).encode())
    except Broken:
        return False
    strictly_read(found)
    return True
