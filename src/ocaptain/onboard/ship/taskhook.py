"""A PreToolUse hook of Claude Code: TaskCreate and TaskUpdate become requests to harbor.

Format: https://code.claude.com/docs/en/hooks. The native tool is always stopped, since only harbor
writes the task list; what harbor did stands in the tool's result.
"""

import json
import sys
from pathlib import Path
from typing import Any

from .ship import Ship

PATIENCE_S = 40
REFUSED = "Refused, nothing was changed: ocaptain hands tasks out, and completes what has landed."
UNREACHABLE = "The task list is out of reach, nothing was changed. Carry on without it."


def main(home: Path, claim: int) -> None:
    """Print the hook's answer, for a session that has this claim."""
    try:
        reason = done(Ship(home), claim, json.load(sys.stdin))
    except OSError:
        reason = UNREACHABLE
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"ocaptain cannot read this call, nothing was changed: {error!r}"
    decision = {"permissionDecision": "deny", "permissionDecisionReason": reason}
    print(json.dumps({"hookSpecificOutput": {"hookEventName": "PreToolUse", **decision}}))


def done(ship: Ship, claim: int, call: dict[str, Any]) -> str:
    """What the model is told: Claude Code calls any stopped tool an error, even if it is none.

    The request has the call's own id: asking again changes nothing."""
    if call["tool_name"] != "TaskCreate":
        return REFUSED
    told = {"id": call["tool_use_id"], "claim": claim, "task": call["tool_input"]}
    answer = ship.ask("add", patience=PATIENCE_S, **told)
    if answer.get("ok"):
        return f"No error: ocaptain did this in the tool's place. {answer.get('message')}"
    return f"ocaptain refused this, nothing was changed: {answer.get('error')}"
