"""Claude Code: what it is started with, and what is read from what it prints."""

import json
import shlex
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocaptain.onboard.ship.agents import AGENTS, Event, Usage
from tests.support.events import ODD, check
from tests.support.rules import rule
from tests.support.ship import AGENT_SECRET, JOB, a_grant

claude = AGENTS["claude"]


def heard(**said):
    return list(claude.events(json.dumps(said).encode()))


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


def test_claude_calls_the_hook_with_every_word_intact():
    """The hook's command line survives the shell that Claude runs it with."""
    settings = json.loads(after(claude.command(JOB), "--settings"))
    [entry] = settings["hooks"]["PreToolUse"]
    assert entry["matcher"] == "TaskCreate|TaskUpdate"
    assert tuple(shlex.split(entry["hooks"][0]["command"])) == JOB.hook


def test_claude_is_told_model_and_budget_only_where_the_plan_has_them():
    """Without them Claude's own defaults hold."""
    plain = claude.command(JOB)
    grant = a_grant({"id": "7"}, budget_usd=2.5)
    asked = claude.command(JOB._replace(model="opus", grant=grant))
    assert "--model" not in plain
    assert "--max-budget-usd" not in plain
    assert (after(asked, "--model"), after(asked, "--max-budget-usd")) == ("opus", "2.5")


@rule("R174")
def test_claude_has_no_tools_that_change_anything_if_it_only_reads():
    """Its shell is left to it, for tests."""
    reads = after(claude.command(JOB._replace(reads_only=True)), "--disallowedTools").split(",")
    works = after(claude.command(JOB), "--disallowedTools").split(",")
    assert {*reads} - {*works} == {"Edit", "Write", "NotebookEdit", "TaskCreate", "TaskUpdate"}


def test_claude_works_on_the_task_list_of_the_voyage():
    """The task tools are switched on and point at the shared list."""
    environment = claude.environment(JOB)
    assert environment["CLAUDE_CODE_TASK_LIST_ID"] == "voyage-1f-tasks"
    assert environment["CLAUDE_CODE_ENABLE_TODO_TOOLS"] == "1"
    assert environment["CLAUDE_CODE_OAUTH_TOKEN"] == AGENT_SECRET


def test_telemetry_names_voyage_ship_and_task_besides_the_captains_attributes():
    """Resource attributes are added to, and escaped as their format wants."""
    captain = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_RESOURCE_ATTRIBUTES": "team=a%20b"}
    grant = a_grant({"id": "a,b"})
    environment = claude.environment(JOB._replace(grant=grant, agent_env=captain))
    attributes = "team=a%20b,voyage.id=voyage-1f,ship.id=ship-2,task.id=a%2Cb,ocaptain.claim=1"
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == attributes
    assert environment["OTEL_LOGS_EXPORTER"] == "otlp"


def test_telemetry_is_on_where_the_captain_turned_it_on():
    """The attributes alone send nothing. If helm receives it, that is where all of it goes."""
    switch = "CLAUDE_CODE_ENABLE_TELEMETRY"
    assert switch not in claude.environment(JOB)
    assert claude.environment(JOB._replace(agent_env={switch: "1"}))[switch] == "1"
    received = claude.environment(JOB._replace(telemetry="http://127.0.0.1:9/x"))
    assert received[switch] == "1"
    assert received["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://127.0.0.1:9/x"
    assert {received[f"OTEL_{kind}_EXPORTER"] for kind in ("TRACES", "METRICS", "LOGS")} == {"otlp"}


@pytest.mark.parametrize("name", ["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"])
def test_claude_misses_a_credential_until_it_has_one(name):
    """Either kind of credential will do, and an empty one is none."""
    assert "CLAUDE_CODE_OAUTH_TOKEN" in (claude.missing({name: ""}) or "")
    assert claude.missing({name: "x"}) is None


def test_what_claude_says_and_does_becomes_lines_for_the_log():
    """Texts and tool calls are one line each, with all that was said; thinking is not logged."""
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Two\nlines "},
        {"type": "tool_use", "name": "Bash", "input": {"description": "t", "command": "pytest -q"}},
        {"type": "tool_use", "name": "Edit", "input": {"old_string": "x", "file_path": "src/a.py"}},
        {"type": "tool_use", "name": "TaskList", "input": {}},
    ]
    assert heard(type="assistant", message={"content": content}) == [
        Event("text", "Two lines", words="Two\nlines"),
        Event("tool", "Bash: pytest -q"),
        Event("tool", "Edit: src/a.py"),
        Event("tool", "TaskList:"),
    ]


