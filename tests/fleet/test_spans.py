"""A voyage's own spans."""

from pathlib import Path
from typing import Any

import pytest

import ocaptain
from ocaptain.fleet.spans import SCHEMA, requests, spans_of
from ocaptain.onboard.telemetry import span_id
from tests.support.otlp import attributes, whole_trace
from tests.support.pictures import Drawn
from tests.support.rules import rule

USED = {
    "input_tokens": 1,
    "cache_read_tokens": 20,
    "cache_write_tokens": 300,
    "output_tokens": 4000,
    "cost_usd": 0.5,
    "api_s": 1.0,
}


def drawn(**record: Any) -> Any:
    """A picture of a voyage: 1 and 2 have landed, 3 has failed, 4 waits for it and for 2."""
    voyage = Drawn(tasks=5, ships=2, done=2, **record)
    for claim in voyage.claims:
        claim["usage"] = {"one-model": USED, "another": USED}
    voyage.fail("3", "no luck")
    return voyage.picture()


def made(picture: Any) -> dict[str, Any]:
    """The spans of a picture, by their ids; they are one whole trace."""
    found = list(requests(picture["voyage"], list(spans_of(picture)), picture["now"]))
    return whole_trace(found, picture["voyage"])


@rule("R159")
def test_attempts_link_to_what_their_tasks_waited_for():
    """To the landings of blockers: each is a span, in the same trace."""
    picture = drawn()
    spans = made(picture)
    voyage = picture["voyage"]
    links = [link.span_id.hex() for link in spans[span_id(voyage, "4", 4)].links]
    assert links == [span_id(voyage, "2", 2, "landed"), span_id(voyage, "1", 1, "landed")]
    assert [spans[link].name for link in links] == ["landed", "landed"]
    trace = {link.trace_id for span in spans.values() for link in span.links}
    assert trace == {spans[span_id(voyage)].trace_id}


@pytest.mark.parametrize(
    ("agent", "provider"),
    [("claude", "anthropic"), ("codex", "openai"), ("gemini", "gcp.gemini"), ("opencode", None)],
)
def test_an_agents_attempt_is_as_the_conventions_have_it(agent: str, provider: str | None):
    """Names and attributes of `invoke_agent`; tokens of caches are input, too."""
    picture = drawn(model="a-model")
    for claim in picture["claims"]:
        claim["agent"] = agent
    span = made(picture)[span_id(picture["voyage"], "1", 1)]
    assert span.name == f"invoke_agent {agent}"
    found = attributes(span)
    assert {key: found[key] for key in found if key.startswith("gen_ai.")} == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": agent,
        **({"gen_ai.provider.name": provider} if provider else {}),
        "gen_ai.request.model": "a-model",
        "gen_ai.usage.input_tokens": 2 * 321,
        "gen_ai.usage.cache_read.input_tokens": 2 * 20,
        "gen_ai.usage.cache_creation.input_tokens": 2 * 300,
        "gen_ai.usage.output_tokens": 2 * 4000,
    }
    assert "error.type" not in found


def test_the_model_is_that_of_the_task_if_it_has_one():
    """The voyage's is for all others."""
    picture = drawn(model="a-model")
    picture["tasks"][1]["model"] = "its-own"
    spans = made(picture)
    voyage = picture["voyage"]
    models = [
        attributes(spans[span_id(voyage, task, int(task))])["gen_ai.request.model"]
        for task in ("1", "2")
    ]
    assert models == ["a-model", "its-own"]


def test_a_program_is_no_model():
    """An attempt of `shell` has a name of its own, and nothing of generative AI."""
    picture = drawn(agent="shell")
    for claim in picture["claims"]:
        claim["agent"] = None
    span = made(picture)[span_id(picture["voyage"], "1", 1)]
    assert span.name == "attempt"
    assert not [key for key in attributes(span) if key.startswith("gen_ai.")]


def test_an_attempt_that_came_to_nothing_is_an_error():
    """Its kind is how the claim ended; and so is a task that has failed, which says why."""
    picture = drawn()
    spans = made(picture)
    attempt, task = (spans[span_id(picture["voyage"], *name)] for name in [("3", 3), ("3",)])
    assert (attempt.status.code, attempt.status.message) == (2, "no luck")
    assert attributes(attempt)["error.type"] == "released"
    assert (task.status.code, task.status.message) == (2, "no luck")


def test_the_version_of_the_conventions_is_told_once():
    """Each request names it; docs name the same."""
    picture = drawn()
    found = list(requests(picture["voyage"], list(spans_of(picture)), picture["now"]))
    groups = [group for request in found for group in request["resourceSpans"]]
    named = {group["schemaUrl"] for group in groups}
    named |= {scope["schemaUrl"] for group in groups for scope in group["scopeSpans"]}
    assert named == {SCHEMA}
    docs = Path(ocaptain.__file__).parents[2] / "docs" / "telemetry.md"
    assert f"version\n{SCHEMA.rpartition('/')[2]}" in docs.read_text()
