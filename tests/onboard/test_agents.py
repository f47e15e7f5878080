"""The agents on a ship: what they are started with, and what is read from what they print."""

import json
import shlex
import tempfile
import time
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.ship import taskhook
from ocaptain.onboard.ship.agents import AGENTS, Event, Job
from ocaptain.onboard.ship.client import Client, Unreachable, exchange
from tests.support.rules import rule
from tests.support.ship import a_grant, a_ship, a_voyage

claude, shell = AGENTS["claude"], AGENTS["shell"]
SECRET = "sk-ant-oat01-secret"
JOB = Job(
    a_voyage(voyage="voyage-1f", model=None),
    "ship-2",
    a_grant({"id": "7", "metadata": {"run": "make it"}}),
    hook=("python3", "-IS", "/home/a b/lib", "task-hook", "12", "ssh", "harbor"),
    agent_env={"CLAUDE_CODE_OAUTH_TOKEN": SECRET},
)


def heard(**said):
    return list(claude.events(json.dumps(said).encode()))


def after(command: list[str], option: str) -> str:
    return command[command.index(option) + 1]


@rule("R98")
@pytest.mark.parametrize("name", AGENTS)
def test_no_secret_stands_in_a_command_line(name):
    """Tokens reach an agent through its environment only."""
    assert SECRET not in " ".join(AGENTS[name].command(JOB))


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
    asked = claude.command(JOB._replace(voyage=a_voyage(model="opus"), grant=grant))
    assert "--model" not in plain
    assert "--max-budget-usd" not in plain
    assert (after(asked, "--model"), after(asked, "--max-budget-usd")) == ("opus", "2.5")


def test_claude_works_on_the_task_list_of_the_voyage():
    """The task tools are switched on and point at the shared list."""
    environment = claude.environment(JOB)
    assert environment["CLAUDE_CODE_TASK_LIST_ID"] == "voyage-1f-tasks"
    assert environment["CLAUDE_CODE_ENABLE_TODO_TOOLS"] == "1"
    assert environment["CLAUDE_CODE_OAUTH_TOKEN"] == SECRET


def test_telemetry_names_voyage_ship_and_task_besides_the_captains_attributes():
    """Resource attributes are added to, and escaped as their format wants."""
    captain = {"OTEL_LOGS_EXPORTER": "otlp", "OTEL_RESOURCE_ATTRIBUTES": "team=a%20b"}
    grant = a_grant({"id": "a,b"})
    environment = claude.environment(JOB._replace(grant=grant, agent_env=captain))
    attributes = "team=a%20b,voyage.id=voyage-1f,ship.id=ship-2,task.id=a%2Cb"
    assert environment["OTEL_RESOURCE_ATTRIBUTES"] == attributes
    assert environment["OTEL_LOGS_EXPORTER"] == "otlp"


def test_telemetry_is_on_where_the_captain_turned_it_on():
    """Only the captain's own switch turns it on; the attributes alone send nothing."""
    switch = "CLAUDE_CODE_ENABLE_TELEMETRY"
    assert switch not in claude.environment(JOB)
    assert claude.environment(JOB._replace(agent_env={switch: "1"}))[switch] == "1"


@pytest.mark.parametrize("name", ["CLAUDE_CODE_OAUTH_TOKEN", "ANTHROPIC_API_KEY"])
def test_claude_misses_a_credential_until_it_has_one(name):
    """Either kind of credential will do, and an empty one is none."""
    assert "CLAUDE_CODE_OAUTH_TOKEN" in (claude.missing({name: ""}) or "")
    assert claude.missing({name: "x"}) is None


def test_shell_runs_the_tasks_command_and_gets_no_secret():
    """`metadata.run` is what bash runs, with nothing of the captain's."""
    assert shell.command(JOB) == ["bash", "-c", "make it"]
    assert shell.environment(JOB) == {}
    assert shell.missing({}) is None
    assert shell.message("hello", "mark") is None


def test_shell_output_is_logged_line_by_line():
    """Every line with something on it is a text, whatever its bytes."""
    printed = [b"one\n", b"\n", b"\xff two  \r\n"]
    texts = [event.text for line in printed for event in shell.events(line)]
    assert texts == ["one", "\ufffd two"]