def test_half_a_character_does_not_reach_the_log():
    """A lone surrogate, which JSON allows, is replaced by something that can be encoded."""
    [event] = claude.events(
        rb'{"type":"assistant","message":{"content":[{"type":"text","text":"a\ud800"}]}}'
    )
    assert event.text == "a?"


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ({"is_error": False, "subtype": "success"}, "done"),
        ({"is_error": True, "subtype": "success", "api_error_status": 401}, "refused"),
        ({"is_error": True, "subtype": "success", "api_error_status": 429}, "limited"),
        ({"is_error": True, "subtype": "success", "api_error_status": 529}, "limited"),
        ({"is_error": True, "api_error": "connection_failed"}, "limited"),
        ({"is_error": True, "subtype": "error_max_budget_usd"}, "spent"),
        ({"is_error": True, "subtype": "success", "api_error_status": 400}, "error"),
        ({"is_error": True, "subtype": "error_during_execution"}, "error"),
    ],
)
def test_outcome_of_a_turn_follows_is_error_and_never_subtype(result, outcome):
    """What kind of end it was decides between landing, waiting, giving back and stopping."""
    assert [event.outcome for event in heard(type="result", **result)] == [outcome]


def test_end_of_a_turn_tells_the_cost_of_the_session_so_far():
    """In USD, as the client reckons it; the last words come along."""
    [end] = heard(type="result", is_error=False, total_cost_usd=0.5, result="ok")
    assert (end.kind, end.cost_usd, end.text) == ("end", 0.5, "ok")


def test_a_retry_of_the_api_is_a_wait_that_ends_when_it_asks_again():
    """The client says in milliseconds how long it waits."""
    [wait] = heard(
        type="system", subtype="api_retry", retry_delay_ms=30_000, error_status=529, attempt=1
    )
    assert wait.kind == "wait"
    assert wait.until == pytest.approx(time.time() + 30, abs=5)
    assert wait.text == "the API is overloaded (529), asking again in 30 s"


@pytest.mark.parametrize(
    ("record", "words"),
    [
        ({"error_status": 429}, "the API has had too many requests (429)"),
        ({"error_status": 502}, "the API is in trouble (502)"),
        ({"error_status": 404}, "the API answers 404"),
        ({"error": "unknown"}, "the API cannot be reached"),
        ({"error": "timed_out"}, "the API cannot be reached: timed out"),
        (
            {"error": {"no": "text"}, "error_status": "x"},
            "the API cannot be reached: {'no': 'text'}",
        ),
        ({}, "the API cannot be reached"),
    ],
)
def test_what_keeps_the_api_from_answering_is_said_in_words(record: dict[str, object], words: str):
    """`status` has no more of it; the log also has when it is asked again."""
    [wait] = heard(type="system", subtype="api_retry", retry_delay_ms=1_000, **record)
    assert (wait.words, wait.text) == (words, f"{words}, asking again in 1 s")


@rule("R170")
def test_a_limit_of_the_account_is_told_from_one_of_a_model_or_a_server():
    """All that use the credential have the one, and others may go on in spite of the other."""
    for kind, is_shared in {"five_hour": True, "seven_day": True, "seven_day_opus": False}.items():
        limit = {"status": "rejected", "resetsAt": 2_000_000_000, "rateLimitType": kind}
        [wait] = heard(type="rate_limit_event", rate_limit_info=limit)
        assert (wait.until, wait.is_shared) == (2_000_000_000, is_shared)
    for status, is_shared in {429: True, 529: False}.items():
        retry = {"type": "system", "subtype": "api_retry", "retry_delay_ms": 1_000}
        [wait] = heard(**retry, error_status=status)
        [end] = heard(type="result", is_error=True, api_error_status=status)
        assert (wait.is_shared, end.is_shared) == (is_shared, is_shared)


