"""Whose child each span of a voyage is."""

from typing import Any

import pytest

from ocaptain.fleet.lineage import DEEPEST, Lineage
from ocaptain.fleet.spans import Span
from ocaptain.onboard.telemetry import span_id
from tests.support.otlp import a_span, sent
from tests.support.rules import rule

VOYAGE = "voyage-1f"
ROOT = span_id(VOYAGE)
ATTEMPT = span_id(VOYAGE, "1", 1)


@pytest.fixture
def lineage() -> Lineage:
    """The spans of a voyage with one attempt."""
    known = Lineage(VOYAGE)
    known.add([Span(ROOT, "", "voyage", 0, 1, {}), Span(ATTEMPT, ROOT, "attempt", 0, 1, {})])
    return known


def put(lineage: Lineage, *requests: Any) -> dict[str, str]:
    """Bring what agents have sent into a voyage's trace. Returns parents by span."""
    for request in requests:
        lineage.await_all(request)
    found = []
    for request in requests:
        lineage.put(request)
        found += request["resourceSpans"][0]["scopeSpans"][0]["spans"]
    parents = {span["spanId"].lstrip("0"): span["parentSpanId"].lstrip("0") for span in found}
    assert len(parents) == len(found)
    return parents


@rule("R159")
def test_a_parent_that_comes_later_is_one(lineage: Lineage):
    """As its end is later; one that never comes is replaced by the attempt."""
    first = sent(VOYAGE, a_span(VOYAGE, "a", "b"), a_span(VOYAGE, "c", "d"))
    later = sent(VOYAGE, a_span(VOYAGE, "b", ATTEMPT))
    assert put(lineage, first, later) == {"a": "b", "c": ATTEMPT, "b": ATTEMPT}


def test_what_says_nothing_true_of_its_attempt_is_below_the_voyage(lineage: Lineage):
    """There is no such claim."""
    assert put(lineage, sent(VOYAGE, a_span(VOYAGE, "a", "b"), claim=7)) == {"a": ROOT}


@rule("R159")
def test_each_span_comes_once(lineage: Lineage):
    """What was sent again is left out, and what calls itself by the name of another."""
    again = sent(VOYAGE, a_span(VOYAGE, "a", ATTEMPT, name="again"), a_span(VOYAGE, ATTEMPT, ROOT))
    assert put(lineage, sent(VOYAGE, a_span(VOYAGE, "a", ATTEMPT)), again) == {"a": ATTEMPT}


@rule("R159")
def test_no_span_lies_in_itself(lineage: Lineage):
    """Nor too deep in others: it lies below its attempt then."""
    spans = [a_span(VOYAGE, "a", "a"), a_span(VOYAGE, "b", "c"), a_span(VOYAGE, "c", "b")]
    assert put(lineage, sent(VOYAGE, *spans)) == {"a": ATTEMPT, "b": "c", "c": ATTEMPT}
    deep = [a_span(VOYAGE, f"{number:x}", f"{number - 1:x}") for number in range(20, 250)]
    parents = put(lineage, sent(VOYAGE, *deep))
    depths = {ATTEMPT: 0}
    for span, parent in parents.items():
        depths[span] = depths[parent] + 1
    assert max(depths.values()) < DEEPEST
    assert len(parents) == 230


def test_a_span_that_ends_before_it_begins_takes_no_time(lineage: Lineage):
    """Those who draw it need not think of that."""
    request = sent(VOYAGE, a_span(VOYAGE, "a", ATTEMPT, startTimeUnixNano="9"))
    put(lineage, request)
    [span] = request["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert (span["startTimeUnixNano"], span["endTimeUnixNano"]) == ("9", "9")


def test_other_traces_are_as_they_are(lineage: Lineage):
    """A program may have begun one of its own; but it does not come twice."""
    span = a_span("voyage-2f", "a", "b")
    assert put(lineage, sent(VOYAGE, span), sent(VOYAGE, span)) == {"a": "b"}
