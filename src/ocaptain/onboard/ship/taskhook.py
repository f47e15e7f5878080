"""A PreToolUse hook of Claude Code: TaskCreate and TaskUpdate become requests to harbor.

Format: https://code.claude.com/docs/en/hooks. The native tool is always stopped, since only harbor
writes the task list; what harbor did stands in the tool's result.
"""

import json
import sys
from pathlib import Path

from ..protocol import Json
from .channels import exchange
from .client import Refused
from .ship import Ship

PATIENCE_S = 40
REFUSED = "Refused, nothing was changed: ocaptain hands tasks out, and completes what has landed."
UNREACHABLE = "The task list is out of reach, nothing was changed. Carry on without it."


def main(home: Path, claim: int, patience_s: float = PATIENCE_S) -> None:
    """Print the hook's answer to the call on stdin, for a session that has this claim."""
    try:
        reason = answer(Ship(home, exchange), claim, json.load(sys.stdin), patience_s)
    except OSError:
        reason = UNREACHABLE
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = f"ocaptain cannot read this call, nothing was changed: {error!r}"
    output = {
        "hookEventName": "PreToolUse",
        "permissionDecision": "deny",
        "permissionDecisionReason": reason,
    }
    print(json.dumps({"hookSpecificOutput": output}))


def answer(ship: Ship, claim: int, call: Json, patience_s: float) -> str:
    """Do what the call asks for, if that is allowed, and return what to tell the model.

    Claude Code calls any stopped tool an error, even if it is none. The request has the call's own
    id: asking again changes nothing."""
    if call["tool_name"] != "TaskCreate":
        return REFUSED
    try:
        added = ship.storage.add_task(claim, call["tool_input"], call["tool_use_id"], patience_s)
    except Refused as refusal:
        return f"ocaptain refused this, nothing was changed: {refusal.error}"
    return f"No error: ocaptain did this in the tool's place. {added['message']}"