def test_an_api_key_that_is_refused_again_and_again_ends_the_work():
    """The client would ask for minutes; the third refusal is enough."""
    retry = {"type": "system", "subtype": "api_retry", "error_status": 401}
    kinds = [
        [event.outcome or event.kind for event in heard(**retry, attempt=n, error=error)]
        for n, error in [(1, "authentication_failed"), (3, "authentication_failed"), (3, "unknown")]
    ]
    assert kinds == [["wait"], ["refused", "wait"], ["wait"]]


def test_a_usage_limit_is_a_wait_until_it_resets():
    """Only a rejected request waits; a warning and paid overage do not."""
    info = {"status": "rejected", "resetsAt": 1795373577, "rateLimitType": "five_hour"}
    [wait] = heard(type="rate_limit_event", rate_limit_info=info)
    assert (wait.kind, wait.until, wait.text) == (
        "wait",
        1795373577,
        "usage limit reached five hour",
    )
    assert not heard(type="rate_limit_event", rate_limit_info={**info, "isUsingOverage": True})
    assert not heard(type="rate_limit_event", rate_limit_info={**info, "status": "allowed_warning"})


@pytest.mark.parametrize("error", ["authentication_failed", "billing_error", "model_not_found"])
def test_what_only_the_captain_can_mend_refuses(error):
    """No money and no such model are as final as no token, with the client's own words."""
    message = {"content": [{"type": "text", "text": "Credit balance is too low"}]}
    [_, end] = heard(type="assistant", message=message, error=error)
    assert (end.kind, end.outcome, end.text) == ("end", "refused", "Credit balance is too low")


@rule("R110")
def test_what_claude_was_told_is_heard_when_it_is_replayed():
    """The replay has the message's mark; tool results and notifications are nothing new."""
    said = {"content": [{"type": "text", "text": "left"}]}
    message = claude.message("left", "m-1")
    assert message
    assert json.loads(message) == {
        "type": "user",
        "uuid": "m-1",
        "message": {"role": "user", **said},
    }
    assert heard(**json.loads(message), isReplay=True) == [Event("heard", "m-1")]
    assert heard(type="user", uuid="m-2", message=said) == []
    notification = {"content": "<task-notification>…</task-notification>"}
    assert heard(type="user", message=notification, isReplay=True) == []


def test_what_claude_prints_that_is_no_message_is_logged():
    """Complaints on stderr, such as why it does not start, are kept for people."""
    assert list(claude.events(b"Error: no bubblewrap\n")) == [
        Event("notice", "Error: no bubblewrap")
    ]


def test_every_turn_has_a_beginning():
    """Also one that claude begins by itself can so be told from the one that ended."""
    assert heard(type="system", subtype="init") == [Event("begin")]


def test_another_process_can_go_on_with_a_conversation():
    """Claude says what it calls it, and is told the same."""
    assert heard(type="system", subtype="init", session_id="a1") == [Event("begin", "a1")]
    assert "--resume" not in claude.command(JOB)
    assert after(claude.command(JOB._replace(conversation="a1")), "--resume") == "a1"


def test_what_the_client_says_of_an_error_is_no_work():
    """It speaks in the model's place then."""
    message = {"content": [{"type": "text", "text": "API Error: 429"}]}
    said = heard(type="assistant", message=message, error="rate_limit")
    assert said == [Event("notice", "API Error: 429")]


