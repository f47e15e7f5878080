"""Ids of traces, and what counts as telemetry."""

import pytest

from ocaptain.onboard import telemetry


def test_ids_follow_from_the_names_of_things():
    """The same everywhere and always, other for each thing, and of the form that OTLP wants."""
    header = telemetry.traceparent("voyage-1f", "7", 12)
    assert header == telemetry.traceparent("voyage-1f", "7", 12)
    version, trace, span, flags = header.split("-")
    assert (version, flags) == ("00", "01")
    assert trace == telemetry.trace_id("voyage-1f")
    assert (len(trace), len(span)) == (32, 16)
    others = {telemetry.span_id("voyage-1f", "7", claim) for claim in range(20)}
    assert len(others) == 20


@pytest.mark.parametrize(
    ("variables", "is_captains"),
    [
        ({"ANTHROPIC_API_KEY": "x"}, False),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team=sea", "OTEL_LOG_USER_PROMPTS": "1"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_LOGS_EXPORTER": "otlp"}, True),
        ({"CLAUDE_CODE_ENABLE_TELEMETRY": "0"}, True),
    ],
)
def test_what_the_captain_says_of_telemetry_holds(variables: dict[str, str], is_captains: bool):
    """Where it goes, or that there is to be none; not what it has in it."""
    assert telemetry.is_captains(variables) is is_captains


@pytest.mark.parametrize("line", ["", "{", "[]", "{}", '{"resourceSpans": 1}', "[" * 100_000])
def test_what_is_no_request_is_none(line: str):
    """Whatever stands in a file of telemetry."""
    assert telemetry.request_of(line) is None