def test_what_claude_says_and_does_becomes_lines_for_the_log():
    """Texts and tool calls are one line each; thinking is not logged."""
    content = [
        {"type": "thinking", "thinking": "hm"},
        {"type": "text", "text": "Two\nlines "},
        {"type": "tool_use", "name": "Bash", "input": {"description": "t", "command": "pytest -q"}},
        {"type": "tool_use", "name": "Edit", "input": {"old_string": "x", "file_path": "src/a.py"}},
        {"type": "tool_use", "name": "TaskList", "input": {}},
    ]
    assert heard(type="assistant", message={"content": content}) == [
        Event("text", "Two lines"),
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
    assert "529" in wait.text


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
    assert list(claude.events(b"Error: no bubblewrap\n")) == [Event("tool", "Error: no bubblewrap")]


def test_every_turn_has_a_beginning():
    """Also one that claude begins by itself can so be told from the one that ended."""
    assert heard(type="system", subtype="init") == [Event("begin")]


ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
JSON = st.recursive(ODD, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
KEYS = [
    *("message", "content", "text", "name", "input", "error", "errors", "isReplay", "subtype"),
    *("tasks", "attempt", "retry_delay_ms", "error_status", "rate_limit_info", "status", "result"),
    *("resetsAt", "rateLimitType", "modelUsage", "inputTokens", "total_cost_usd", "is_error"),
    *("api_error_status", "a model", "uuid"),
]
KNOWN = st.recursive(
    ODD
    | st.sampled_from(["text", "tool_use", "rejected", "api_retry", "background_tasks_changed"]),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*KEYS, "type"]), inner),
    max_leaves=20,
)
TYPES = st.sampled_from(["assistant", "user", "system", "rate_limit_event", "result"])