@pytest.mark.parametrize(
    ("model", "usd"),
    [("claude-sonnet-5-5", 0.0135), ("claude-opus-5-5", 0.027), ("claude-haiku-5-5", 0.000675)],
)
def test_a_message_costs_something_before_its_turn_has_ended(model, usd):
    """At least so much, whichever block of it is printed; of a model that is not known nobody can
    tell."""
    usage = {"input_tokens": 1000, "cache_creation_input_tokens": 2000, "output_tokens": 700}
    usage["cache_read_input_tokens"] = 2500
    message = {"id": "msg_1", "content": [], "usage": usage}
    [cost] = heard(type="assistant", message={**message, "model": model})
    assert (cost.kind, cost.text) == ("cost", "msg_1")
    assert cost.cost_usd == pytest.approx(usd)
    assert cost.usage == (Usage(model, 1000, 700, 2500, 2000, cost.cost_usd),)
    [cost] = heard(type="assistant", message={**message, "model": "other[1m]"})
    assert (cost.cost_usd, cost.usage[0].model, cost.usage[0].cost_usd) == (0, "other", None)
    assert heard(type="assistant", message={**message, "model": "<synthetic>"}) == []


def test_the_end_of_a_turn_tells_what_was_used_by_model():
    """Of the API's time only the sum is known: each model has its part by what it wrote."""
    small = {"inputTokens": 10, "outputTokens": 100, "costUSD": 0.125}
    large = {"outputTokens": 300, "cacheReadInputTokens": 7, "cacheCreationInputTokens": 8}
    models = {"haiku": small, "opus[1m]": {**large, "costUSD": 0.25}, "odd": "?"}
    [end] = heard(type="result", total_cost_usd=0.375, modelUsage=models, duration_api_ms=4000)
    assert end.usage == (
        Usage("haiku", 10, 100, 0, 0, 0.125, 1.0),
        Usage("opus", 0, 300, 7, 8, 0.25, 3.0),
    )


KEYS = [
    *("message", "content", "text", "name", "input", "error", "errors", "isReplay", "subtype"),
    *("tasks", "attempt", "retry_delay_ms", "error_status", "rate_limit_info", "status", "result"),
    *("resetsAt", "rateLimitType", "modelUsage", "inputTokens", "total_cost_usd", "is_error"),
    *("api_error_status", "a model", "uuid", "id", "model", "usage", "input_tokens", "session_id"),
]


KNOWN = st.recursive(
    ODD
    | st.sampled_from(["text", "tool_use", "rejected", "api_retry", "background_tasks_changed"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*KEYS, "type"]), inner),
    max_leaves=20,
)


TYPES = st.sampled_from(["assistant", "user", "system", "rate_limit_event", "result"])


@rule("R94")
@given(kind=TYPES, said=st.dictionaries(st.sampled_from(KEYS), KNOWN))
def test_no_message_of_a_known_type_breaks_claudes_reader(kind, said):
    """Any value in any known place is read or ignored."""
    check(heard(**{**said, "type": kind}))


@rule("R94")
@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"result","is_error":true,"api_error_status":1e999,"total_cost_usd":NaN}',
        b'{"type":"result","total_cost_usd":' + b"9" * 4000 + b"}",
        b'{"type":"result","total_cost_usd":' + b"9" * 5000 + b"}",
        b"[" * 200_000,
        b'{"type":' + b"[" * 500 + b"]" * 500 + b"}",
        b'{"type":["result"]}',
    ],
)
def test_numbers_and_nesting_beyond_measure_do_no_harm(line):
    """What JSON allows and Python does not take easily is ignored."""
    check(list(claude.events(line)))


def test_a_sessions_file_is_looked_for_wherever_claude_keeps_it():
    """In the home directory, or where CLAUDE_CONFIG_DIR says; odd characters are themselves."""
    home = {"HOME": "/home/a[b]"}
    found = claude.transcript(home, "3629747f-db69")
    assert found == "/home/a[[]b]/.claude/projects/*/3629747f-db69.jsonl"
    elsewhere = claude.transcript({**home, "CLAUDE_CONFIG_DIR": "/etc/claude"}, "3629747f-db69")
    assert elsewhere == "/etc/claude/projects/*/3629747f-db69.jsonl"


@pytest.mark.parametrize("name", ["", "*", "../../../voyage/key", "a/b", "-x", "a\n", "a" * 101])
def test_no_name_of_a_session_leads_to_another_file(name: str):
    """What is no name of a session is no part of a path."""
    assert claude.transcript({"HOME": "/home"}, name) is None
