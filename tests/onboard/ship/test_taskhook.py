"""The hook that stands in for Claude Code's task tools."""

import json
import tempfile
from io import StringIO
from pathlib import Path

import pytest

from ocaptain.onboard.protocol import PROTOCOL
from ocaptain.onboard.ship import taskhook
from tests.support.rules import rule
from tests.support.ship import AGENT_SECRET, a_ship


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
    (tmp_path / "voyage" / "agent_env.json").write_text(
        json.dumps({"ANTHROPIC_API_KEY": AGENT_SECRET})
    )

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


@rule("R98")
def test_no_secret_goes_out_with_a_task(tmp_path, hook):
    """A token that the model writes into a task stays on the ship."""
    harbor(tmp_path, '{"ok": true}')
    hook(call("TaskCreate", subject="S", description=f"use {AGENT_SECRET}"))
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