@rule("R94")
@pytest.mark.parametrize("name", AGENTS)
@given(line=st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_no_line_whatever_breaks_an_agents_reader(name, line):
    """Hostile output yields events or nothing, never an exception."""
    check(list(AGENTS[name].events(line.replace(b"\n", b""))))


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


def check(events: list[Event]) -> None:
    for event in events:
        assert event.kind in ("text", "tool", "wait", "background", "heard", "begin", "end")
        assert "\n" not in event.text
        event.text.encode()
        assert 0 <= event.cost_usd < float("inf")
        assert 0 <= event.until < float("inf")
        assert isinstance(event.left, int)


# The hook


def call(tool: str, **arguments) -> str:
    return json.dumps({"tool_name": tool, "tool_use_id": "toolu_1", "tool_input": arguments})


ANSWERING = """\
#!/bin/sh
head -n 1 >>"$0.asked"; head -n 1 "${0%/*}/answers"; sed -i 1d "${0%/*}/answers"
"""


def harbor(tmp_path: Path, *answers: str, script: str = ANSWERING) -> None:
    """A way to storage that keeps what it is asked and gives one answer after the other."""
    (tmp_path / "answers").write_text("".join(f"{answer}\n" for answer in answers))
    (tmp_path / "ssh").write_text(script)
    (tmp_path / "ssh").chmod(0o755)


@pytest.fixture
def hook(tmp_path, monkeypatch, capsys):
    """Calls the hook as Claude Code does, and returns what the model is told."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    harbor(tmp_path, script="#!/bin/false\n")
    a_ship(tmp_path, None)
    (tmp_path / "voyage" / "agent_env.json").write_text(json.dumps({"ANTHROPIC_API_KEY": SECRET}))

    def told(stdin: str, patience_s: float = 40) -> str:
        monkeypatch.setattr("sys.stdin", StringIO(stdin))
        taskhook.main(tmp_path, 12, patience_s)
        output = json.loads(capsys.readouterr().out)["hookSpecificOutput"]
        assert output["hookEventName"] == "PreToolUse"
        assert output["permissionDecision"] == "deny"
        return output["permissionDecisionReason"]

    return told


@rule("R93")
def test_a_native_task_create_becomes_harbors_add(tmp_path, hook):
    """harbor gets the tool's arguments under the tool call's id, and the model harbor's words."""
    harbor(tmp_path, '{"ok": true, "message": "Task 8 was added."}')
    given = {"subject": "S", "description": "D", "metadata": {"files": ["a"]}}
    assert hook(call("TaskCreate", **given)).endswith("Task 8 was added.")
    asked = json.loads((tmp_path / "ssh.asked").read_text())
    head = {"protocol": PROTOCOL, "id": "toolu_1", "claim": 12}
    assert asked == {**head, "op": "add", "task": given}


def test_a_native_task_create_that_is_refused_tells_the_reason(tmp_path, hook):
    """harbor's reason is the model's."""
    harbor(tmp_path, '{"ok": false, "code": "task", "error": "a task needs a subject"}')
    assert "nothing was changed: a task needs a subject" in hook(call("TaskCreate"))


@rule("R93")
def test_a_native_task_update_is_refused_with_the_reason(tmp_path, hook):
    """No model completes, takes or drops a task, its own or another's: harbor is not even asked."""
    for fields in ({"status": "completed"}, {"owner": "me"}, {"status": "deleted"}):
        harbor(tmp_path, '{"ok": true}')
        assert hook(call("TaskUpdate", taskId="3", **fields)) == taskhook.REFUSED
    assert not (tmp_path / "ssh.asked").exists()


@rule("R18", "R92")
def test_a_lost_answer_is_asked_for_again_under_the_same_id(tmp_path, monkeypatch, hook):
    """Nothing and half an answer are no answer."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    harbor(tmp_path, "", '{"ok": tr', '{"ok": true, "message": "Once."}')
    assert hook(call("TaskCreate", subject="S")).endswith("Once.")
    asked = (tmp_path / "ssh.asked").read_text().splitlines()
    assert len(asked) == 3
    assert len(set(asked)) == 1


@rule("R92")
def test_only_an_answer_of_harbors_is_taken_for_one():
    """JSON from another server, say of its own refusal, is no answer; it is passed on as said."""
    answers = ['{"error": "no such user"}', '["ok"]', "[" * 100_000]
    for answer in answers:
        with pytest.raises(Unreachable) as silence:
            exchange(["sh", "-c", f"read line; echo '{answer}'"], "{}")
        assert str(silence.value) == answer[:300]
    banner = """read line; echo Welcome; echo '{"motd": 1}'; echo '{"ok": false, "code": "x"}'"""
    assert exchange(["sh", "-c", banner], "{}") == {"ok": False, "code": "x"}


@rule("R91")
def test_who_is_patient_says_what_keeps_it_waiting(tmp_path, monkeypatch, capsys):
    """Why storage does not answer stands on stderr, where only the ship's own owner looks."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    gate = tmp_path / "gate"
    ssh = f"read line; [ -e {gate} ] && echo '{{\"ok\": true}}' || echo no route; echo >>{gate}"
    client = Client(["sh", "-c", ssh], [])
    assert client.ask({"op": "beat"}) == {"ok": True}
    assert capsys.readouterr().err == "storage cannot be reached: no route\n"
    gate.unlink()
    with pytest.raises(Unreachable):
        client.ask({"op": "beat"}, patience_s=0)
    assert capsys.readouterr().err == ""


@rule("R98")
def test_no_secret_goes_out_with_a_task(tmp_path, hook):
    """A token that the model writes into a task stays on the ship."""
    harbor(tmp_path, '{"ok": true}')
    hook(call("TaskCreate", subject="S", description=f"use {SECRET}"))
    assert json.loads((tmp_path / "ssh.asked").read_text())["task"]["description"] == "use ***"


def test_without_harbor_the_model_is_told_to_carry_on(monkeypatch, hook):
    """An unreachable task list stops a tool call and nothing else."""
    assert hook(call("TaskCreate", subject="S"), patience_s=0) == taskhook.UNREACHABLE


@rule("R93")
@pytest.mark.parametrize(
    "stdin", ["", "[]", "{}", '{"tool_use_id": "x", "tool_name": "TaskCreate"}']
)
def test_a_call_that_cannot_be_read_changes_nothing(stdin, hook):
    """The tool is stopped all the same, as the hook failing would let it run."""
    assert "nothing was changed" in hook(stdin)
