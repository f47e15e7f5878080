"""A PreToolUse hook of Claude Code: TaskCreate and TaskUpdate become requests to harbor.

Format: https://code.claude.com/docs/en/hooks. The native tool is always stopped, since only harbor
writes the task list; what harbor did stands in the tool's result.
"""

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .client import Harbor, Unreachable
from .log import secret_values

Json = dict[str, Any]

PATIENCE_S = 40
UNREACHABLE = (
    "The task list cannot be reached now, and nothing was changed in it. Do not try this again: "
    "carry on with your own task without it."
)


def main(_home: Path, argv: Sequence[str]) -> int:
    """`argv`: the claim's number, then the SSH command to storage. Prints the hook's answer."""
    claim, *ssh = argv
    try:
        request = request_for(json.load(sys.stdin), int(claim))
        answer = Harbor(ssh, secret_values(os.environ)).ask(patience=PATIENCE_S, **request)
        reason = verdict(answer)
    except Unreachable:
        reason = UNREACHABLE
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"ocaptain cannot read this call, nothing was changed: {error!r}"
    decision = {"permissionDecision": "deny", "permissionDecisionReason": reason}
    output = {"hookSpecificOutput": {"hookEventName": "PreToolUse", **decision}}
    sys.stdout.write(json.dumps(output) + "\n")
    return 0


def request_for(call: Json, claim: int) -> Json:
    """harbor's request for a tool call, with the call's own id: asking again changes nothing."""
    head, given = {"id": call["tool_use_id"], "claim": claim}, call["tool_input"]
    if call["tool_name"] == "TaskCreate":
        return {**head, "op": "add", "task": given}
    return {**head, "op": "update", "task": given["taskId"]}


def verdict(answer: Json) -> str:
    """What the model is told: Claude Code calls any stopped tool an error, even if it is none."""
    if answer.get("ok"):
        return f"No error: ocaptain did this in the tool's place. {answer.get('say', '')}"
    return f"ocaptain refused this, nothing was changed: {answer.get('error', 'no reason given')}"
